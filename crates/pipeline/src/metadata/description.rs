//! What a picture file says about how it was made.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::{comfy_ui, others, web_ui};
use crate::picture::open::open_as;
use crate::picture::{exif, jpeg, webp};
use crate::{GenerateRequest, PictureError, PictureFormat, png};

/// What a picture file says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// Which kind of file it is.
    pub format: PictureFormat,
    /// Pixels in a row, as they are in the file.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Every text in it by its keyword.
    pub texts: BTreeMap<String, String>,
    /// How it was made, if one of the texts says that.
    pub made: Option<Made>,
}

/// How a picture was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The program, and its version if that is known: "aquatint 0.1.0".
    pub by: String,
    /// The model's name.
    pub model: Option<String>,
    /// The type in which products were formed.
    pub dtype: Option<String>,
    /// What is known of the request, by the keys of [`GenerateRequest`]'s JSON.
    pub request: Map<String, Value>,
    /// What our own JSON says beside the request, such as `loras`.
    pub beside: Map<String, Value>,
    /// Names and values that no request has room for.
    pub rest: Vec<(String, String)>,
}

impl Description {
    /// That of a PNG, JPEG or WebP file. Its pixels are not looked at.
    ///
    /// # Errors
    /// If it is no such file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        open_as(path.as_ref(), Self::read)
    }

    /// That of the bytes of a file.
    ///
    /// # Errors
    /// The reason why they are no picture, for after the name of a file.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let format = PictureFormat::of_bytes(bytes)
            .ok_or("it is neither a PNG nor a JPEG nor a WebP file")?;
        let ([width, height], exif, mut texts) = match format {
            PictureFormat::Png => {
                let png::Texts { size, texts, exif } =
                    png::texts(bytes).map_err(|error| error.to_string())?;
                (size, exif, texts)
            }
            PictureFormat::Jpeg => {
                let (size, exif) = jpeg::description(bytes)?;
                (size, exif, BTreeMap::new())
            }
            PictureFormat::Webp => {
                let (size, exif) = webp::description(bytes)?;
                (size, exif, BTreeMap::new())
            }
        };
        for (keyword, text) in exif.iter().flat_map(|exif| exif::texts(exif)) {
            texts.entry(keyword).or_insert(text);
        }
        let made = made(&texts);
        Ok(Self { format, width, height, texts, made })
    }
}

/// From the text that says most.
fn made(texts: &BTreeMap<String, String>) -> Option<Made> {
    let text = |keyword: &str| texts.get(keyword).map(String::as_str);
    text("aquatint")
        .and_then(ours)
        .or_else(|| text("parameters").map(web_ui::read))
        .or_else(|| text("prompt").and_then(comfy_ui::read))
        .or_else(|| text("invokeai_metadata").and_then(others::invoke_ai))
        .or_else(|| others::novel_ai(text("Software")?, text("Description"), text("Comment")?))
}

/// Our own JSON, of this version or another.
fn ours(text: &str) -> Option<Made> {
    let json: Value = serde_json::from_str(text).ok()?;
    let text = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut made = Made::by(&format!("aquatint {}", text("version")?));
    (made.model, made.dtype) = (text("model"), text("dtype"));
    made.take(json.get("request")?.as_object()?.clone());
    made.beside = json.as_object()?.clone();
    made.beside.retain(|key, _| !["version", "model", "dtype", "request"].contains(&key.as_str()));
    Some(made)
}

impl Made {
    pub(super) fn by(program: &str) -> Self {
        let (request, beside, rest) = (Map::new(), Map::new(), Vec::new());
        Self { by: program.into(), model: None, dtype: None, request, beside, rest }
    }

    /// Takes what is known of the request. What a request does not have is left for the rest.
    pub(super) fn take(&mut self, keys: Map<String, Value>) {
        for (key, value) in keys {
            if super::fits(&key, &value) {
                self.request.insert(key, value);
            } else {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.rest.push((key, text));
            }
        }
    }

    /// The request, with what is not known of it as in `base`.
    ///
    /// # Errors
    /// If the two do not go together; that is no matter of single values.
    pub fn request_over(&self, base: &GenerateRequest) -> Result<GenerateRequest, String> {
        let mut keys = super::keys(base);
        keys.extend(self.request.clone());
        serde_json::from_value(keys.into()).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Origin, texts};
    use crate::{Encoding, Picture, encode_picture};

    /// What is written in each format is read again, to the last field.
    #[test]
    fn every_format_keeps_it() {
        let request = GenerateRequest {
            prompt: "a café, 猫 🐱 \"here\"\nand <there>".into(),
            seed: 11,
            width: Some(16),
            height: Some(8),
            guidance_scale: 0.1 + 0.2,
            ..Default::default()
        };
        let origin = Origin { model: "m", version: "9.9", dtype: "bf16" };
        let texts = texts(&request, 11.into(), (16, 8), &origin);
        for format in PictureFormat::ALL {
            let encoding = Encoding { format, ..Default::default() };
            let bytes =
                encode_picture(&Picture::new(16, 8, [9, 99, 200]), &texts, encoding).unwrap();
            let read = Description::read(&bytes).unwrap();
            assert_eq!((read.format, read.width, read.height), (format, 16, 8));
            assert_eq!(read.texts["parameters"], texts["parameters"], "{format}");
            let made = read.made.expect("it was told");
            assert_eq!((&*made.by, made.model.as_deref()), ("aquatint 9.9", Some("m")));
            assert_eq!((made.dtype.as_deref(), &made.rest), (Some("bf16"), &vec![]));
            assert_eq!(made.request_over(&GenerateRequest::default()), Ok(request.clone()));
            for end in 0..bytes.len() {
                let _ = Description::read(&bytes[..end]);
            }
        }
    }

    #[test]
    fn a_newer_version_may_say_more() {
        let text = r#"{"version": "9", "loras": ["a:0.5"],
            "request": {"seed": 5, "warp": [1, 2], "steps": "many"}}"#;
        let made = ours(text).expect("ours");
        assert_eq!((made.beside.len(), &made.beside["loras"][0]), (1, &"a:0.5".into()));
        let rest = [("steps".into(), "many".into()), ("warp".into(), "[1,2]".into())];
        assert_eq!(made.rest, rest);
        let request = made.request_over(&GenerateRequest::default()).unwrap();
        assert_eq!(request, GenerateRequest { seed: 5, ..Default::default() });
    }

    #[test]
    fn a_picture_that_says_nothing() {
        let bytes = png::encode(&Picture::new(3, 2, [0; 3]), &BTreeMap::new());
        let read = Description::read(&bytes).unwrap();
        assert_eq!((read.width, read.height, read.made), (3, 2, None));
        assert!(Description::read(b"nothing").is_err());
    }
}
