//! One function for each thing a user asks for. So far that is one: [`text_to_image`].
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
//! A [`GenerateRequest`] is validated in one place, and progress, previews and cancellation are
//! one argument, a [`Watch`]. This crate knows no command line and no clock.

mod blueprint;
mod components;
mod config;
mod configs;
mod contact_sheet;
mod convert;
mod error;
mod int8;
pub mod metadata;
mod parts;
mod picture;
pub mod png;
pub mod presets;
mod prompt;
pub mod request;
mod scheduler;
mod single_file;
mod source;
mod stages;
mod step_cache;
mod text_encoder;
mod text_to_image;
pub mod tokenizer;

pub use aquatint_diffusion::{Step, Watch};
pub use aquatint_models::Tiling;
pub use components::{
    Components, LoadOptions, SecondEncoder, check_vocabulary, load_module, save_module,
};
pub use config::ModelConfig;
pub use contact_sheet::{contact_sheet, square_columns};
pub use convert::{Conversion, ConvertError, ConvertOptions};
pub use error::ModelError;
pub use int8::choose as choose_int8;
pub use parts::fill;
pub use picture::Picture;
pub use prompt::{Encoded, PromptEmbeds, encode, encode_prompt};
pub use request::{GenerateRequest, RequestError};
pub use scheduler::SchedulerConfig;
pub use single_file::SingleFile;
pub use source::ModelSource;
pub use stages::{Stages, TextEncoders};
pub use text_encoder::{TextEncoder, TextEncoderConfig};
pub use text_to_image::{GenerateError, batches, decode, denoise, text_to_image};
pub use tokenizer::Tokenizer;
