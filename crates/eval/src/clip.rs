//! Both towers of a CLIP model, for how well pictures fit their captions.

use std::path::Path;

use aquatint_checkpoint::LoadError;
use aquatint_models::{ClipTextConfig, ClipTextModel, ClipVisionConfig, ClipVisionModel};
use aquatint_nn::{Init, Module, Param};
use aquatint_pipeline::{ModelError, ModelSource, Picture, Tokenizer, load_module, resize_bicubic};
use aquatint_tensor::Tensor;
use serde_json::Value;

use crate::EvalError;

/// The mean and the standard deviation of red, green and blue that CLIP normalizes by.
const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// Files that its weights may be in.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// Both towers, under the names of transformers' `CLIPModel`.
#[derive(Module)]
struct Towers {
    #[module(flatten)]
    text: ClipTextModel,
    #[module(flatten)]
    vision: ClipVisionModel,
    logit_scale: Param,
}

/// A CLIP model.
pub struct Clip {
    towers: Towers,
    tokenizer: Tokenizer,
}

impl Clip {
    /// Loads a folder as transformers saves a `CLIPModel`: `config.json`, the weights, and the
    /// tokenizer's files; without those, OpenAI's vocabulary.
    ///
    /// # Errors
    /// If it is not such a folder.
    pub fn load(folder: &Path) -> Result<Self, EvalError> {
        let unusable = |reason: String| {
            EvalError::File(LoadError::Unusable { file: folder.display().to_string(), reason })
        };
        if !folder.join("config.json").is_file() {
            return Err(unusable(
                "it is no folder of a CLIP model with a config.json, as transformers saves it"
                    .into(),
            ));
        }
        let source = ModelSource::Folder(folder.into());
        let config: Value = source.json("config.json")?;
        let (text, vision) = configs(&config).map_err(|reason| ModelError::Malformed {
            file: folder.join("config.json").display().to_string(),
            reason,
        })?;
        let mut towers = Towers {
            text: ClipTextModel::with_projection(&text),
            vision: ClipVisionModel::new(&vision),
            logit_scale: Param::new(&[], Init::Zeros),
        };
        let name = WEIGHTS.into_iter().find(|name| source.has(name)).unwrap_or(WEIGHTS[0]);
        let weights = source.weights(name)?;
        if let Some(shape) = weights.shape("logit_scale") {
            towers.logit_scale = Param::new(shape, Init::Zeros);
        }
        load_module(&mut towers, &weights)?;
        let tokenizer = match source.has("vocab.json") {
            true => Tokenizer::load(&source, "")?,
            false => Tokenizer::clip(),
        };
        if tokenizer.max_length() > text.max_position_embeddings
            || tokenizer.max_id() as usize >= text.vocab_size
        {
            return Err(unusable("its tokenizer knows more than its text encoder".into()));
        }
        Ok(Self { towers, tokenizer })
    }

    /// The cosines of the angles between pictures and their captions.
    ///
    /// # Panics
    /// If there are not as many captions as pictures.
    #[track_caller]
    pub fn cosines(&self, pictures: &[Picture], captions: &[&str]) -> Vec<f64> {
        assert_eq!(pictures.len(), captions.len(), "a caption for each picture");
        let side = self.towers.vision.config().image_size;
        let pixels: Vec<f32> =
            pictures.iter().flat_map(|picture| prepared(picture, side)).collect();
        let pixels = Tensor::new(pixels, &[pictures.len(), side, side, 3]);
        let ids: Vec<u32> =
            captions.iter().flat_map(|caption| self.tokenizer.encode(caption)).collect();
        let text = self.towers.text.forward(&ids, captions.len()).text_embeds;
        let text = text.expect("the text tower was built with a projection").l2_normalize();
        let products = self.towers.vision.forward(&pixels).l2_normalize().mul(&text).to_vec();
        let width = products.len() / pictures.len().max(1);
        let sum = |row: &[f32]| row.iter().map(|&x| f64::from(x)).sum();
        products.chunks_exact(width.max(1)).map(sum).collect()
    }
}

