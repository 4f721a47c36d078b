//! The parts of a model, loaded.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::{DType, LoadError, Weights, atomic, resolve, save};
use aquatint_models::{ClipTextModel, UNet2DConditionModel};
use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::Precision;

use crate::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::lora::{LoraMode, LoraSpec};
use crate::model::{Conditioner, Model, Network};
use crate::outline::Outline;
use crate::stages::{Stages, TextEncoders};
use crate::text_encoder::{TextEncoder, TextEncoderConfig};
use crate::{Embedding, EmbeddingError, ModelConfig, ModelError, ModelSource, Tokenizer};

const UNET_WEIGHTS: &str = "unet/diffusion_pytorch_model.safetensors";
pub(crate) const TOKENIZER: &str = "tokenizer";
pub(crate) const TOKENIZER_2: &str = "tokenizer_2";

/// How to load a model.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The type in which products with weights are formed.
    pub precision: Precision,
    /// Whether the products of the U-Net's blocks are of 8 bits, in weights and in what they are
    /// multiplied with. Not for weights that are to be trainable.
    pub int8: bool,
    /// Files with the weights of single parts, which are taken in place of the model's: `"unet"`,
    /// `"vae"` or `"text_encoder"` → the file.
    pub parts: BTreeMap<&'static str, PathBuf>,
    /// Files with textual-inversion embeddings, whose words a prompt may use.
    pub embeddings: Vec<PathBuf>,
    /// LoRAs that change the weights, all at once.
    pub loras: Vec<LoraSpec>,
    /// When they do; what is to be [trainable](Self::trainable) is always changed at once.
    pub lora_mode: LoraMode,
    /// Keep all weights in f32, for training and saving. Otherwise they are prepared for drawing:
    /// in no more bits than in the file, in the form in which products read them.
    pub trainable: bool,
}

/// A model: five parts, as diffusers divides it.
#[derive(Clone, Debug)]
pub struct Components {
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// Ids to context.
    pub text_encoder: TextEncoder,
    /// SDXL's second reading of the prompt.
    pub second_encoder: Option<SecondEncoder>,
    /// Noisy latents and context to a prediction.
    pub unet: UNet2DConditionModel,
    /// Latents to pictures and back.
    pub vae: Autoencoder<'static>,
    /// The configurations of all, and the noise schedule.
    pub config: ModelConfig,
}

/// A second tokenizer and text encoder.
#[derive(Clone, Debug)]
pub struct SecondEncoder {
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// Ids to context, and to one vector for the whole.
    pub text_encoder: ClipTextModel,
}

impl Components {
    /// Loads the model from `source`. Every file is checked; nothing in it is executed.
    ///
    /// # Panics
    /// If it is to be both [trainable](LoadOptions::trainable) and of [8 bits](LoadOptions::int8).
    ///
    /// # Errors
    /// If a part is missing, damaged, or does not fit the others.
    pub fn load(source: &ModelSource, options: &LoadOptions) -> Result<Self, ModelError> {
        assert!(!(options.trainable && options.int8), "weights of 8 bits cannot be trained");
        let stages = Stages::open(source, options)?;
        let TextEncoders { tokenizer, text_encoder, second_encoder, .. } =
            stages.text_encoders()?;
        let (unet, vae) = (stages.unet()?, stages.vae()?);
        Ok(Self {
            tokenizer,
            text_encoder,
            second_encoder,
            unet,
            vae,
            config: stages.into_config(),
        })
    }

    /// Teaches the text encoders a word.
    ///
    /// # Errors
    /// If they are not those that it was made for.
    pub fn add_embedding(&mut self, embedding: &Embedding) -> Result<(), EmbeddingError> {
        embedding.check(&self.config)?;
        embedding.teach_first(&mut self.tokenizer, &mut self.text_encoder);
        self.second_encoder.iter_mut().for_each(|second| embedding.teach_second(second));
        Ok(())
    }

