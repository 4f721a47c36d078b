//! Small files that a model was changed by when a picture was made, LoRAs and embeddings: what the
//! picture tells of them, and where they are when it is to be made again.

mod content;
mod find;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use self::content::Content;
pub use self::find::Missing;
use crate::lora::LoraSpec;
use crate::metadata::Made;

/// One of these files.
#[derive(Clone, Debug, PartialEq)]
pub struct Attached {
    /// Where it was, as it was given.
    pub file: PathBuf,
    /// What was in it, if that is known.
    pub content: Option<Content>,
    /// What for.
    pub purpose: Purpose,
}

/// What a model does with such a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Purpose {
    /// It is a LoRA of this strength.
    Lora {
        /// How much of it the U-Net gets.
        unet: f64,
        /// How much of it the text encoders get.
        text_encoder: f64,
        /// Whether the prompt says so, and nobody else need.
        named: bool,
    },
    /// It is a word.
    Embedding,
}

impl Attached {
    /// A LoRA, after a look into the file. If there is none, whoever loads it will say so.
    pub fn lora(spec: &LoraSpec, named: bool) -> Self {
        let &LoraSpec { ref file, unet, text_encoder } = spec;
        let purpose = Purpose::Lora { unet, text_encoder, named };
        Self { file: file.clone(), content: Content::of(file).ok(), purpose }
    }

    /// An embedding, likewise.
    pub fn embedding(file: &Path) -> Self {
        let content = Content::of(file).ok();
        Self { file: file.to_owned(), content, purpose: Purpose::Embedding }
    }

    /// What a picture tells, which is taken out of what it says beside its request.
    pub fn told(made: &mut Made) -> Vec<Self> {
        let mut told = Vec::new();
        for key in [LORAS, EMBEDDINGS] {
            let Some(value) = made.beside.remove(key) else { continue };
            let all: Option<Vec<Self>> = value
                .as_array()
                .and_then(|all| all.iter().map(|one| Self::read(key, one)).collect());
            match all {
                Some(mut all) => told.append(&mut all),
                None => drop(made.beside.insert(key.to_owned(), value)),
            }
        }
        told
    }

    fn read(key: &str, value: &Value) -> Option<Self> {
        let number = |key: &str| value.get(key).and_then(Value::as_f64);
        let purpose = match key {
            LORAS => Purpose::Lora {
                unet: number("unet")?,
                text_encoder: number("text_encoder")?,
                named: value.get("named").and_then(Value::as_bool).unwrap_or(false),
            },
            _ => Purpose::Embedding,
        };
        let bytes = value.get("bytes").and_then(Value::as_u64);
        let hash = value.get("hash").and_then(Value::as_str).map(str::to_owned);
        let content = bytes.zip(hash).map(|(bytes, hash)| Content { bytes, hash });
        Some(Self { file: value.get("file")?.as_str()?.into(), content, purpose })
    }

    fn write(&self) -> Value {
        let mut value = json!({ "file": self.file });
        if let Purpose::Lora { unet, text_encoder, named } = self.purpose {
            (value["unet"], value["text_encoder"]) = (unet.into(), text_encoder.into());
            if named {
                value["named"] = true.into();
            }
        }
        if let Some(Content { bytes, hash }) = &self.content {
            (value["bytes"], value["hash"]) = ((*bytes).into(), hash.as_str().into());
        }
        value
    }
}

const LORAS: &str = "loras";
const EMBEDDINGS: &str = "embeddings";

/// Adds the files that a picture was made with to its texts (see [`crate::metadata::texts`]): to our
/// own JSON as `loras` and `embeddings`, beside the model. The line for other programs has those of
/// the prompt, in the prompt.
pub fn tell(texts: &mut BTreeMap<&'static str, String>, attached: &[Attached]) {
    let Some(own) = texts.get_mut("aquatint").filter(|_| !attached.is_empty()) else { return };
    let Ok(Value::Object(mut told)) = serde_json::from_str(own) else { return };
    for key in [LORAS, EMBEDDINGS] {
        let is = |one: &&Attached| (one.purpose == Purpose::Embedding) == (key == EMBEDDINGS);
        let all: Vec<Value> = attached.iter().filter(is).map(Attached::write).collect();
        if !all.is_empty() {
            told.insert(key.into(), all.into());
        }
    }
    *own = Value::Object(told).to_string();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Description, Origin, texts};
    use crate::{GenerateRequest, Picture, png};

    #[test]
    fn told_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.safetensors");
        std::fs::write(&file, b"\x02\0\0\0\0\0\0\0{}abc").unwrap();
        let spec = LoraSpec { file: file.clone(), unet: 0.5, text_encoder: 0.0 };
        let all = [
            Attached::lora(&spec, false),
            Attached::lora(&spec, true),
            Attached::lora(&LoraSpec::new("none.pt", 1.0), false),
            Attached::embedding(&file),
        ];
        // sha256(b"abc"): the head does not count.
        let content = Content { bytes: 13, hash: "ba7816bf8f01".into() };
        assert_eq!(all[0].content, Some(content));
        assert_eq!(all[2].content, None);
        let origin = Origin { model: "m", version: "0.1.0", dtype: "f32" };
        let plain = texts(&GenerateRequest::default(), 7.into(), (64, 64), &origin);
        let mut told = plain.clone();
        tell(&mut told, &[]);
        assert_eq!(told, plain);
        tell(&mut told, &all);
        assert_eq!(told["parameters"], plain["parameters"]);
        let bytes = png::encode(&Picture::new(8, 8, [0; 3]), &told);
        let mut made = Description::read(&bytes).unwrap().made.expect("it was told");
        assert_eq!(Attached::told(&mut made), all);
        assert!(made.beside.is_empty(), "{:?}", made.beside);
        made.beside.insert("loras".into(), json!(["a:1"]));
        assert!(Attached::told(&mut made).is_empty() && made.beside.len() == 1);
    }
}
