//! The networks of latent diffusion: text and vision towers, U-Nets, autoencoders.
//!
//! Each is a struct of layers and a `forward`, a pure function of weights and inputs. The shapes
//! were checked when the weights were loaded, so `forward` returns no `Result`: what does not fit
//! is a bug and panics. Names and structure are diffusers' and transformers', so that the path of
//! a field is the name of its weight in their checkpoints; configurations are their
//! `config.json`, read and written verbatim.
//!
//! This crate knows no file, no noise schedule and no guidance. Activations are channels-last,
//! `[N, H, W, C]` for pictures and `[B, T, C]` for sequences.

pub mod attention;
mod bands;
pub mod bert;
mod choice;
pub mod class_embedder;
mod clip_encoder;
pub mod clip_text;
pub mod clip_vision;
pub mod config;
mod context;
pub mod decoder_tiny;
pub mod discriminator;
pub mod embeddings;
pub mod inception;
pub mod ldm_bert;
pub mod perceptual;
pub mod resample;
pub mod resnet;
pub mod super_resolution;
pub mod text_embedding;
pub mod token_merging;
pub mod transformer;
pub mod unet;
pub mod unet2d;
pub mod vae;
mod word_maps;

pub use bert::{BertConfig, BertModel};
pub use class_embedder::{ClassEmbedder, ClassEmbedderConfig};
pub use clip_text::{ClipTextConfig, ClipTextModel, ClipTextOutput};
pub use clip_vision::{ClipVisionConfig, ClipVisionModel};
pub use config::PerBlock;
pub use context::Context;
pub use decoder_tiny::{DecoderTiny, DecoderTinyConfig};
pub use discriminator::PatchDiscriminator;
pub use inception::{InceptionV3, InceptionV3Output};
pub use ldm_bert::{LDMBertConfig, LDMBertModel, LDMBertOutput};
pub use perceptual::Perceptual;
pub use super_resolution::{SuperResolution, SuperResolutionConfig};
pub use unet::{UNet2DConditionConfig, UNet2DConditionModel, UNetConditions};
pub use unet2d::{UNet2DConfig, UNet2DModel};
pub use vae::{
    AutoencoderKL, AutoencoderKLConfig, DiagonalGaussian, Quantized, Tiling, VQModel, VQModelConfig,
};
pub use word_maps::{WordMap, WordMaps};

/// Looks at what a stage of a model computed: the stage's path, and its output.
pub type Probe<'a> = dyn FnMut(&str, &aquatint_tensor::Tensor) + 'a;