    /// Writes the model as a folder that [`Components::load`], and diffusers, can read. Each file
    /// is written atomically, `model_index.json` last, so that a folder with one is complete.
    ///
    /// # Errors
    /// Those of the file system, and if the weights were not loaded to be
    /// [trainable](LoadOptions::trainable).
    pub fn save(&self, folder: impl AsRef<Path>, dtype: DType) -> io::Result<()> {
        let folder = folder.as_ref();
        let (encoder, vae) = (self.config.text_encoder_part(), self.config.vae_part());
        let has_vae = self.config.vae != AutoencoderConfig::Pixels;
        for part in
            [TOKENIZER, encoder, "unet", "scheduler"].into_iter().chain(has_vae.then_some(vae))
        {
            fs::create_dir_all(folder.join(part))?;
        }
        if self.config.noise_levels.is_some() {
            fs::create_dir_all(folder.join("low_res_scheduler"))?;
        }
        self.tokenizer.save(folder.join(TOKENIZER))?;
        if let Some(SecondEncoder { tokenizer, text_encoder }) = &self.second_encoder {
            fs::create_dir_all(folder.join(TOKENIZER_2))?;
            fs::create_dir_all(folder.join("text_encoder_2"))?;
            tokenizer.save(folder.join(TOKENIZER_2))?;
            save_module(&folder.join("text_encoder_2/model.safetensors"), text_encoder, dtype)?;
        }
        let encoder = format!("{encoder}/model.safetensors");
        let vae = format!("{vae}/diffusion_pytorch_model.safetensors");
        save_module(&folder.join(encoder), &self.text_encoder, dtype)?;
        save_module(&folder.join(UNET_WEIGHTS), &self.unet, dtype)?;
        if has_vae {
            save_module(&folder.join(vae), &self.vae, dtype)?;
        }
        self.config
            .files(self.tokenizer.class_name())
            .iter()
            .rev()
            .try_for_each(|(name, text)| atomic::write_file(folder.join(name), text.as_bytes()))
    }
}

impl Model for Components {
    fn outline(&self) -> Outline {
        self.config.outline()
    }

    fn conditioner(&self) -> Result<Conditioner<'_>, ModelError> {
        Ok(Conditioner::Lent(self))
    }

    fn network(&self) -> Result<Network<'_>, ModelError> {
        Ok(Network::Conditioned(Cow::Borrowed(&self.unet)))
    }

    fn encoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        Ok(self.vae.lent())
    }

    fn decoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        self.encoder()
    }
}

/// The tokenizer that a text encoder was trained with, as far as that is published.
pub(crate) fn shipped_tokenizer(encoder: &TextEncoderConfig) -> Tokenizer {
    match encoder {
        TextEncoderConfig::Bert(_) | TextEncoderConfig::Sentence(_) => Tokenizer::bert(),
        // OpenCLIP's text encoders, which compute the other GELU, fill up with zeros.
        TextEncoderConfig::Clip(config) if config.hidden_act == "gelu" => Tokenizer::open_clip(),
        TextEncoderConfig::Clip(_) => Tokenizer::clip(),
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
    let mut found = resolve(weights, &wanted)?;
    for (name, parameter) in module.named_parameters_mut() {
        parameter.set(found.remove(&name).expect("each name was resolved"));
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
    if tensors.iter().any(|(_, tensor)| tensor.numbers().is_none()) {
        let reason = "the weights were prepared for drawing; load them to be trainable";
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
    }
    // transformers refuses files that do not say for whom they were written.
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    save(path, &tensors, dtype, &metadata)
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
    let (id, rows) = (tokenizer.max_id() as usize, config.text_encoder.vocab_size());
    if id >= rows {
        let reason = format!("it has the id {id}, but the text encoder knows {rows} only");
        return Err(source.malformed("tokenizer/vocab.json", reason));
    }
    let (ids, places) = (tokenizer.max_length(), config.text_encoder.max_position_embeddings());
    if ids > places {
        let reason = format!("model_max_length is {ids}, but the text encoder reads {places} only");
        return Err(source.malformed("tokenizer/tokenizer_config.json", reason));
    }
    Ok(())
}
