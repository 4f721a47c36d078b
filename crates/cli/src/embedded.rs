//! The models inside the executable.

use aquatint_checkpoint::Weights;
use aquatint_pipeline::{ModelError, ModelSource};

use crate::failure::Failure;

/// What the embedded model is called.
pub const NAME: &str = "seven-styles";

/// Path within the model's folder, content. The build script lists them.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The embedded model.
pub fn model() -> Result<ModelSource, Failure> {
    if FILES.is_empty() {
        return Err(Failure::new("this build carries no model: give one with -m FOLDER"));
    }
    Ok(ModelSource::Embedded(FILES))
}

/// What the embedded network that enlarges pictures is called.
pub const UPSCALER: &str = "esrgan-slim-x4";

/// It: see models/esrgan-slim/README.md.
static UPSCALER_WEIGHTS: &[u8] = include_bytes!("../../../models/esrgan-slim/x4.safetensors");

/// The embedded network that enlarges pictures.
pub fn upscaler() -> Result<Weights, Failure> {
    Ok(Weights::from_bytes(UPSCALER, UPSCALER_WEIGHTS).map_err(ModelError::from)?)
}
