//! What PEFT says about a file beside its tensors: alpha, which has no tensor there.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{LoadError, Weights};

/// PEFT's settings, by part of the model.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// `unet.lora_alpha`, …, or without a part before it.
    values: Map<String, Value>,
}

/// Under which diffusers attaches them to a file.
const KEY: &str = "lora_adapter_metadata";

/// The file that PEFT writes beside its own, and the most bytes of it that are read.
const BESIDE: (&str, u64) = ("adapter_config.json", 1 << 20);

impl Settings {
    /// Those of an opened file.
    ///
    /// # Errors
    /// If they are there and cannot be understood: without alpha the picture would be another.
    pub fn of(weights: &Weights) -> Result<Self, LoadError> {
        let damaged = |what: &str| LoadError::Damaged {
            file: weights.file().into(),
            reason: format!("{what} is no JSON object"),
        };
        let object = |text: &str, what: &str| match serde_json::from_str(text) {
            Ok(Value::Object(values)) => Ok(Self { values }),
            _ => Err(damaged(what)),
        };
        if let Some(text) = weights.metadata(KEY) {
            return object(text, &format!("its {KEY}"));
        }
        if !weights.names().any(|name| name.starts_with("base_model.model.")) {
            return Ok(Self::default());
        }
        let (name, most) = BESIDE;
        let beside = Path::new(weights.file()).with_file_name(name);
        let small = beside.metadata().is_ok_and(|file| file.is_file() && file.len() <= most);
        match std::fs::read_to_string(&beside) {
            Ok(text) if small => object(&text, &beside.display().to_string()),
            _ => Ok(Self::default()),
        }
    }

    /// Alpha / r of a layer of rank `rank`, or what stands for it; 1 if nothing is said.
    pub fn scale(&self, layer: &str, rank: usize) -> f32 {
        let parts = ["unet", "text_encoder", "text_encoder_2"];
        let inside =
            |part: &str| layer.strip_prefix(part).is_some_and(|rest| rest.starts_with('.'));
        let part = parts.into_iter().find(|part| inside(part));
        let get = |key: &str| match part {
            Some(part) => self.values.get(&format!("{part}.{key}")),
            None => self.values.get(key).or_else(|| self.values.get(&format!("unet.{key}"))),
        };
        let pattern = get("alpha_pattern").and_then(Value::as_object).into_iter().flatten();
        let is_it = |key: &str| {
            layer.strip_suffix(key).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let own = pattern.into_iter().find(|(key, _)| is_it(key)).map(|(_, alpha)| alpha);
        let Some(alpha) = own.or_else(|| get("lora_alpha")).and_then(Value::as_f64) else {
            return 1.0;
        };
        let stable = get("use_rslora").is_some_and(|value| value == &Value::Bool(true));
        // Kalajdzievski 2023, "rank stabilization", divides by the root.
        (alpha / if stable { (rank as f64).sqrt() } else { rank as f64 }) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_by_part_and_by_layer() {
        let text = r#"{"unet.lora_alpha": 8, "unet.alpha_pattern": {"a.to_q": 2},
            "text_encoder.lora_alpha": 6, "text_encoder.use_rslora": true}"#;
        let Ok(Value::Object(values)) = serde_json::from_str(text) else { unreachable!() };
        let settings = Settings { values };
        for (layer, scale) in [
            ("unet.x.to_k", 2.0),
            ("unet.b.a.to_q", 0.5),
            ("unet.ba.to_q", 2.0),
            ("x.to_k", 2.0),
            ("text_encoder.q_proj", 3.0),
            ("text_encoder_2.q_proj", 1.0),
        ] {
            assert_eq!(settings.scale(layer, 4), scale, "{layer}");
        }
    }
}
