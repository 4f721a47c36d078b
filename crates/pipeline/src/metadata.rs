//! What a picture says about how it was made, so that it can be made again.
//!
//! [`texts`] are written into every picture; a [`Description`] is what is read from one, also from
//! those of other programs.

mod comfy_ui;
mod description;
mod fields;
mod others;
mod web_ui;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::GenerateRequest;
use crate::request::PictureSeed;

pub use self::description::{Description, Made};

/// With what a picture was made, besides the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The program's version.
    pub version: &'a str,
    /// The type in which products were formed.
    pub dtype: &'a str,
}

/// The texts of a picture: `parameters`, the line that other programs read (the format of Stable
/// Diffusion web UI), and `aquatint`, our own request as JSON.
///
/// `request` is that of the whole run; `seed`, `width` and `height` are this picture's.
///
/// # Panics
/// If the request has numbers that are not finite, which none has that was validated.
pub fn texts(
    request: &GenerateRequest,
    PictureSeed { seed, subseed }: PictureSeed,
    (width, height): (usize, usize),
    origin: &Origin<'_>,
) -> BTreeMap<&'static str, String> {
    let own = GenerateRequest { seed, subseed, count: 1, ..request.clone() };
    let sized = GenerateRequest { width: Some(width), height: Some(height), ..own.clone() };
    let Origin { model, version, dtype } = *origin;
    let parameters = web_ui::write(&sized, origin);
    // How far a picture grows says its size.
    let own = if own.extend.is_some() { own } else { sized };
    let own = json!({ "version": version, "model": model, "dtype": dtype, "request": own });
    BTreeMap::from([("aquatint", own.to_string()), ("parameters", parameters)])
}

/// What a request says, by its keys.
fn keys(request: &GenerateRequest) -> Map<String, Value> {
    match serde_json::to_value(request) {
        Ok(Value::Object(keys)) => keys,
        other => panic!("a request is an object: {other:?}"),
    }
}

/// Whether a request has this key, and takes this value for it.
fn fits(key: &str, value: &Value) -> bool {
    let alone = Map::from_iter([(key.to_owned(), value.clone())]);
    serde_json::from_value::<GenerateRequest>(alone.into()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'_> = Origin { model: "seven-styles", version: "0.1.0", dtype: "f32" };

    fn read(texts: &BTreeMap<&str, String>) -> GenerateRequest {
        let own: Value = serde_json::from_str(&texts["aquatint"]).expect("JSON");
        serde_json::from_value(own["request"].clone()).expect("ours")
    }

    #[test]
    fn less_work_is_told() {
        let request = GenerateRequest { seed: 7, ..Default::default() }.fast();
        let texts = texts(&request, 7.into(), (128, 64), &ORIGIN);
        let line = &texts["parameters"];
        assert!(line.contains("Guidance interval: 0.2..1, Deep cache: 3, "), "{line}");
        let expected = GenerateRequest { width: Some(128), height: Some(64), ..request };
        assert_eq!(read(&texts), expected);
    }

    #[test]
    fn both_formats() {
        let request = GenerateRequest {
            prompt: "a cat, \"sleeping\"".into(),
            negative_prompt: "a dog".into(),
            seed: 5,
            rng: "torch-cuda".into(),
            sampler: "euler_ancestral".into(),
            schedule: Some("karras".into()),
            count: 3,
            ..Default::default()
        };
        let texts = texts(&request, 7.into(), (128, 64), &ORIGIN);
        assert_eq!(
            texts["parameters"],
            "a cat, \"sleeping\"\nNegative prompt: a dog\nSteps: 50, Sampler: Euler a, \
             Schedule type: Karras, CFG scale: 5, Seed: 7, Size: 128x64, Model: seven-styles, \
             RNG: NV, Version: aquatint 0.1.0"
        );
        let expected =
            GenerateRequest { seed: 7, count: 1, width: Some(128), height: Some(64), ..request };
        assert_eq!(read(&texts), expected);
    }
}
