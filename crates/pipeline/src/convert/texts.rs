//! The files of a folder that hold no weights.

use aquatint_checkpoint::DType;
use aquatint_checkpoint::naming::PARTS;
use serde_json::{Map, Value};

use super::Text;
use super::input::Gathered;
use crate::components::shipped_tokenizer;
use crate::config::INDEX;
use crate::configs::{self, MODEL_INDEX, components, is_scheduler};
use crate::text_encoder::TextEncoderConfig;
use crate::{ModelError, ModelSource};

/// How files of weights end.
const WEIGHTS: [&str; 8] =
    [".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".msgpack", ".h5", ".onnx"];

/// Why parts are left out.
const NOT_CONVERTED: &str = "parts beside the model that have weights and are not converted";

/// Configurations, tokenizers and whatever else belongs to the model; the index last. Of the folder
/// that it comes from, if it does, as they are; else those of its family.
pub(super) fn of(gathered: &mut Gathered, dtype: Option<DType>) -> Result<Vec<Text>, ModelError> {
    let mut texts = Vec::new();
    if gathered.alone {
        let (_, config) = part_configs(&gathered.configs, dtype).remove(0);
        return Ok(vec![Text::File("config.json".into(), config)]);
    }
    let Some(Value::Object(mut index)) = gathered.configs.get(MODEL_INDEX).cloned() else {
        return Ok(texts);
    };
    for (part, config) in part_configs(&gathered.configs, dtype) {
        texts.push(Text::File(configs::file(&part), config));
    }
    let others: Vec<String> =
        components(&index).filter(|part| !PARTS.contains(part)).map(str::to_owned).collect();
    let mut absent = Vec::new();
    for part in others {
        let names = gathered.settings.as_ref().map_or(vec![], |source| source.names_in(&part));
        let has_weights = names.iter().any(|name| WEIGHTS.iter().any(|end| name.ends_with(end)));
        match &gathered.settings {
            Some(source) if !names.is_empty() && !has_weights => {
                texts.extend(copies(source, &part, &names)?);
            }
            _ if part.starts_with("tokenizer") => {
                texts.extend(shipped(&gathered.configs, &part));
            }
            None if is_scheduler(&part) => {
                let config = gathered.configs.get(&part).map(pretty).unwrap_or_default();
                texts.push(Text::File(configs::file(&part), config));
            }
            _ => absent.push(part),
        }
    }
    for part in &absent {
        index.insert(part.clone(), Value::from(vec![Value::Null; 2]));
        if part == "safety_checker" {
            index.insert("requires_safety_checker".into(), false.into());
        }
    }
    if !absent.is_empty() {
        gathered.left_out.insert(NOT_CONVERTED.into(), absent);
    }
    texts.push(Text::File(INDEX.into(), pretty(&Value::Object(index))));
    Ok(texts)
}

/// The configurations of the parts that have weights. transformers goes by the encoding that is
/// written in them.
fn part_configs(configs: &Map<String, Value>, dtype: Option<DType>) -> Vec<(String, Vec<u8>)> {
    let known = configs.iter().filter(|(part, _)| PARTS.contains(&part.as_str()));
    let texts = known.map(|(part, config)| {
        let mut config = config.clone();
        let torch = dtype.map(|dtype| match dtype {
            DType::F32 => "float32",
            DType::F16 => "float16",
            DType::Bf16 => "bfloat16",
            DType::F64 => "float64",
        });
        for key in ["torch_dtype", "dtype"] {
            if let (Some(torch), Some(value)) = (torch, config.get_mut(key)) {
                *value = torch.into();
            }
        }
        (part.clone(), pretty(&config))
    });
    texts.collect()
}

fn copies(source: &ModelSource, part: &str, names: &[String]) -> Result<Vec<Text>, ModelError> {
    let copy = |name: &String| {
        let name = format!("{part}/{name}");
        let bytes = source.read(&name)?.into_owned();
        Ok(Text::File(name, bytes))
    };
    names.iter().map(copy).collect()
}

/// The tokenizer that goes with the text encoder of the same number.
fn shipped(configs: &Map<String, Value>, part: &str) -> Option<Text> {
    let encoders: &[&str] =
        if part.ends_with("_2") { &["text_encoder_2"] } else { &["text_encoder", "bert"] };
    let config = encoders.iter().find_map(|encoder| configs.get(*encoder))?;
    let config: TextEncoderConfig = serde_json::from_value(config.clone()).ok()?;
    Some(Text::Tokenizer(part.into(), Box::new(shipped_tokenizer(&config))))
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}
