//! The parts of a model, loaded.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use aquatint_checkpoint::{DType, LoadError, Weights, atomic, resolve, save};
use aquatint_models::{AutoencoderKL, ClipTextModel, UNet2DConditionModel};
use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::Precision;

use crate::{ModelConfig, ModelError, ModelSource, Tokenizer};

const TEXT_ENCODER_WEIGHTS: &str = "text_encoder/model.safetensors";
const UNET_WEIGHTS: &str = "unet/diffusion_pytorch_model.safetensors";
const VAE_WEIGHTS: &str = "vae/diffusion_pytorch_model.safetensors";
const TOKENIZER: &str = "tokenizer";

/// How to load a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// The type in which products with weights are formed.
    pub precision: Precision,
}

/// A model: five parts, as diffusers divides it.
#[derive(Clone, Debug)]
pub struct Components {
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// Ids to context.
    pub text_encoder: ClipTextModel,
    /// Noisy latents and context to a prediction.
    pub unet: UNet2DConditionModel,
    /// Latents to pictures and back.
    pub vae: AutoencoderKL,
    /// The configurations of all, and the noise schedule.
    pub config: ModelConfig,
}

impl Components {
    /// Loads the model from `source`. Every file is checked; nothing in it is executed.
    ///
    /// # Errors
    /// If a part is missing, damaged, or does not fit the others.
    pub fn load(source: &ModelSource, options: &LoadOptions) -> Result<Self, ModelError> {
        let config = ModelConfig::read(source)?;
        let tokenizer = Tokenizer::load(source, TOKENIZER)?;
        check_vocabulary(source, &tokenizer, &config)?;

        let weights = source.weights(&variant(source, TEXT_ENCODER_WEIGHTS))?;
        let mut text_encoder = match weights.shape("text_projection.weight") {
            Some(_) => ClipTextModel::with_projection(&config.text_encoder),
            None => ClipTextModel::new(&config.text_encoder),
        };
        load_module(&mut text_encoder, &weights)?;

        let mut unet = UNet2DConditionModel::new(&config.unet);
        load_module(&mut unet, &source.weights(&variant(source, UNET_WEIGHTS))?)?;

        let mut vae = AutoencoderKL::new(&config.vae);
        load_module(&mut vae, &source.weights(&variant(source, VAE_WEIGHTS))?)?;

        text_encoder.set_precision(options.precision);
        unet.set_precision(options.precision);
        vae.set_precision(options.precision);
        Ok(Self { tokenizer, text_encoder, unet, vae, config })
    }

    /// Writes the model as a folder that [`Components::load`], and diffusers, can read. Each file
    /// is written atomically, `model_index.json` last, so that a folder with one is complete.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, folder: impl AsRef<Path>, dtype: DType) -> io::Result<()> {
        let folder = folder.as_ref();
        for part in [TOKENIZER, "text_encoder", "unet", "vae", "scheduler"] {
            fs::create_dir_all(folder.join(part))?;
        }
        self.tokenizer.save(folder.join(TOKENIZER))?;
        save_module(&folder.join(TEXT_ENCODER_WEIGHTS), &self.text_encoder, dtype)?;
        save_module(&folder.join(UNET_WEIGHTS), &self.unet, dtype)?;
        save_module(&folder.join(VAE_WEIGHTS), &self.vae, dtype)?;
        self.config
            .files()
            .iter()
            .rev()
            .try_for_each(|(name, text)| atomic::write_file(folder.join(name), text.as_bytes()))
    }
}

/// Fills every parameter of `module` from the tensor of its name.
///
/// # Errors
/// If the file has one tensor too few, too many or of another shape.
pub fn load_module(module: &mut impl Module, weights: &Weights) -> Result<(), LoadError> {
    let parameters = module.named_parameters();
    let wanted: Vec<_> =
        parameters.iter().map(|(name, p)| (name.clone(), p.shape().to_vec())).collect();
    let mut tensors = resolve(weights, &wanted)?;
    for (name, parameter) in module.named_parameters_mut() {
        if let Some(tensor) = tensors.remove(&name) {
            parameter.set(tensor);
        }
    }
    Ok(())
}

/// Writes every parameter of `module` under its name.
///
/// # Errors
/// Those of the file system.
pub fn save_module(path: &Path, module: &impl Module, dtype: DType) -> io::Result<()> {
    let parameters = module.named_parameters();
    let tensors: Vec<_> =
        parameters.iter().map(|(name, p)| (name.clone(), p.value().clone())).collect();
    // transformers refuses files that do not say for whom they were written.
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    save(path, &tensors, dtype, &metadata)
}

/// The file itself, or its half-precision variant if only that is there.
fn variant(source: &ModelSource, name: &str) -> String {
    let half = name.replace(".safetensors", ".fp16.safetensors");
    if !source.has(name) && source.has(&half) { half } else { name.to_owned() }
}

/// Every id must have a row in the text encoder's table, and a prompt as many places as ids.
///
/// # Errors
/// If that is not so; the tokenizer's file is named.
pub fn check_vocabulary(
    source: &ModelSource,
    tokenizer: &Tokenizer,
    config: &ModelConfig,
) -> Result<(), ModelError> {
    let (id, rows) = (tokenizer.max_id() as usize, config.text_encoder.vocab_size);
    if id >= rows {
        let reason = format!("it has the id {id}, but the text encoder knows {rows} only");
        return Err(source.malformed("tokenizer/vocab.json", reason));
    }
    let (ids, places) = (tokenizer.max_length(), config.text_encoder.max_position_embeddings);
    if ids > places {
        let reason = format!("model_max_length is {ids}, but the text encoder reads {places} only");
        return Err(source.malformed("tokenizer/tokenizer_config.json", reason));
    }
    Ok(())
}
