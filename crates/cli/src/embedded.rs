//! The model inside the executable.

use aquatint_pipeline::ModelSource;

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