/// The configurations of the towers, which fit each other.
fn configs(config: &Value) -> Result<(ClipTextConfig, ClipVisionConfig), String> {
    let part = |name: &str| {
        let mut part =
            config.get(name).cloned().unwrap_or_else(|| Value::Object(Default::default()));
        // What the whole says is the projection of both.
        if let (Some(part), Some(dim)) = (part.as_object_mut(), config.get("projection_dim")) {
            part.insert("projection_dim".into(), dim.clone());
        }
        part
    };
    let parsed = |error: serde_json::Error| error.to_string();
    let text: ClipTextConfig = serde_json::from_value(part("text_config")).map_err(parsed)?;
    let vision: ClipVisionConfig = serde_json::from_value(part("vision_config")).map_err(parsed)?;
    text.validate().and_then(|()| vision.validate())?;
    if text.projection_dim != vision.projection_dim || vision.num_channels != 3 {
        return Err("its towers do not fit each other".into());
    }
    Ok((text, vision))
}

/// A picture as `CLIPImageProcessor` prepares it: the shorter side scaled to `side`, the middle of
/// the longer one, normalized.
fn prepared(picture: &Picture, side: usize) -> Vec<f32> {
    let (w, h) = (picture.width, picture.height);
    let shorter = w.min(h);
    let (width, height) = (w * side / shorter, h * side / shorter);
    let scaled = match (width, height) == (w, h) {
        true => picture.clone(),
        false => resize_bicubic(picture, width, height),
    };
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let rows = scaled.rgb.chunks_exact(3 * width).skip(top).take(side);
    let bytes = rows.flat_map(|row| &row[3 * left..][..3 * side]);
    bytes.enumerate().map(|(i, &v)| (f32::from(v) / 255.0 - MEAN[i % 3]) / STD[i % 3]).collect()
}

#[cfg(test)]
mod tests {
    use aquatint_checkpoint::DType;
    use aquatint_nn::ModuleExt;
    use aquatint_pipeline::save_module;
    use serde_json::json;

    use super::*;
    use crate::common;

    #[test]
    fn pictures_are_prepared_as_for_the_original() {
        let rgb = common::bytes("picture", 37 * 52 * 3);
        let found = prepared(&Picture { width: 52, height: 37, rgb }, 24);
        let golden = &common::golden()["clip"];
        for (k, wanted) in golden["samples"].as_array().unwrap().iter().enumerate() {
            let found = f64::from(found[k * (found.len() - 1) / 15]);
            // Half a step of 8 bits is 0.007.
            assert!((found - wanted.as_f64().unwrap()).abs() < 1e-5, "{k}: {found}, {wanted}");
        }
    }

    #[test]
    fn a_folder_of_both_towers() {
        let folder = tempfile::tempdir().unwrap();
        let tower = json!({"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "image_size": 8, "patch_size": 4});
        let config = json!({"projection_dim": 4, "text_config": tower, "vision_config": tower});
        let (text, vision) = configs(&config).unwrap();
        let mut towers = Towers {
            text: ClipTextModel::with_projection(&text),
            vision: ClipVisionModel::new(&vision),
            logit_scale: Param::new(&[], Init::Zeros),
        };
        towers.init(3);
        let save = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert!(
            Clip::load(folder.path()).err().unwrap().to_string().contains("no folder of a CLIP")
        );
        save("config.json", &config.to_string());
        save_module(&folder.path().join("model.safetensors"), &towers, DType::F32).unwrap();
        let clip = Clip::load(folder.path()).unwrap();
        let pictures = [Picture::new(8, 8, [200, 0, 0]), Picture::new(20, 9, [0, 200, 0])];
        let both = clip.cosines(&pictures, &["a cat", "a dog"]);
        assert!(both.iter().all(|cos| cos.abs() <= 1.0 && *cos != 0.0), "{both:?}");
        assert_eq!(clip.cosines(&pictures[1..], &["a dog"]), both[1..]);
        assert_ne!(clip.cosines(&pictures[1..], &["a cat"]), both[1..]);
        let odd = json!({"text_config": {"projection_dim": 5}, "vision_config": {}});
        assert!(configs(&odd).is_err());
    }
}
