//! The configuration of every family, for files that hold nothing but weights.
//!
//! `presets/FAMILY.json` has the files of diffusers' folder by the names of their parts. A preset
//! may extend another: its keys are laid over the other's, part by part, and null removes a part or
//! a key.

use aquatint_checkpoint::Family;
use serde_json::{Map, Value};

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("presets/", $name, ".json")))),+]
    };
}

const PRESETS: &[(&str, &str)] = presets![
    "bsr-sr",
    "celebahq",
    "cin256",
    "cin256-v2",
    "ldm-inpainting",
    "lsun-churches",
    "sd-turbo",
    "sd15",
    "sd15-inpainting",
    "sd15-lcm",
    "sd2",
    "sd2-base",
    "sd2-inpainting",
    "sdxl",
    "sdxl-inpainting",
    "sdxl-lcm",
    "sdxl-refiner",
    "sdxl-turbo",
    "text2img-large",
    "x4-upscaler",
];

/// The configurations of a family's parts, and its `model_index`.
pub fn preset(family: Family) -> Map<String, Value> {
    named(family.id())
}

fn named(name: &str) -> Map<String, Value> {
    let (_, text) = PRESETS
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap_or_else(|| panic!("there is a preset for every family, but none for {name}"));
    let Ok(Value::Object(mut own)) = serde_json::from_str(text) else {
        panic!("preset {name} is no JSON object")
    };
    let Some(base) = own.remove("extends") else { return own };
    let mut whole = named(base.as_str().unwrap_or_default());
    for (part, keys) in own {
        match (whole.get_mut(&part), keys) {
            (Some(Value::Object(there)), Value::Object(keys)) => {
                there.extend(keys);
                there.retain(|_, value| !value.is_null());
            }
            (_, Value::Null) => drop(whole.remove(&part)),
            (_, keys) => drop(whole.insert(part, keys)),
        }
    }
    whole
}
