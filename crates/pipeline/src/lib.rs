//! One function for each thing a user asks for: [`text_to_image`], [`image_to_image`], [`inpaint`],
//! [`outpaint`], [`travel`()]. Each is a front of [`generate`], which gives every picture as soon as it is there.
//!
//! ```no_run
//! use aquatint_pipeline::{Components, GenerateRequest, ModelSource, png, text_to_image};
//!
//! let source = ModelSource::folder("models/seven-styles")?;
//! let components = Components::load(&source, &Default::default())?;
//! let request = GenerateRequest { prompt: "a sunflower".into(), seed: 42, ..Default::default() };
//! let pictures = text_to_image(&components, &request, &mut ())?;
//! png::save("sunflower.png", &pictures[0], &Default::default())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Any [`Model`] will do: [`Components`] are in memory for picture after picture, and
//! [`open_model`] makes one that loads each part when its stage comes.
//!
//! A [`GenerateRequest`] is data; pictures to begin with go beside it, as [`Inputs`]. What cannot be
//! done with both and a model is refused in one place, [`GenerateRequest::plan`], and progress, previews and cancellation are
//! one argument, a [`Watch`]. This crate knows no command line and no clock.

pub mod attached;
mod autoencoder;
mod blueprint;
mod class_model;
mod classes;
mod components;
mod config;
mod configs;
mod contact_sheet;
mod convert;
mod embedding;
mod error;
mod generate;
pub mod gif;
pub mod html;
mod inputs;
mod int8;
mod latent_preview;
mod latents;
pub mod lora;
pub mod metadata;
mod model;
mod outline;
mod parts;
mod perceptual;
mod picture;
pub mod png;
pub mod presets;
mod prompt;
pub mod prompt_file;
pub mod request;
mod scheduler;
mod single_file;
mod source;
mod stages;
mod step_cache;
mod super_resolution;
mod tar;
mod text_encoder;
mod text_to_image;
pub mod tokenizer;
mod word_picture;
mod wordless;

pub use aquatint_diffusion::{Step, Watch};
pub use aquatint_models::{Tiling, WordMap, WordMaps};
pub use aquatint_tensor::{CancelToken, Cancelled, cancellable};
pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use class_model::ClassConfig;
pub use classes::Classes;
pub use components::{
    Components, LoadOptions, SecondEncoder, check_vocabulary, load_module, save_module,
};
pub use config::ModelConfig;
pub use contact_sheet::{contact_sheet, square_columns};
pub use convert::{Conversion, ConvertError, ConvertOptions};
pub use embedding::{Embedding, EmbeddingError};
pub use error::ModelError;
pub use generate::{
    CustomSampler, Finished, GenerateError, Settings, batches, generate, generate_together,
};
pub use inputs::Inputs;
pub use int8::choose as choose_int8;
pub use latent_preview::{LatentPreview, LinearColours};
pub use latents::Latents;
pub use model::{Conditioner, Model, Network, Told};
pub use outline::{Beside, ListensTo, NoiseLevels, Outline};
pub use parts::fill;
pub use perceptual::{load_efficientnet_lite0, load_perceptual};
pub use picture::{
    Encoding, Fit, Mask, Picture, PictureError, PictureFormat, UnknownFit, UnknownFormat,
    encode_picture, fit, resize, resize_bicubic, save_picture,
};
pub use prompt::{
    Change, Encoded, PromptEmbeds, PromptLora, PromptToken, PromptWeights, encode, encode_prompt,
    prompt_tokens, take_loras,
};
pub use request::{
    Extend, GenerateRequest, Hires, HiresSize, HiresUpscaler, Plan, RequestError, Travel,
};
pub use scheduler::SchedulerConfig;
pub use single_file::SingleFile;
pub use source::ModelSource;
pub use stages::{Stages, TextEncoders};
pub use super_resolution::{Tiles, Upscaler};
pub use tar::{Tar, TarEntry};
pub use text_encoder::{TextEncoder, TextEncoderConfig};
pub use text_to_image::{
    decode, denoise, image_to_image, inpaint, outpaint, text_to_image, travel,
};
pub use tokenizer::Tokenizer;
pub use word_picture::word_picture;
pub use wordless::{WordlessConfig, open_model};
