//! The U-Net without a context: the paper's unconditional models, and those whose condition is
//! put beside the latents (super-resolution, in-painting; Rombach et al. 2022, section 3.3).

mod config;
mod validate;

use aquatint_nn::{Conv2d, Module};
use aquatint_tensor::Tensor;

pub use config::UNet2DConfig;

use crate::Probe;
use crate::embeddings::TimestepEmbedding;
use crate::unet::{Body, ClassEmbedding, Shortcuts};

/// U-Net with self-attention of the pixels only.
#[derive(Clone, Debug, Module)]
pub struct UNet2DModel {
    conv_in: Conv2d,
    time_embedding: TimestepEmbedding,
    class_embedding: Option<ClassEmbedding>,
    #[module(flatten)]
    body: Body,
    #[module(skip)]
    config: UNet2DConfig,
}

impl UNet2DModel {
    /// The network without its weights.
    ///
    /// # Panics
    /// If [`UNet2DConfig::validate`] finds an error.
    #[track_caller]
    pub fn new(config: &UNet2DConfig) -> Self {
        if let Err(error) = config.validate() {
            panic!("U-Net configuration: {error}");
        }
        let (first, time) = (config.block_out_channels[0], config.time_embed_dim());
        let kind = config.class_embed_type.as_deref();
        Self {
            conv_in: Conv2d::same3(config.in_channels, first),
            time_embedding: TimestepEmbedding::new(first, time),
            class_embedding: ClassEmbedding::new(kind, config.num_class_embeds, None, first, time),
            body: Body::new(&config.plan()),
            config: config.clone(),
        }
    }

    /// What it was built from.
    pub fn config(&self) -> &UNet2DConfig {
        &self.config
    }

    /// sample `[N, H, W, in_channels]` at `timesteps` `[N]` → `[N, H, W, out_channels]`.
    /// `class_labels` `[N]`, numbers of classes, are for models with a `class_embedding`.
    ///
    /// Where residual blocks change the resolution, H and W must be multiples of
    /// 2^(resolutions − 1).
    ///
    /// # Panics
    /// If the shapes do not fit the configuration or each other, or labels are missing or too many.
    #[track_caller]
    pub fn forward(
        &self,
        sample: &Tensor,
        timesteps: &[f32],
        class_labels: Option<&Tensor>,
    ) -> Tensor {
        self.forward_with(sample, timesteps, class_labels, &mut |_, _| {})
    }

    /// [`Self::forward`] that shows the output of each stage to `probe`.
    #[track_caller]
    pub fn forward_with(
        &self,
        sample: &Tensor,
        timesteps: &[f32],
        class_labels: Option<&Tensor>,
        probe: &mut Probe,
    ) -> Tensor {
        let (n, channels) = (timesteps.len(), self.config.in_channels);
        assert!(
            matches!(sample.shape(), &[b, h, w, c] if b == n && h > 0 && w > 0 && c == channels),
            "U-Net: sample {:?}, expected [{n}, H, W, {channels}]",
            sample.shape()
        );
        let sinusoids = self.config.sinusoids();
        let mut emb = self.time_embedding.forward(&sinusoids.of(timesteps));
        probe("time_embedding", &emb);
        match (&self.class_embedding, class_labels) {
            (Some(class_embedding), labels) => {
                let label = class_embedding.forward(labels, &sinusoids, n);
                probe("class_embedding", &label);
                emb = emb.add(&label);
            }
            (None, Some(_)) => panic!("U-Net: class_labels for a model without classes"),
            (None, None) => {}
        }
        let x = self.conv_in.forward(sample);
        probe("conv_in", &x);
        self.body.forward_with(x, &emb, None, Shortcuts::default(), probe)
    }
}
