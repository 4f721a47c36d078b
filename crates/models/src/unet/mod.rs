//! The network that predicts the noise (Ronneberger et al. 2015; Ho et al. 2020; Rombach et al.
//! 2022), named as diffusers names it.

mod blocks;
mod body;
mod conditions;
mod config;
mod draft;
mod layer;
mod parts;
mod shortcuts;
mod validate;

use aquatint_nn::{Conv2d, Module};
use aquatint_tensor::Tensor;

pub use blocks::{DownBlock2D, MidBlock2D, UpBlock2D};
pub use conditions::UNetConditions;
pub use config::UNet2DConditionConfig;
pub use draft::{Draft, DraftConfig};
pub use shortcuts::{DeepFeatures, Shortcuts};

pub(crate) use self::blocks::Middle;
pub(crate) use self::body::{Body, Plan};
pub(crate) use self::conditions::ClassEmbedding;
pub(crate) use self::parts::{AttentionOptions, BlockKind, Level};
pub(crate) use self::validate::{SCALE_SHIFTS, check_types};

use self::conditions::{AddEmbedding, TextTime};
use crate::embeddings::TimestepEmbedding;
use crate::text_embedding::TextTimeEmbedding;
use crate::{Context, Probe};

/// U-Net with cross-attention to a context.
#[derive(Clone, Debug, Module)]
pub struct UNet2DConditionModel {
    conv_in: Conv2d,
    time_embedding: TimestepEmbedding,
    class_embedding: Option<ClassEmbedding>,
    add_embedding: Option<AddEmbedding>,
    #[module(flatten)]
    body: Body,
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
        let (first, time) = (config.block_out_channels[0], config.time_embed_dim());
        let class_embedding = ClassEmbedding::new(
            config.class_embed_type.as_deref(),
            config.num_class_embeds,
            config.projection_class_embeddings_input_dim,
            first,
            time,
        );
        let draft =
            |draft| Draft::new(draft, config.cross_attention_dim, config.out_channels, first);
        Self {
            conv_in: Conv2d::same3(config.in_channels, first),
            time_embedding: TimestepEmbedding::new(first, time)
                .with_condition(config.time_cond_proj_dim),
            class_embedding,
            add_embedding: add_embedding(config),
            body: Body::new(&config.plan()),
            draft: config.draft.as_ref().map(draft),
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
    /// If the shapes do not fit the configuration or each other, or the model needs more
    /// conditions: see [`Self::forward_given`].
    #[track_caller]
    pub fn forward(&self, sample: &Tensor, timesteps: &[f32], context: &Tensor) -> Tensor {
        self.forward_given(sample, timesteps, context, &UNetConditions::default())
    }

    /// [`Self::forward`] of a model that hears more than time and context.
    ///
    /// # Panics
    /// If the shapes do not fit the configuration or each other, or a condition is missing.
    #[track_caller]
    pub fn forward_given(
        &self,
        sample: &Tensor,
        timesteps: &[f32],
        context: &Tensor,
        conditions: &UNetConditions,
    ) -> Tensor {
        self.forward_with(sample, timesteps, context, conditions, &mut |_, _| {})
    }

    /// [`Self::forward_given`] that shows the output of each stage to `probe`.
    #[track_caller]
    pub fn forward_with(
        &self,
        sample: &Tensor,
        timesteps: &[f32],
        context: &Tensor,
        conditions: &UNetConditions,
        probe: &mut Probe,
    ) -> Tensor {
        let none = Shortcuts::default();
        self.forward_shortened(sample, timesteps, &context.into(), conditions, none, probe)
    }

    /// [`Self::forward_with`] as one of many passes: what the words of the context become is
    /// computed in the first of them, and a pass may compute less, or something for later passes
    /// to compute less.
    #[track_caller]
    pub fn forward_shortened(
        &self,
        sample: &Tensor,
        timesteps: &[f32],
        context: &Context,
        conditions: &UNetConditions,
        shortcuts: Shortcuts<'_>,
        probe: &mut Probe,
    ) -> Tensor {
        let words = context.words();
        self.check(sample, timesteps, words);
        let emb = self.embed(timesteps, words, conditions, probe);
        let mut x = self.conv_in.forward(sample);
        if let Some(draft) = &self.draft {
            x = x.add(&draft.features(words, [sample.dim(1), sample.dim(2)]));
        }
        probe("conv_in", &x);
        self.body.forward_with(x, &emb, Some(context), shortcuts, probe)
    }

    /// The guess at the clean latents that is made of the context alone, for models that make one:
    /// context `[N, T, D]` → `[N, size, size, out_channels]`.
    #[track_caller]
    pub fn draft(&self, context: &Tensor) -> Option<Tensor> {
        self.draft.as_ref().map(|draft| draft.forward(context))
    }

    /// Everything that is said once for the whole picture: `[N, time]`.
    #[track_caller]
    fn embed(
        &self,
        timesteps: &[f32],
        context: &Tensor,
        conditions: &UNetConditions,
        probe: &mut Probe,
    ) -> Tensor {
        let sinusoids = self.config.sinusoids(self.config.block_out_channels[0]);
        let time = sinusoids.of(timesteps);
        let mut emb = match &conditions.timestep_cond {
            Some(condition) => self.time_embedding.forward_given(&time, condition),
            None => self.time_embedding.forward(&time),
        };
        probe("time_embedding", &emb);
        if let Some(class_embedding) = &self.class_embedding {
            let labels = conditions.class_labels.as_ref();
            let label = class_embedding.forward(labels, &sinusoids, timesteps.len());
            probe("class_embedding", &label);
            emb = emb.add(&label);
        }
        if let Some(add_embedding) = &self.add_embedding {
            let added = add_embedding.forward(context, conditions);
            probe("add_embedding", &added);
            emb = emb.add(&added);
        }
        emb
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

fn add_embedding(config: &UNet2DConditionConfig) -> Option<AddEmbedding> {
    let time = config.time_embed_dim();
    let text_time =
        config.projection_class_embeddings_input_dim.zip(config.addition_time_embed_dim);
    match (config.addition_embed_type.as_deref(), text_time) {
        (Some("text"), _) => {
            let (inputs, heads) =
                (config.cross_attention_dim, config.addition_embed_type_num_heads);
            Some(AddEmbedding::Text(Box::new(TextTimeEmbedding::new(inputs, time, heads))))
        }
        (Some(_), Some((inputs, channels))) => {
            let sinusoids = config.sinusoids(channels);
            Some(AddEmbedding::TextTime(Box::new(TextTime::new(inputs, sinusoids, time))))
        }
        _ => None,
    }
}
