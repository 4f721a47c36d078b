//! The shapes of what is sent and answered, by hand.

use serde_json::{Map, Value, json};

use super::openapi::kinds;
use crate::engine::{State, all_fields};

/// All of them, by name.
pub(super) fn schemas() -> Value {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let list = |name: &str| json!({"type": "array", "items": reference(name)});
    let states = State::ALL.map(State::name);
    json!({
        "Anything": {},
        "Error": object(&["error"], json!({
            "error": object(&["message", "kind"], json!({
                "message": {"type": "string"},
                "kind": {"type": "string", "enum": kinds()},
                "field": {"type": "string"},
            })),
        })),
        "Health": object(&["status"], json!({"status": {"type": "string"}})),
        "Token": object(&["token"], json!({"token": {"type": "string"}})),
        "Session": object(&["ok"], json!({"ok": {"type": "boolean"}})),
        "Request": request(),
        "Taken": object(&["id", "position", "seed"], json!({
            "id": {"type": "string"},
            "position": {"type": "integer"},
            "seed": {"type": "integer"},
        })),
        "Job": object(
            &["id", "state", "position", "model", "step", "steps", "created", "request", "pictures"],
            json!({
                "id": {"type": "string"},
                "state": {"type": "string", "enum": states},
                "position": {"type": "integer"},
                "model": {"type": "string"},
                "step": {"type": "integer"},
                "steps": {"type": "integer"},
                "sigma": {"type": ["number", "null"]},
                "created": {"type": "integer"},
                "started": {"type": ["integer", "null"]},
                "ended": {"type": ["integer", "null"]},
                "seconds": {"type": "number"},
                "request": {"type": "object"},
                "pictures": list("Made"),
                "error": {"type": "string"},
            }),
        ),
        "Jobs": object(&["jobs"], json!({"jobs": list("Job")})),
        "Made": object(&["id", "url", "width", "height", "seed"], made(json!({}))),
        "Picture": object(
            &["id", "url", "width", "height", "seed", "prompt", "model", "created", "job", "request"],
            made(json!({
                "prompt": {"type": "string"},
                "model": {"type": "string"},
                "created": {"type": "integer"},
                "job": {"type": "string"},
                "request": {"type": "object"},
            })),
        ),
        "Pictures": object(&["pictures", "next"], json!({
            "pictures": list("Picture"),
            "next": {"type": ["string", "null"]},
        })),
        "Deleted": object(&["id"], json!({"id": {"type": "string"}})),
        "Explained": object(&["tokens", "sigmas", "attention"], json!({
            "tokens": {"type": "array", "items": object(&["text", "id", "weight"], json!({
                "text": {"type": "string"},
                "id": {"type": "integer"},
                "weight": {"type": "number"},
            }))},
            "sigmas": {"type": "array", "items": {"type": "number"}},
            "attention": {"type": "array"},
        })),
        "Models": object(&["models"], json!({"models": {"type": "array", "items": object(
            &["name", "title", "kind", "multiple", "loaded", "default", "defaults"],
            json!({
                "name": {"type": "string"},
                "title": {"type": "string"},
                "kind": {"type": "string",
                    "enum": ["text", "class", "unconditional", "upscale", "inpainting"]},
                "classes": {"type": "array", "items": {"type": "string"}},
                "width": {"type": ["integer", "null"]},
                "height": {"type": ["integer", "null"]},
                "multiple": {"type": "integer"},
                "scale": {"type": "integer"},
                "loaded": {"type": "boolean"},
                "default": {"type": "boolean"},
                "defaults": {"type": "object"},
            }),
        )}})),
        "Samplers": object(&["samplers", "schedules"], json!({
            "samplers": {"type": "array", "items": {"type": "object"}},
            "schedules": {"type": "array", "items": {"type": "object"}},
        })),
        "Limits": object(&["pixels", "steps", "count", "body_bytes", "queue"], json!({
            "pixels": {"type": "integer"},
            "steps": {"type": "integer"},
            "count": {"type": "integer"},
            "cost": {"type": "integer"},
            "body_bytes": {"type": "integer"},
            "input_pixels": {"type": "integer"},
            "queue": {"type": "integer"},
        })),
        "Read": object(&["request", "text"], json!({
            "request": {"type": "object"},
            "text": {"type": ["string", "null"]},
            "by": {"type": "string"},
            "whole": {"type": "boolean"},
            "width": {"type": "integer"},
            "height": {"type": "integer"},
        })),
    })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties})
}

fn made(more: Value) -> Value {
    let mut made = json!({
        "id": {"type": "string"},
        "url": {"type": "string"},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "seed": {"type": "integer"},
    });
    if let (Value::Object(made), Value::Object(more)) = (&mut made, more) {
        made.extend(more);
    }
    made
}

/// Types of a request's fields; those that are not named here have more than one form.
const TYPES: [(&str, &[&str]); 5] = [
    (
        "string",
        &[
            "prompt",
            "negative_prompt",
            "prompt_to",
            "prompt_weights",
            "rng",
            "sampler",
            "schedule",
            "guidance_curve",
            "fit",
            "model",
            "init",
            "mask",
        ],
    ),
    (
        "integer",
        &[
            "clip_skip",
            "seed",
            "subseed",
            "eta_noise_seed_delta",
            "steps",
            "deep_cache",
            "deep_cache_branch",
            "width",
            "height",
            "count",
            "noise_level",
        ],
    ),
    (
        "number",
        &[
            "prompt_mix",
            "subseed_strength",
            "guidance_scale",
            "guidance_rescale",
            "dynamic_thresholding",
            "mimic_scale",
            "token_merging",
            "eta",
            "strength",
            "mask_blur",
        ],
    ),
    ("array", &["guidance_interval"]),
    ("boolean", &["upscale", "explain"]),
];

fn request() -> Value {
    let fields = all_fields();
    let ours = ["model", "init", "mask", "upscale", "explain"].map(str::to_owned);
    let mut properties = Map::new();
    for field in fields.into_iter().chain(ours) {
        let known = TYPES.iter().find(|(_, names)| names.contains(&field.as_str()));
        let schema = known.map_or(json!({}), |(kind, _)| json!({"type": [kind, "null"]}));
        properties.insert(field, schema);
    }
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

#[cfg(test)]
mod tests {
    use aquatint_pipeline::GenerateRequest;

    use super::*;

    /// What a request is by habit has the types that we tell.
    #[test]
    fn types_are_true() {
        let usual = serde_json::to_value(GenerateRequest::default()).expect("an object");
        let request = request();
        let several = ["extend", "hires", "class"];
        for (field, schema) in request["properties"].as_object().expect("an object") {
            assert!(schema.get("type").is_some() || several.contains(&&**field), "{field}");
            let kind = match &usual[field] {
                Value::String(_) => "string",
                Value::Number(n) if n.is_f64() => "number",
                Value::Number(_) => "integer",
                Value::Array(_) => "array",
                _ => continue,
            };
            assert_eq!(schema["type"][0], kind, "{field}");
        }
    }
}
