//! The autoencoder that a third stage without words works with.

use std::path::Path;

use aquatint_models::{AutoencoderKL, AutoencoderKLConfig};
use aquatint_nn::ModuleExt;
use aquatint_pipeline::{ModelSource, load_module};
use aquatint_tensor::Precision;

use crate::error::TrainError;

/// What a model's folder calls its autoencoder: Stable Diffusion's name, and latent diffusion's.
const PARTS: [&str; 2] = ["vae", "vqvae"];

/// The autoencoder in the model folder, for pictures of width `size`.
///
/// # Errors
/// If there is none, or it is not one of RGB pictures of that size.
pub fn load(folder: &Path, size: usize, dtype: Precision) -> Result<AutoencoderKL, TrainError> {
    let source = ModelSource::Folder(folder.to_path_buf());
    let Some(part) = PARTS.into_iter().find(|part| source.has(&format!("{part}/config.json")))
    else {
        return Err(TrainError::Data(format!(
            "{} has no vae/config.json: train the autoencoder first",
            folder.display()
        )));
    };
    let failed = |error| TrainError::checkpoint(folder)(error);
    let config: AutoencoderKLConfig =
        source.json(&format!("{part}/config.json")).map_err(failed)?;
    config.validate().map_err(TrainError::checkpoint(folder))?;
    if config.in_channels != 3 || config.out_channels != 3 {
        return Err(TrainError::Data(format!(
            "the autoencoder in {} is not one of RGB pictures",
            folder.display()
        )));
    }
    let factor = config.downsampling_factor();
    if !size.is_multiple_of(factor) {
        return Err(TrainError::Data(format!(
            "`data.size` is {size}; for the autoencoder in {} it must be a multiple of {factor}",
            folder.display()
        )));
    }
    let file = format!("{part}/diffusion_pytorch_model.safetensors");
    let mut vae = AutoencoderKL::new(&config);
    load_module(&mut vae, &source.weights(&file).map_err(failed)?)
        .map_err(TrainError::checkpoint(folder))?;
    vae.set_precision(dtype);
    Ok(vae)
}
