//! The first stage of a model: an autoencoder of either kind, or none, where the U-Net draws
//! pixels (Rombach et al. 2022, section 4.1: the baseline with f = 1).

mod config;

use std::borrow::Cow;

use aquatint_models::{AutoencoderKL, Tiling, VQModel};
use aquatint_nn::{Module, Param};
use aquatint_tensor::Tensor;

pub use config::AutoencoderConfig;

use crate::Latents;

/// A first stage. Latents are as the U-Net sees them.
#[derive(Clone, Debug)]
pub enum Autoencoder<'a> {
    /// One that is regularized to a Gaussian.
    Kl(Cow<'a, AutoencoderKL>),
    /// A vector-quantized one.
    Vq(Cow<'a, VQModel>),
    /// There is none: the latents are the pixels, in [−1, 1].
    Pixels,
}

impl Autoencoder<'_> {
    /// Without its weights.
    ///
    /// # Panics
    /// If [`AutoencoderConfig::validate`] finds an error.
    #[track_caller]
    pub fn new(config: &AutoencoderConfig) -> Autoencoder<'static> {
        match config {
            AutoencoderConfig::Kl(config) => {
                Autoencoder::Kl(Cow::Owned(AutoencoderKL::new(config)))
            }
            AutoencoderConfig::Vq(config) => Autoencoder::Vq(Cow::Owned(VQModel::new(config))),
            AutoencoderConfig::Pixels => Autoencoder::Pixels,
        }
    }

    /// What it was built from.
    pub fn config(&self) -> AutoencoderConfig {
        match self {
            Self::Kl(vae) => AutoencoderConfig::Kl(vae.config().clone()),
            Self::Vq(vae) => AutoencoderConfig::Vq(vae.config().clone()),
            Self::Pixels => AutoencoderConfig::Pixels,
        }
    }

    /// The same, lent.
    pub fn lent(&self) -> Autoencoder<'_> {
        match self {
            Self::Kl(vae) => Autoencoder::Kl(Cow::Borrowed(vae)),
            Self::Vq(vae) => Autoencoder::Vq(Cow::Borrowed(vae)),
            Self::Pixels => Autoencoder::Pixels,
        }
    }

    /// How many times smaller the latents are than the picture, in each direction.
    pub fn downsampling_factor(&self) -> usize {
        match self {
            Self::Kl(vae) => vae.config().downsampling_factor(),
            Self::Vq(vae) => vae.config().downsampling_factor(),
            Self::Pixels => 1,
        }
    }

    /// Images `[N, H, W, 3]` in [−1, 1] → the most probable of their latents, `[N, h, w, C]`: for
    /// a codebook those before they are quantized (Rombach et al. 2022, appendix G).
    #[track_caller]
    pub fn mode(&self, images: &Tensor) -> Tensor {
        match self {
            Self::Kl(vae) => vae.config().scaled(&vae.encode(images).mode()),
            _ => self.encode(images, Tiling::Off).mean,
        }
    }

    /// Images `[N, H, W, 3]` in [−1, 1] → their latents.
    #[track_caller]
    pub fn encode(&self, images: &Tensor, tiling: Tiling) -> Latents {
        match self {
            Self::Kl(vae) => {
                let latents = vae.encode_tiled(images, tiling);
                let scale = vae.config().scaling_factor as f32;
                let std = latents.logvar.scale(0.5).exp().scale(scale);
                Latents { mean: vae.config().scaled(&latents.mean), std: Some(std) }
            }
            Self::Vq(vae) => {
                let mean = vae.encode(images).scale(vae.config().scaling_factor as f32);
                Latents { mean, std: None }
            }
            Self::Pixels => Latents { mean: images.clone(), std: None },
        }
    }

    /// Latents `[N, h, w, C]` → images, not clipped to [−1, 1].
    #[track_caller]
    pub fn decode(&self, latents: &Tensor, tiling: Tiling) -> Tensor {
        match self {
            Self::Kl(vae) => vae.decode_tiled(&vae.config().unscaled(latents), tiling),
            Self::Vq(vae) => vae.decode(&latents.scale(1.0 / vae.config().scaling_factor as f32)),
            Self::Pixels => latents.clone(),
        }
    }
}

impl Module for Autoencoder<'_> {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        match self {
            Self::Kl(vae) => vae.visit(path, f),
            Self::Vq(vae) => vae.visit(path, f),
            Self::Pixels => {}
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        match self {
            Self::Kl(vae) => vae.to_mut().visit_mut(path, f),
            Self::Vq(vae) => vae.to_mut().visit_mut(path, f),
            Self::Pixels => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_their_own_latents() {
        let pixels = Autoencoder::new(&AutoencoderConfig::Pixels);
        let image = Tensor::from_fn(&[1, 2, 2, 3], |i| i as f32 / 12.0);
        assert_eq!(pixels.mode(&image).to_vec(), image.to_vec());
        assert_eq!(pixels.decode(&image, Tiling::Auto).to_vec(), image.to_vec());
    }
}
