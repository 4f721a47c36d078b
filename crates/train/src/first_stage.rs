//! What lies between pixels and the third stage's network: the autoencoder of a model folder,
//! whichever kind it is, or nothing.

use std::path::Path;

use aquatint_nn::ModuleExt;
use aquatint_pipeline::{Autoencoder, AutoencoderConfig, ModelSource, load_module};
use aquatint_tensor::Precision;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// What a model's folder calls its autoencoder: Stable Diffusion's name, and latent diffusion's.
const PARTS: [&str; 2] = ["vae", "vqvae"];

/// The key `task.first_stage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstStage {
    /// The network works on latents of the autoencoder in the model folder, an `AutoencoderKL` or
    /// a `VQModel`.
    #[default]
    Autoencoder,
    /// The network works on pixels: the baseline that latent diffusion is compared with (Rombach
    /// et al. 2022, section 4.1).
    Pixels,
}

impl FirstStage {
    /// Whether it is what it is if nothing is said.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_autoencoder(&self) -> bool {
        *self == Self::Autoencoder
    }

    /// That in the model folder, for pictures of width `size`.
    ///
    /// # Errors
    /// If there is to be one and there is none, or it is not one of RGB pictures of that size.
    pub fn load(
        self,
        folder: &Path,
        size: usize,
        dtype: Precision,
    ) -> Result<Autoencoder<'static>, TrainError> {
        if self == Self::Pixels {
            return Ok(Autoencoder::Pixels);
        }
        let source = ModelSource::Folder(folder.to_path_buf());
        let Some(part) = PARTS.into_iter().find(|part| source.has(&format!("{part}/config.json")))
        else {
            return Err(TrainError::Data(format!(
                "{} has no vae/config.json: train the autoencoder first",
                folder.display()
            )));
        };
        let failed = |error| TrainError::checkpoint(folder)(error);
        let config: AutoencoderConfig =
            source.json(&format!("{part}/config.json")).map_err(failed)?;
        config.validate().map_err(TrainError::checkpoint(folder))?;
        if !config.is_of_colours() {
            return Err(TrainError::Data(format!(
                "the autoencoder in {} is not one of RGB pictures",
                folder.display()
            )));
        }
        let factor = config.downsampling_factor();
        if !size.is_multiple_of(factor) {
            return Err(TrainError::Data(format!(
                "`data.size` is {size}; for the autoencoder in {} it must be a multiple of \
                 {factor}",
                folder.display()
            )));
        }
        let file = format!("{part}/diffusion_pytorch_model.safetensors");
        let mut vae = Autoencoder::new(&config);
        load_module(&mut vae, &source.weights(&file).map_err(failed)?)
            .map_err(TrainError::checkpoint(folder))?;
        vae.set_precision(dtype);
        Ok(vae)
    }
}
