//! The autoencoders between pictures and latents (Rombach et al. 2022, section 3.1): the
//! KL-regularized variant (Kingma & Welling 2014) and the vector-quantized one (van den Oord et al.
//! 2017; Esser et al. 2021).

mod coder;
mod config;
mod gaussian;
mod layout;
mod quantize;
mod tiling;
mod vq_config;
mod vq_model;

use aquatint_nn::{Conv2d, Module};
use aquatint_tensor::Tensor;

pub use coder::{Decoder, Encoder};
pub use config::AutoencoderKLConfig;
pub use gaussian::DiagonalGaussian;
pub use quantize::{Quantized, VectorQuantizer};
pub use tiling::Tiling;
pub use vq_config::VQModelConfig;
pub use vq_model::VQModel;

use self::tiling::Limits;
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

    /// Whether a parameter is wanted to encode, and not to decode.
    pub fn encodes(parameter: &str) -> bool {
        parameter.starts_with("encoder.") || parameter.starts_with("quant_conv.")
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

    /// [`Self::encode`] that takes less memory where `tiling` says so, in inference.
    #[track_caller]
    pub fn encode_tiled(&self, image: &Tensor, tiling: Tiling) -> DiagonalGaussian {
        let Some(limits) = tiling.limits() else { return self.encode(image) };
        self.encode_within(image, limits)
    }

    #[track_caller]
    fn encode_within(&self, image: &Tensor, limits: Limits) -> DiagonalGaussian {
        check("image", image, self.config.in_channels);
        let moments = one_by_one(image, |image| {
            let moments = self.encoder.forward_bands(image, limits);
            match &self.quant_conv {
                Some(conv) => conv.forward(&moments),
                None => moments,
            }
        });
        DiagonalGaussian::from_moments(&moments)
    }

    /// latents `[N, h, w, latent_channels]`, divided by `scaling_factor` again →
    /// image `[N, f·h, f·w, out_channels]`, not clamped.
    #[track_caller]
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        self.decode_with(latents, &mut |_, _| {})
    }

    /// latents `[N, h, w, latent_channels]` → what [`Self::last_layer`] makes the picture of, for a
    /// loss that looks at that layer's gradient.
    #[track_caller]
    pub fn decode_features(&self, latents: &Tensor) -> Tensor {
        check("latents", latents, self.config.latent_channels);
        match &self.post_quant_conv {
            Some(conv) => self.decoder.features(&conv.forward(latents)),
            None => self.decoder.features(latents),
        }
    }

    /// The last convolution of the decoder.
    pub fn last_layer(&self) -> &Conv2d {
        self.decoder.last_layer()
    }

    /// [`Self::decode`] that takes less memory where `tiling` says so, in inference.
    #[track_caller]
    pub fn decode_tiled(&self, latents: &Tensor, tiling: Tiling) -> Tensor {
        let Some(limits) = tiling.limits() else { return self.decode(latents) };
        self.decode_within(latents, limits)
    }

    #[track_caller]
    fn decode_within(&self, latents: &Tensor, limits: Limits) -> Tensor {
        check("latents", latents, self.config.latent_channels);
        one_by_one(latents, |latents| match &self.post_quant_conv {
            Some(conv) => self.decoder.forward_bands(&conv.forward(latents), limits),
            None => self.decoder.forward_bands(latents, limits),
        })
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

/// `f` of every picture of x `[N, H, W, C]`, one below the other.
fn one_by_one(x: &Tensor, f: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let pictures = (1..x.dim(0)).map(|n| f(&x.narrow_rows(n, 1)));
    pictures.fold(f(&x.narrow_rows(0, 1)), |all, next| Tensor::cat_rows([&all, &next]))
}

#[track_caller]
fn check(what: &str, x: &Tensor, channels: usize) {
    assert!(
        matches!(x.shape(), &[_, h, w, c] if h > 0 && w > 0 && c == channels),
        "autoencoder: {what} {:?}, expected [N, H, W, {channels}]",
        x.shape()
    );
}

#[cfg(test)]
mod tests {
    use aquatint_nn::ModuleExt;
    use aquatint_tensor::Rng;

    use super::*;

    fn model() -> AutoencoderKL {
        let mut model = AutoencoderKL::new(&AutoencoderKLConfig {
            down_block_types: vec!["DownEncoderBlock2D".into(); 3],
            up_block_types: vec!["UpDecoderBlock2D".into(); 3],
            block_out_channels: vec![8, 12, 16],
            norm_num_groups: 4,
            ..Default::default()
        });
        model.init(1);
        model
    }

    /// How far the numbers are apart, by the largest.
    fn apart(a: &Tensor, b: &Tensor) -> f32 {
        let largest = |x: &Tensor| x.to_vec().into_iter().fold(0.0f32, |m, x| m.max(x.abs()));
        largest(&a.sub(b)) / largest(b)
    }

    /// Sizes that bands do not divide evenly, and odd ones.
    #[test]
    fn bands_make_the_whole_picture() {
        let model = model();
        for [h, w] in [[16, 16], [21, 9], [5, 30]] {
            let latents = Rng::new(2).randn(&[2, h, w, 4]);
            let whole = model.decode(&latents);
            for limits in [0, 6000, 40_000].map(|whole| Limits { whole, band: 5000 }) {
                assert!(apart(&model.decode_within(&latents, limits), &whole) < 1e-5, "{h}×{w}");
            }
        }
        for [h, w] in [[64, 64], [67, 36], [22, 50]] {
            let image = Rng::new(3).randn(&[1, h, w, 3]);
            let whole = model.encode(&image).mean;
            for limits in [0, 12_000].map(|whole| Limits { whole, band: 5000 }) {
                assert!(apart(&model.encode_within(&image, limits).mean, &whole) < 1e-5, "{h}×{w}");
            }
        }
    }
}
