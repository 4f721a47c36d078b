//! Either kind of first stage, as the rest of its training sees it.

use aquatint_models::{AutoencoderKL, VQModel};
use aquatint_nn::{Conv2d, Module, Param};
use aquatint_tensor::Tensor;

/// An autoencoder.
#[derive(Clone, Debug)]
pub enum Network {
    /// Regularized by a KL divergence.
    Kl(AutoencoderKL),
    /// Regularized by a codebook.
    Vq(VQModel),
}

/// What the encoder made of pictures.
pub struct Encoded {
    /// What is decoded: a draw from the Gaussian, or vectors of the codebook. `[N, h, w, C]`
    pub latents: Tensor,
    /// KL divergence for a picture, or the codebook's loss. One number.
    pub regularizer: Tensor,
    /// Which vectors of the codebook they are.
    pub indices: Vec<u32>,
}

impl Network {
    /// How many times smaller the latents are than the picture, in each direction.
    pub fn factor(&self) -> usize {
        match self {
            Self::Kl(model) => model.config().downsampling_factor(),
            Self::Vq(model) => model.config().downsampling_factor(),
        }
    }

    /// Channels of the latents.
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::Kl(model) => model.config().latent_channels,
            Self::Vq(model) => model.config().embed_dim(),
        }
    }

    /// Whether both pictures and what is made of them have three channels.
    pub fn is_of_colours(&self) -> bool {
        let channels = match self {
            Self::Kl(model) => [model.config().in_channels, model.config().out_channels],
            Self::Vq(model) => [model.config().in_channels, model.config().out_channels],
        };
        channels == [3, 3]
    }

    /// image `[N, H, W, 3]` → latents to train with. `noise` draws ε of a shape, for a Gaussian.
    pub fn encode(&self, image: &Tensor, noise: &mut dyn FnMut(&[usize]) -> Tensor) -> Encoded {
        match self {
            Self::Kl(model) => {
                let posterior = model.encode(image);
                let latents = posterior.at(&noise(posterior.mean.shape()));
                Encoded { latents, regularizer: posterior.kl(), indices: Vec::new() }
            }
            Self::Vq(model) => {
                let quantized = model.quantize(&model.encode(image));
                let (latents, indices) = (quantized.latents, quantized.indices);
                Encoded { latents, regularizer: quantized.loss, indices }
            }
        }
    }

    /// The latents that a diffusion model sees, but for their scale: means, or vectors before they
    /// are quantized (Rombach et al. 2022, appendix G). `[N, h, w, C]`
    pub fn latents(&self, image: &Tensor) -> Tensor {
        match self {
            Self::Kl(model) => model.encode(image).mode(),
            Self::Vq(model) => model.encode(image),
        }
    }

    /// Pictures from [`Network::latents`], and which vectors of the codebook were used.
    pub fn decode(&self, latents: &Tensor) -> (Tensor, Vec<u32>) {
        match self {
            Self::Kl(model) => (model.decode(latents), Vec::new()),
            Self::Vq(model) => {
                let quantized = model.quantize(latents);
                (model.decode_not_quantized(&quantized.latents), quantized.indices)
            }
        }
    }

    /// Pictures from [`Encoded::latents`].
    pub fn decode_encoded(&self, latents: &Tensor) -> Tensor {
        match self {
            Self::Kl(model) => model.decode(latents),
            Self::Vq(model) => model.decode_not_quantized(latents),
        }
    }

    /// What [`Network::last_layer`] makes the pictures of.
    pub fn decode_features(&self, latents: &Tensor) -> Tensor {
        match self {
            Self::Kl(model) => model.decode_features(latents),
            Self::Vq(model) => model.decode_features(latents),
        }
    }

    /// The last convolution.
    pub fn last_layer(&self) -> &Conv2d {
        match self {
            Self::Kl(model) => model.last_layer(),
            Self::Vq(model) => model.last_layer(),
        }
    }
}

impl Module for Network {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        match self {
            Self::Kl(model) => model.visit(path, f),
            Self::Vq(model) => model.visit(path, f),
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        match self {
            Self::Kl(model) => model.visit_mut(path, f),
            Self::Vq(model) => model.visit_mut(path, f),
        }
    }
}
