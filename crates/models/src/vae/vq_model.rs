//! The vector-quantized autoencoder (van den Oord et al. 2017; Esser et al. 2021; Rombach et al.
//! 2022, section 3.1). The quantization counts as part of the decoder: a diffusion model is
//! trained on latents from before it (Rombach et al. 2022, appendix G).

use aquatint_nn::{Conv2d, Module};
use aquatint_tensor::Tensor;

use super::{Decoder, Encoder, Quantized, VQModelConfig, VectorQuantizer, check};
use crate::Probe;

/// Encoder and decoder with a codebook between them. Pictures are in [−1, 1].
#[derive(Clone, Debug, Module)]
pub struct VQModel {
    encoder: Encoder,
    quant_conv: Conv2d,
    quantize: VectorQuantizer,
    post_quant_conv: Conv2d,
    decoder: Decoder,
    #[module(skip)]
    config: VQModelConfig,
}

impl VQModel {
    /// The autoencoder without its weights.
    ///
    /// # Panics
    /// If [`VQModelConfig::validate`] finds an error.
    #[track_caller]
    pub fn new(config: &VQModelConfig) -> Self {
        if let Err(error) = config.validate() {
            panic!("autoencoder configuration: {error}");
        }
        let (latent, embed) = (config.latent_channels, config.embed_dim());
        let layout = config.layout();
        Self {
            encoder: Encoder::new(&layout, config.in_channels, latent),
            quant_conv: Conv2d::pointwise(latent, embed),
            quantize: VectorQuantizer::new(config.num_vq_embeddings, embed),
            post_quant_conv: Conv2d::pointwise(embed, latent),
            decoder: Decoder::new(&layout, latent, config.out_channels),
            config: config.clone(),
        }
    }

    /// What it was built from.
    pub fn config(&self) -> &VQModelConfig {
        &self.config
    }

    /// image `[N, H, W, in_channels]` → its latents `[N, H/f, W/f, vq_embed_dim]`, not yet
    /// quantized, f = [`VQModelConfig::downsampling_factor`].
    #[track_caller]
    pub fn encode(&self, image: &Tensor) -> Tensor {
        self.encode_with(image, &mut |_, _| {})
    }

    /// [`Self::encode`] that shows the output of each stage to `probe`.
    #[track_caller]
    pub fn encode_with(&self, image: &Tensor, probe: &mut Probe) -> Tensor {
        check("image", image, self.config.in_channels);
        let h = self.encoder.forward_with(image, &mut |name, x| {
            probe(&format!("encoder.{name}"), x);
        });
        probe("encoder", &h);
        self.quant_conv.forward(&h)
    }

    /// latents `[N, h, w, vq_embed_dim]` → the codebook's nearest.
    #[track_caller]
    pub fn quantize(&self, latents: &Tensor) -> Quantized {
        check("latents", latents, self.config.embed_dim());
        self.quantize.forward(latents)
    }

    /// latents `[N, h, w, vq_embed_dim]`, quantized first → image `[N, f·h, f·w, out_channels]`,
    /// not clamped.
    #[track_caller]
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        self.decode_not_quantized(&self.quantize(latents).latents)
    }

    /// Numbers of the codebook's vectors, for pictures `[N, h, w]` → image
    /// `[N, f·h, f·w, out_channels]`.
    ///
    /// # Panics
    /// If there are more or fewer numbers than pixels, or one is not in the codebook.
    #[track_caller]
    pub fn decode_indices(&self, indices: &[u32], pictures: [usize; 3]) -> Tensor {
        self.decode_not_quantized(&self.quantize.lookup(indices, &pictures))
    }

    /// latents `[N, h, w, vq_embed_dim]` as they are → image (diffusers' `force_not_quantize`).
    #[track_caller]
    pub fn decode_not_quantized(&self, latents: &Tensor) -> Tensor {
        self.decode_with(latents, &mut |_, _| {})
    }

    /// latents `[N, h, w, vq_embed_dim]` as they are → what [`Self::last_layer`] makes the picture
    /// of, for a loss that looks at that layer's gradient.
    #[track_caller]
    pub fn decode_features(&self, latents: &Tensor) -> Tensor {
        check("latents", latents, self.config.embed_dim());
        self.decoder.features(&self.post_quant_conv.forward(latents))
    }

    /// The last convolution of the decoder.
    pub fn last_layer(&self) -> &Conv2d {
        self.decoder.last_layer()
    }

    /// [`Self::decode_not_quantized`] that shows the output of each stage to `probe`.
    #[track_caller]
    pub fn decode_with(&self, latents: &Tensor, probe: &mut Probe) -> Tensor {
        check("latents", latents, self.config.embed_dim());
        let h = self.post_quant_conv.forward(latents);
        self.decoder.forward_with(&h, &mut |name, x| probe(&format!("decoder.{name}"), x))
    }
}
