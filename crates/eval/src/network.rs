//! Which network a file holds.

use std::path::Path;

use aquatint_checkpoint::{LoadError, Weights};

use crate::perceptual::EfficientNet;
use crate::{EvalError, Features, Inception, Resizing};

/// The network in a file of weights, by the names in it.
///
/// # Errors
/// If it is none that measures pictures.
pub fn open_features(path: &Path, resizing: Resizing) -> Result<Box<dyn Features>, EvalError> {
    let weights = Weights::open(path)?;
    if Inception::is_in(&weights) {
        Inception::refuse_others(&weights, path)?;
        return Ok(Box::new(Inception::load(&weights, resizing)?));
    }
    if EfficientNet::is_in(&weights) {
        return Ok(Box::new(EfficientNet::load(path)?));
    }
    Err(EvalError::File(LoadError::Unusable {
        file: path.display().to_string(),
        reason: "it is no network that measures pictures: give Inception's weights, \
                 pt_inception-2015-12-05-6726825d.pth, or EfficientNet-Lite0's"
            .into(),
    }))
}
