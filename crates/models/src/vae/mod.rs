//! The autoencoders between pictures and latents (Rombach et al. 2022, section 3.1): the
//! KL-regularized variant (Kingma & Welling 2014) and the vector-quantized one (van den Oord et al.
//! 2017; Esser et al. 2021).

mod coder;
mod config;
mod gaussian;
mod layout;
mod quantize;
mod vq_config;
mod vq_model;

use aquatint_nn::{Conv2d, Module};
use aquatint_tensor::Tensor;

pub use coder::{Decoder, Encoder};
pub use config::AutoencoderKLConfig;
pub use gaussian::DiagonalGaussian;
pub use quantize::{Quantized, VectorQuantizer};
pub use vq_config::VQModelConfig;
pub use vq_model::VQModel;

use crate::Probe;

/// Encoder and decoder with a Gaussian bottleneck. Pictures are in [−1, 1].
#[derive(Clone, Debug, Module)]
pub struct AutoencoderKL {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
    #[module(skip)]
    config: AutoencoderKLConfig,
}

impl AutoencoderKL {
    /// The autoencoder without its weights.
    ///
    /// # Panics
    /// If [`AutoencoderKLConfig::validate`] finds an error.
    #[track_caller]
    pub fn new(config: &AutoencoderKLConfig) -> Self {
        if let Err(error) = config.validate() {
            panic!("autoencoder configuration: {error}");
        }
        let (latent, layout) = (config.latent_channels, config.layout());
        Self {
            encoder: Encoder::new(&layout, config.in_channels, 2 * latent),
            decoder: Decoder::new(&layout, latent, config.out_channels),
            quant_conv: config.use_quant_conv.then(|| Conv2d::pointwise(2 * latent, 2 * latent)),
            post_quant_conv: config.use_post_quant_conv.then(|| Conv2d::pointwise(latent, latent)),
            config: config.clone(),
        }
    }

    /// What it was built from.
    pub fn config(&self) -> &AutoencoderKLConfig {
        &self.config
    }

    /// image `[N, H, W, in_channels]` → the distribution of its latents
    /// `[N, H/f, W/f, latent_channels]`, f = [`AutoencoderKLConfig::downsampling_factor`].
    /// The latents are not yet multiplied by `scaling_factor`.
    #[track_caller]
    pub fn encode(&self, image: &Tensor) -> DiagonalGaussian {
        self.encode_with(image, &mut |_, _| {})
    }

    /// [`Self::encode`] that shows the output of each stage to `probe`.
    #[track_caller]
    pub fn encode_with(&self, image: &Tensor, probe: &mut Probe) -> DiagonalGaussian {
        check("image", image, self.config.in_channels);
        let mut moments = self.encoder.forward_with(image, &mut |name, x| {
            probe(&format!("encoder.{name}"), x);
        });
        probe("encoder", &moments);
        if let Some(conv) = &self.quant_conv {
            moments = conv.forward(&moments);
        }
        probe("moments", &moments);
        DiagonalGaussian::from_moments(&moments)
    }

    /// latents `[N, h, w, latent_channels]`, divided by `scaling_factor` again →
    /// image `[N, f·h, f·w, out_channels]`, not clamped.
    #[track_caller]
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        self.decode_with(latents, &mut |_, _| {})
    }

    /// [`Self::decode`] that shows the output of each stage to `probe`.
    #[track_caller]
    pub fn decode_with(&self, latents: &Tensor, probe: &mut Probe) -> Tensor {
        check("latents", latents, self.config.latent_channels);
        let mut probe = |name: &str, x: &Tensor| probe(&format!("decoder.{name}"), x);
        match &self.post_quant_conv {
            Some(conv) => self.decoder.forward_with(&conv.forward(latents), &mut probe),
            None => self.decoder.forward_with(latents, &mut probe),
        }
    }
}

#[track_caller]
fn check(what: &str, x: &Tensor, channels: usize) {
    assert!(
        matches!(x.shape(), &[_, h, w, c] if h > 0 && w > 0 && c == channels),
        "autoencoder: {what} {:?}, expected [N, H, W, {channels}]",
        x.shape()
    );
}
