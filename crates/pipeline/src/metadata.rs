//! What a PNG says about how it was made, so that it can be made again.

use std::collections::BTreeMap;

use aquatint_diffusion::{NoiseRule, spacing};
use aquatint_tensor::RngKind;
use serde_json::json;

use crate::GenerateRequest;
use crate::request::PictureSeed;

/// The texts of a PNG: `parameters`, the line that other programs read (the format of Stable
/// Diffusion web UI), and `aquatint`, our own request as JSON.
///
/// `request` is that of the whole run; `seed`, `width` and `height` are this picture's.
pub fn texts(
    request: &GenerateRequest,
    PictureSeed { seed, subseed }: PictureSeed,
    (width, height): (usize, usize),
    model: &str,
    version: &str,
) -> BTreeMap<&'static str, String> {
    let own = GenerateRequest {
        seed,
        subseed,
        width: Some(width),
        height: Some(height),
        count: 1,
        ..request.clone()
    };
    let own = json!({ "version": version, "model": model, "request": own });

    let mut parameters = format!("{}\n", request.prompt);
    if !request.negative_prompt.is_empty() {
        parameters += &format!("Negative prompt: {}\n", request.negative_prompt);
    }
    parameters += &format!("Steps: {}, Sampler: {}, ", request.steps, request.sampler);
    if let Some(name) = &request.schedule {
        let known = spacing::find(name).ok();
        let name = known.map_or(name.as_str(), |known| known.web_ui.unwrap_or(known.name));
        parameters += &format!("Schedule type: {name}, ");
    }
    parameters += &format!("CFG scale: {}, Seed: {seed}, ", request.guidance_scale);
    parameters += &format!("Size: {width}x{height}, Model: {model}, ");
    let [start, stop] = request.guidance_interval;
    if [start, stop] != [0.0, 1.0] {
        parameters += &format!("Guidance interval: {start}..{stop}, ");
    }
    if request.deep_cache > 1 {
        parameters += &format!("Deep cache: {}, ", request.deep_cache);
        parameters += &format!("Deep cache branch: {}, ", request.deep_cache_branch);
    }
    if request.token_merging > 0.0 {
        parameters += &format!("Token merging ratio: {}, ", request.token_merging);
    }
    if let Some(eta) = request.eta {
        parameters += &format!("Eta: {eta}, ");
    }
    if request.subseed_strength > 0.0 {
        let strength = request.subseed_strength;
        parameters += &format!("Variation seed: {subseed}, Variation seed strength: {strength}, ");
    }
    if request.eta_noise_seed_delta != 0 {
        parameters += &format!("ENSD: {}, ", request.eta_noise_seed_delta);
    }
    if let Ok(rng) = NoiseRule::find(&request.rng) {
        parameters += &format!("RNG: {}, ", web_ui_name(rng));
    }
    parameters += &format!("Version: aquatint {version}");
    BTreeMap::from([("aquatint", own.to_string()), ("parameters", parameters)])
}

/// What the web UI calls this kind; what it does not know keeps our name. To the web UI, no name
/// would mean the GPU.
fn web_ui_name(rng: NoiseRule) -> &'static str {
    match rng {
        NoiseRule::One(RngKind::TorchCpu) => "CPU",
        NoiseRule::One(RngKind::TorchCuda) => "NV",
        _ => rng.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_work_is_told() {
        let request = GenerateRequest { seed: 7, ..Default::default() }.fast();
        let texts = texts(&request, 7.into(), (128, 64), "seven-styles", "0.1.0");
        let line = &texts["parameters"];
        assert!(line.contains("Guidance interval: 0.2..1, Deep cache: 3, "), "{line}");
        let own: serde_json::Value = serde_json::from_str(&texts["aquatint"]).expect("JSON");
        let read: GenerateRequest = serde_json::from_value(own["request"].clone()).expect("ours");
        assert_eq!(read, GenerateRequest { width: Some(128), height: Some(64), ..request });
    }

    #[test]
    fn both_formats() {
        let request = GenerateRequest {
            prompt: "a cat, \"sleeping\"".into(),
            negative_prompt: "a dog".into(),
            seed: 5,
            rng: "torch-cuda".into(),
            schedule: Some("karras".into()),
            count: 3,
            ..Default::default()
        };
        let texts = texts(&request, 7.into(), (128, 64), "seven-styles", "0.1.0");
        assert_eq!(
            texts["parameters"],
            "a cat, \"sleeping\"\nNegative prompt: a dog\nSteps: 50, Sampler: ddim, \
             Schedule type: Karras, CFG scale: 5, Seed: 7, Size: 128x64, Model: seven-styles, RNG: NV, Version: aquatint 0.1.0"
        );
        let own: serde_json::Value = serde_json::from_str(&texts["aquatint"]).expect("JSON");
        let read: GenerateRequest = serde_json::from_value(own["request"].clone()).expect("ours");
        let expected =
            GenerateRequest { seed: 7, count: 1, width: Some(128), height: Some(64), ..request };
        assert_eq!(read, expected);
    }
}
