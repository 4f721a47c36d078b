//! ComfyUI's pictures, which carry the graph that made them: nodes by their numbers, whose inputs
//! are values or `[number, output]` of another node.

use serde_json::{Map, Value};

use super::description::Made;
use super::fields::Keys;

/// How far a link is followed.
const FARTHEST: usize = 50;

type Nodes = Map<String, Value>;

/// What the graph in this text says about its first sampler.
pub(super) fn read(text: &str) -> Option<Made> {
    let nodes: Nodes = serde_json::from_str(text).ok()?;
    let samplers: Vec<&Value> =
        nodes.values().filter(|node| class(node).contains("KSampler")).collect();
    // One that begins with noise, if there are several.
    let begins = |node: &&&Value| {
        let latents = behind(&nodes, node, "latent_image");
        latents.is_some_and(|latents| class(latents).contains("Empty"))
    };
    let sampler = samplers.iter().find(begins).or(samplers.first())?;
    let mut made = Made::by("ComfyUI");
    let mut request = Keys::new();
    // Most compute on a GPU; the noise that a picture begins with is the same without one.
    request.insert("rng".into(), "comfyui".into());
    // It also has a rule of its own for weights in prompts.
    if super::fits("prompt_weights", &"comfyui".into()) {
        request.insert("prompt_weights".into(), "comfyui".into());
    }
    for (input, key) in [
        ("seed", "seed"),
        ("noise_seed", "seed"),
        ("steps", "steps"),
        ("cfg", "guidance_scale"),
        ("denoise", "strength"),
    ] {
        if let Some(value) = value(&nodes, sampler, input).filter(|value| value.is_number()) {
            // All of the noise is no picture to begin with.
            if !(input == "denoise" && value.as_f64() == Some(1.0)) {
                request.insert(key.into(), value.clone());
            }
        }
    }
    for (input, key) in [("sampler_name", "Sampler"), ("scheduler", "Schedule type")] {
        let Some(name) = value(&nodes, sampler, input).and_then(Value::as_str) else { continue };
        let field = super::fields::FIELDS.iter().find(|field| field.name == key);
        let name = name.strip_suffix("_gpu").unwrap_or(name);
        let read = field.filter(|_| name.len() < 100);
        if read.and_then(|field| (field.read)(field, name, &mut request)).is_none() {
            made.rest.push((key.into(), name.into()));
        }
    }
    for (input, key) in [("positive", "prompt"), ("negative", "negative_prompt")] {
        let texts = texts(&nodes, sampler, input);
        request.insert(key.into(), texts.join(" BREAK ").into());
    }
    if let Some(latents) = behind(&nodes, sampler, "latent_image") {
        for side in ["width", "height"] {
            if let Some(pixels) = value(&nodes, latents, side).and_then(Value::as_u64) {
                request.insert(side.into(), pixels.into());
            }
        }
    }
    let models = nodes.values().filter_map(|node| value(&nodes, node, "ckpt_name")?.as_str());
    made.model = models.map(str::to_owned).next();
    let loras = nodes.values().filter_map(|node| value(&nodes, node, "lora_name")?.as_str());
    made.rest.extend(loras.map(|name| ("LoRA".into(), name.into())));
    if samplers.len() > 1 {
        made.rest.push(("Other samplers".into(), (samplers.len() - 1).to_string()));
    }
    made.take(request);
    Some(made)
}

fn class(node: &Value) -> &str {
    node.get("class_type").and_then(Value::as_str).unwrap_or_default()
}

/// The node that this input comes from.
fn behind<'a>(nodes: &'a Nodes, node: &Value, input: &str) -> Option<&'a Value> {
    let link = node.get("inputs")?.get(input)?.as_array()?;
    nodes.get(link.first()?.as_str()?)
}

/// The value of an input, also if it comes from a node that holds nothing else.
fn value<'a>(nodes: &'a Nodes, node: &'a Value, input: &str) -> Option<&'a Value> {
    let mut value = node.get("inputs")?.get(input)?;
    for _ in 0..FARTHEST {
        let Some(link) = value.as_array() else { return Some(value) };
        let inputs = nodes.get(link.first()?.as_str()?)?.get("inputs")?;
        let names = [input, "seed", "noise_seed", "value", "text", "string", "int", "float"];
        value = names.iter().find_map(|name| inputs.get(*name))?;
    }
    None
}

/// The texts that this input comes from, through nodes that change what was made of them.
fn texts(nodes: &Nodes, node: &Value, input: &str) -> Vec<String> {
    let (mut texts, mut seen) = (Vec::new(), Vec::new());
    let mut next: Vec<&Value> = behind(nodes, node, input).into_iter().collect();
    while let Some(node) = next.pop() {
        if seen.len() >= FARTHEST || seen.contains(&node) {
            continue;
        }
        seen.push(node);
        let text = ["text", "text_g", "text_l"].iter().find_map(|name| value(nodes, node, name));
        match text.and_then(Value::as_str) {
            Some(text) => texts.push(text.to_owned()),
            None => {
                let inputs = node.get("inputs").and_then(Value::as_object);
                let names = inputs.into_iter().flat_map(Map::keys);
                let conditions =
                    names.filter(|name| name.starts_with("conditioning") || *name == input);
                next.extend(conditions.filter_map(|name| behind(nodes, node, name)));
            }
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GenerateRequest;

    const GRAPH: &str = r#"{
        "3": {"class_type": "KSampler", "inputs": {"seed": 156680208700286, "steps": 20, "cfg": 8.0,
            "sampler_name": "dpmpp_2m_sde_gpu", "scheduler": "karras", "denoise": 1.0,
            "model": ["4", 0], "positive": ["11", 0], "negative": ["7", 0],
            "latent_image": ["5", 0]}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": ["20", 0],
            "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "a dog", "clip": ["4", 1]}},
        "9": {"class_type": "KSampler", "inputs": {"seed": 1, "latent_image": ["3", 0]}},
        "10": {"class_type": "ConditioningLoop", "inputs": {"conditioning": ["10", 0]}},
        "11": {"class_type": "ConditioningSetArea", "inputs": {"conditioning": ["6", 0]}},
        "20": {"class_type": "PrimitiveInt", "inputs": {"value": 768}}
    }"#;

    #[test]
    fn a_graph() {
        let made = read(GRAPH).expect("a graph");
        let request = made.request_over(&GenerateRequest::default()).unwrap();
        let expected = GenerateRequest {
            prompt: "a cat".into(),
            negative_prompt: "a dog".into(),
            seed: 156_680_208_700_286,
            steps: 20,
            guidance_scale: 8.0,
            sampler: "dpmpp_2m_sde".into(),
            schedule: Some("karras".into()),
            width: Some(512),
            height: Some(768),
            prompt_weights: crate::PromptWeights::Comfyui,
            rng: "comfyui".into(),
            ..Default::default()
        };
        assert_eq!(request, expected);
        assert_eq!(made.model.as_deref(), Some("v1-5.safetensors"));
        assert_eq!(made.rest, [("Other samplers".into(), "1".into())]);
    }

    #[test]
    fn other_json() {
        for text in ["", "{}", "[1]", "7", r#"{"1": {"class_type": 3}}"#] {
            assert_eq!(read(text), None, "{text}");
        }
        let alone = r#"{"1": {"class_type": "KSampler", "inputs": {"seed": ["1", 0]}}}"#;
        assert!(read(alone).is_some_and(|made| !made.request.contains_key("seed")));
    }
}
