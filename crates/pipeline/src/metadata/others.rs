//! What InvokeAI and NovelAI write, which is JSON with other names.

use serde_json::Value;

use super::description::Made;
use super::fields::{FIELDS, Keys};

/// InvokeAI's `invokeai_metadata`.
pub(super) fn invoke_ai(text: &str) -> Option<Made> {
    let json: Value = serde_json::from_str(text).ok()?;
    let version = json.get("app_version").and_then(Value::as_str).unwrap_or_default();
    let mut made = Made::by(format!("InvokeAI {version}").trim());
    let name =
        |model: &Value| Some(model.get("name").or(model.get("model_name"))?.as_str()?.into());
    made.model = json.get("model").and_then(name);
    let names = [
        ("positive_prompt", "prompt"),
        ("negative_prompt", "negative_prompt"),
        ("seed", "seed"),
        ("steps", "steps"),
        ("cfg_scale", "guidance_scale"),
        ("cfg_rescale_multiplier", "guidance_rescale"),
        ("width", "width"),
        ("height", "height"),
        ("strength", "strength"),
    ];
    // Its noise is the CPU's unless it is told otherwise.
    let gpu = json.get("rand_device").is_some_and(|device| device != "cpu");
    read(made, &json, &names, "scheduler", if gpu { "torch-cuda" } else { "torch-cpu" })
}

/// NovelAI's `Comment`, beside the prompt as `Description`.
pub(super) fn novel_ai(software: &str, prompt: Option<&str>, comment: &str) -> Option<Made> {
    if software != "NovelAI" {
        return None;
    }
    let mut json: Value = serde_json::from_str(comment).ok()?;
    if let (Some(json), Some(prompt)) = (json.as_object_mut(), prompt) {
        json.entry("prompt").or_insert(prompt.into());
    }
    let names = [
        ("prompt", "prompt"),
        ("uc", "negative_prompt"),
        ("seed", "seed"),
        ("steps", "steps"),
        ("scale", "guidance_scale"),
        ("cfg_rescale", "guidance_rescale"),
        ("width", "width"),
        ("height", "height"),
    ];
    // It is k-diffusion on a GPU, as the web UI is.
    read(Made::by(software), &json, &names, "sampler", "web-ui")
}

fn read(
    mut made: Made,
    json: &Value,
    names: &[(&str, &str)],
    sampler: &str,
    rng: &str,
) -> Option<Made> {
    let json = json.as_object()?;
    let mut request = Keys::new();
    request.insert("rng".into(), rng.into());
    for (theirs, ours) in names {
        if let Some(value) = json.get(*theirs).filter(|value| !value.is_null()) {
            request.insert((*ours).into(), value.clone());
        }
    }
    if let Some(name) = json.get(sampler).and_then(Value::as_str) {
        // InvokeAI's `_k` is Karras.
        let karras = name.strip_suffix("_k");
        let field = FIELDS.iter().find(|field| field.name == "Sampler" && name.len() < 100);
        let read =
            field.and_then(|field| (field.read)(field, karras.unwrap_or(name), &mut request));
        match (read, karras) {
            (None, _) => made.rest.push((sampler.into(), name.into())),
            (_, Some(_)) => drop(request.insert("schedule".into(), "karras".into())),
            _ => {}
        }
    }
    made.take(request);
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GenerateRequest;

    #[test]
    fn both() {
        let invoke = r#"{"app_version": "5.4.0", "positive_prompt": "a cat", "seed": 9, "steps": 30,
            "cfg_scale": 7.5, "width": 64, "height": 72, "scheduler": "dpmpp_2m_k",
            "rand_device": "cpu", "model": {"name": "sd-1"}, "negative_prompt": null}"#;
        let made = invoke_ai(invoke).expect("InvokeAI's");
        let request = made.request_over(&GenerateRequest::default()).unwrap();
        let expected = GenerateRequest {
            prompt: "a cat".into(),
            seed: 9,
            steps: 30,
            guidance_scale: 7.5,
            width: Some(64),
            height: Some(72),
            sampler: "dpmpp_2m".into(),
            schedule: Some("karras".into()),
            ..Default::default()
        };
        assert_eq!(request, expected);
        assert_eq!((&*made.by, made.model.as_deref()), ("InvokeAI 5.4.0", Some("sd-1")));

        let comment = r#"{"steps": 28, "seed": 3, "scale": 6, "sampler": "k_euler_ancestral",
            "uc": "a dog"}"#;
        let made = novel_ai("NovelAI", Some("a cat"), comment).expect("NovelAI's");
        let request = made.request_over(&GenerateRequest::default()).unwrap();
        assert_eq!((&*request.prompt, &*request.negative_prompt), ("a cat", "a dog"));
        assert_eq!((&*request.sampler, request.guidance_scale), ("euler_ancestral", 6.0));
        assert_eq!(novel_ai("GIMP", None, comment), None);
    }
}
