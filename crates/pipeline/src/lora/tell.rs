//! LoRAs among the texts of a picture.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::LoraSpec;

/// Adds the LoRAs that a picture was made with to its texts (see [`crate::metadata::texts`]): to our
/// own request as `loras`, beside the model. The line for other programs has those of the prompt,
/// in the prompt.
pub fn tell(texts: &mut BTreeMap<&'static str, String>, loras: &[LoraSpec]) {
    let Some(own) = texts.get_mut("aquatint").filter(|_| !loras.is_empty()) else { return };
    if let Ok(Value::Object(mut told)) = serde_json::from_str(own) {
        told.insert("loras".into(), json!(loras));
        *own = Value::Object(told).to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GenerateRequest, metadata};

    #[test]
    fn beside_the_model() {
        let request = GenerateRequest { prompt: "a cat".into(), ..Default::default() };
        let origin = metadata::Origin { model: "m", version: "0.1.0", dtype: "f32" };
        let plain = metadata::texts(&request, 7.into(), (64, 64), &origin);
        let mut texts = plain.clone();
        tell(&mut texts, &[]);
        assert_eq!(texts, plain);
        let spec: LoraSpec = "a.safetensors:unet=0.5,te=0".parse().expect("a LoRA");
        tell(&mut texts, std::slice::from_ref(&spec));
        let own: Value = serde_json::from_str(&texts["aquatint"]).expect("JSON");
        let read: Vec<LoraSpec> = serde_json::from_value(own["loras"].clone()).expect("LoRAs");
        assert_eq!((read, &own["model"]), (vec![spec], &json!("m")));
        assert_eq!(texts["parameters"], plain["parameters"]);
    }
}
