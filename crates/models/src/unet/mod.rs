//! The network that predicts the noise (Ronneberger et al. 2015; Ho et al. 2020; Rombach et al.
//! 2022), named as diffusers names it.

mod blocks;
mod config;
mod draft;

use aquatint_nn::{Conv2d, GroupNorm, Module};
use aquatint_tensor::Tensor;

pub use blocks::{DownBlock2D, MidBlock2D, UpBlock2D};
pub use config::UNet2DConditionConfig;
pub use draft::{Draft, DraftConfig};

use self::blocks::Level;
use self::config::{DOWN_BLOCKS, UP_BLOCKS};
use crate::Probe;
use crate::embeddings::{SinusoidOrder, TimestepEmbedding, timestep_embedding};
use crate::text_embedding::TextTimeEmbedding;

/// U-Net with cross-attention to a context.
#[derive(Clone, Debug, Module)]
pub struct UNet2DConditionModel {
    conv_in: Conv2d,
    time_embedding: TimestepEmbedding,
    add_embedding: Option<TextTimeEmbedding>,
    down_blocks: Vec<DownBlock2D>,
    mid_block: MidBlock2D,
    up_blocks: Vec<UpBlock2D>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    draft: Option<Draft>,
    #[module(skip)]
    config: UNet2DConditionConfig,
}

impl UNet2DConditionModel {
    /// The network without its weights.
    ///
    /// # Panics
    /// If [`UNet2DConditionConfig::validate`] finds an error.
    #[track_caller]
    pub fn new(config: &UNet2DConditionConfig) -> Self {
        if let Err(error) = config.validate() {
            panic!("U-Net configuration: {error}");
        }
        let channels = &config.block_out_channels;
        let lowest = config.levels() - 1;
        let mut skips = vec![channels[0]];
        let down_blocks = (0..=lowest)
            .map(|i| {
                let attention = config.down_block_types[i] == DOWN_BLOCKS[0];
                DownBlock2D::new(&Level::new(config, i), attention, i == lowest, &mut skips)
            })
            .collect();
        let up_blocks = (0..=lowest)
            .rev()
            .map(|i| {
                let attention = config.up_block_types[lowest - i] == UP_BLOCKS[0];
                let inputs = channels[(i + 1).min(lowest)];
                UpBlock2D::new(&Level::new(config, i), inputs, attention, i == 0, &mut skips)
            })
            .collect();
        let time = config.time_embed_dim();
        let add_embedding = config.addition_embed_type.as_ref().map(|_| {
            let heads = config.addition_embed_type_num_heads;
            TextTimeEmbedding::new(config.cross_attention_dim, time, heads)
        });
        Self {
            conv_in: Conv2d::same3(config.in_channels, channels[0]),
            time_embedding: TimestepEmbedding::new(channels[0], time),
            add_embedding,
            down_blocks,
            mid_block: MidBlock2D::new(&Level::new(config, lowest)),
            up_blocks,
            conv_norm_out: GroupNorm::new(config.norm_num_groups, channels[0], config.norm_eps),
            conv_out: Conv2d::same3(channels[0], config.out_channels),
            draft: config.draft.as_ref().map(|draft| {
                let latents = config.out_channels;
                Draft::new(draft, config.cross_attention_dim, latents, channels[0])
            }),
            config: config.clone(),
        }
    }

    /// What it was built from.
    pub fn config(&self) -> &UNet2DConditionConfig {
        &self.config
    }

    /// sample `[N, H, W, in_channels]` at `timesteps` `[N]`, context `[N, T, D]` →
    /// `[N, H, W, out_channels]`.
    ///
    /// # Panics
    /// If the shapes do not fit the configuration or each other.
    #[track_caller]
    pub fn forward(&self, sample: &Tensor, timesteps: &[f32], context: &Tensor) -> Tensor {
        self.forward_with(sample, timesteps, context, &mut |_, _| {})
    }

    /// [`Self::forward`] that shows the output of each stage to `probe`.
    #[track_caller]
    pub fn forward_with(
        &self,
        sample: &Tensor,
        timesteps: &[f32],
        context: &Tensor,
        probe: &mut Probe,
    ) -> Tensor {
        self.check(sample, timesteps, context);
        let mut emb = self.embed_time(timesteps);
        probe("time_embedding", &emb);
        if let Some(add_embedding) = &self.add_embedding {
            let added = add_embedding.forward(context);
            probe("add_embedding", &added);
            emb = emb.add(&added);
        }

        let mut x = self.conv_in.forward(sample);
        if let Some(draft) = &self.draft {
            x = x.add(&draft.features(context, [sample.dim(1), sample.dim(2)]));
        }
        probe("conv_in", &x);
        let mut skips = vec![x.clone()];
        for (i, block) in self.down_blocks.iter().enumerate() {
            x = block.forward(&x, &emb, context, &mut skips);
            probe(&format!("down_blocks.{i}"), &x);
        }
        x = self.mid_block.forward(&x, &emb, context);
        probe("mid_block", &x);
        for (i, block) in self.up_blocks.iter().enumerate() {
            x = block.forward(&x, &emb, context, &mut skips);
            probe(&format!("up_blocks.{i}"), &x);
        }
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&x))
    }

    /// The guess at the clean latents that is made of the context alone, for models that make one:
    /// context `[N, T, D]` → `[N, size, size, out_channels]`.
    #[track_caller]
    pub fn draft(&self, context: &Tensor) -> Option<Tensor> {
        self.draft.as_ref().map(|draft| draft.forward(context))
    }

    fn embed_time(&self, timesteps: &[f32]) -> Tensor {
        let order = match self.config.flip_sin_to_cos {
            true => SinusoidOrder::CosSin,
            false => SinusoidOrder::SinCos,
        };
        let channels = self.config.block_out_channels[0];
        let sinusoids = timestep_embedding(timesteps, channels, order, self.config.freq_shift);
        self.time_embedding.forward(&sinusoids)
    }

    #[track_caller]
    fn check(&self, sample: &Tensor, timesteps: &[f32], context: &Tensor) {
        let (n, channels) = (timesteps.len(), self.config.in_channels);
        assert!(
            matches!(sample.shape(), &[b, h, w, c] if b == n && h > 0 && w > 0 && c == channels),
            "U-Net: sample {:?}, expected [{n}, H, W, {channels}]",
            sample.shape()
        );
        let width = self.config.cross_attention_dim;
        assert!(
            matches!(context.shape(), &[b, t, d] if b == n && t > 0 && d == width),
            "U-Net: context {:?}, expected [{n}, T, {width}]",
            context.shape()
        );
    }
}
