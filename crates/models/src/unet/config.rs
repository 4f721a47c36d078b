//! The U-Net's `config.json`.

use serde::{Deserialize, Serialize};

use super::body::Plan;
use super::parts::{AttentionOptions, BlockKind, Level};
use super::{DraftConfig, Middle};
use crate::config::{OtherKeys, PerBlock};
use crate::embeddings::Sinusoids;
use crate::resnet::ResnetOptions;
use crate::transformer::{ProjectionKind, TransformerOptions};

/// diffusers' configuration of a `UNet2DConditionModel`, with its key names and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UNet2DConditionConfig {
    /// `"UNet2DConditionModel"`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// Height and width of the latents it was trained on. Only a hint; any size works.
    pub sample_size: Option<PerBlock<usize>>,
    /// Channels of the latents.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Whether the cosines come first in the timestep embedding.
    pub flip_sin_to_cos: bool,
    /// See [`crate::embeddings::timestep_embedding`].
    pub freq_shift: f32,
    /// `"CrossAttnDownBlock2D"`, `"DownBlock2D"` or `"ResnetDownsampleBlock2D"`, highest
    /// resolution first.
    pub down_block_types: Vec<String>,
    /// `"UNetMidBlock2DCrossAttn"`, `"UNetMidBlock2D"` (one residual block) or nothing.
    pub mid_block_type: Option<String>,
    /// `"CrossAttnUpBlock2D"`, `"UpBlock2D"` or `"ResnetUpsampleBlock2D"`, lowest resolution
    /// first.
    pub up_block_types: Vec<String>,
    /// Channels of each resolution, highest first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each resolution on the way down; one more on the way up.
    pub layers_per_block: PerBlock<usize>,
    /// `"silu"`.
    pub act_fn: String,
    /// Groups of every group normalization.
    pub norm_num_groups: usize,
    /// ε of the residual blocks' normalizations.
    pub norm_eps: f32,
    /// Channels of the context.
    pub cross_attention_dim: usize,
    /// Transformer blocks in each attention.
    pub transformer_layers_per_block: PerBlock<usize>,
    /// The *number of heads*, at each resolution. The name is a mistake that diffusers made once
    /// and every checkpoint since repeats.
    pub attention_head_dim: PerBlock<usize>,
    /// Whether attention's outer layers are linear (SD 2.x) or 1×1 convolutions (SD 1.x).
    pub use_linear_projection: bool,
    /// Whether the first attention of each transformer looks at the context too, at each
    /// resolution (the ×4 upscaler).
    pub only_cross_attention: PerBlock<bool>,
    /// `"default"`, the time is added in the residual blocks; or `"scale_shift"`.
    pub resnet_time_scale_shift: String,
    /// What is added to the time embedding: nothing, or (`"text"`) the whole context as a vector,
    /// or (`"text_time"`, SDXL) a pooled prompt and sizes.
    pub addition_embed_type: Option<String>,
    /// Heads of the attention that makes the vector of a context.
    pub addition_embed_type_num_heads: usize,
    /// Sinusoids of each of SDXL's sizes.
    pub addition_time_embed_dim: Option<usize>,
    /// What a class label is: a number in a table if there are `num_class_embeds`, else nothing;
    /// or (`"timestep"`) a number; or (`"projection"`) a vector.
    pub class_embed_type: Option<String>,
    /// Rows of the table of classes; for the ×4 upscaler, of levels of noise.
    pub num_class_embeds: Option<usize>,
    /// Channels of the vectors that are added to the time embedding, before two layers.
    pub projection_class_embeddings_input_dim: Option<usize>,
    /// Channels of the guidance scale's embedding, in distilled models.
    pub time_cond_proj_dim: Option<usize>,
    /// A part that diffusers does not have: see [`Draft`](super::Draft).
    pub draft: Option<DraftConfig>,
    /// Everything else in the file.
    #[serde(flatten)]
    pub others: OtherKeys,
}

/// diffusers' number of heads where the file does not say it.
const ADDITION_HEADS: usize = 64;

impl Default for UNet2DConditionConfig {
    fn default() -> Self {
        let strings = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let cross = "CrossAttnDownBlock2D";
        let up = "CrossAttnUpBlock2D";
        Self {
            class_name: "UNet2DConditionModel".into(),
            sample_size: None,
            in_channels: 4,
            out_channels: 4,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            down_block_types: strings(&[cross, cross, cross, "DownBlock2D"]),
            mid_block_type: Some("UNetMidBlock2DCrossAttn".into()),
            up_block_types: strings(&["UpBlock2D", up, up, up]),
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: PerBlock::Same(2),
            act_fn: "silu".into(),
            norm_num_groups: 32,
            norm_eps: 1e-5,
            cross_attention_dim: 1280,
            transformer_layers_per_block: PerBlock::Same(1),
            attention_head_dim: PerBlock::Same(8),
            use_linear_projection: false,
            only_cross_attention: PerBlock::Same(false),
            resnet_time_scale_shift: "default".into(),
            addition_embed_type: None,
            addition_embed_type_num_heads: ADDITION_HEADS,
            addition_time_embed_dim: None,
            class_embed_type: None,
            num_class_embeds: None,
            projection_class_embeddings_input_dim: None,
            time_cond_proj_dim: None,
            draft: None,
            others: OtherKeys::new(),
        }
    }
}

impl UNet2DConditionConfig {
    /// How many resolutions there are.
    pub fn levels(&self) -> usize {
        self.block_out_channels.len()
    }

    /// Skip connections from the way down to the way up: one after `conv_in`, after each layer and
    /// after each downsampler.
    pub fn skip_connections(&self) -> usize {
        (0..self.levels()).map(|i| self.layers_per_block.at(i) + 1).sum()
    }

    /// Channels of the time embedding.
    pub fn time_embed_dim(&self) -> usize {
        4 * self.block_out_channels[0]
    }

    /// How a number becomes so many sinusoids.
    pub(super) fn sinusoids(&self, channels: usize) -> Sinusoids {
        let Self { flip_sin_to_cos, freq_shift, .. } = *self;
        Sinusoids { channels, flip_sin_to_cos, freq_shift }
    }

    /// What the blocks are built from.
    pub(super) fn plan(&self) -> Plan {
        let levels: Vec<Level> = (0..self.levels()).map(|i| self.level(i)).collect();
        let kinds = |types: &[String]| types.iter().map(|kind| block_kind(kind)).collect();
        let mut up: Vec<BlockKind> = kinds(&self.up_block_types);
        up.reverse();
        let middle = self.mid_block_type.as_deref().map(|kind| match kind {
            "UNetMidBlock2D" => Middle::OneBlock,
            _ => Middle::Attention,
        });
        let lowest = self.mid_level();
        Plan {
            levels,
            down: kinds(&self.down_block_types),
            up,
            middle: middle.map(|middle| (lowest, middle)),
            out_channels: self.out_channels,
        }
    }

    fn level(&self, i: usize) -> Level {
        let projection = match self.use_linear_projection {
            true => ProjectionKind::Linear,
            false => ProjectionKind::Conv,
        };
        Level {
            channels: self.block_out_channels[i],
            layers: self.layers_per_block.at(i),
            resnet: ResnetOptions {
                time: Some(self.time_embed_dim()),
                groups: self.norm_num_groups,
                eps: self.norm_eps,
                scale_shift: self.resnet_time_scale_shift == "scale_shift",
            },
            attention: AttentionOptions::Cross(TransformerOptions {
                context: self.cross_attention_dim,
                heads: self.attention_head_dim.at(i),
                depth: self.transformer_layers_per_block.at(i),
                groups: self.norm_num_groups,
                projection,
                only_cross_attention: self.only_cross_attention.at(i),
            }),
        }
    }

    /// The lowest block's transformer always looks at the pixels first, as diffusers' does.
    fn mid_level(&self) -> Level {
        let mut level = self.level(self.levels() - 1);
        if let AttentionOptions::Cross(options) = &mut level.attention {
            options.only_cross_attention = false;
        }
        level
    }
}

fn block_kind(kind: &str) -> BlockKind {
    BlockKind {
        attention: kind.starts_with("CrossAttn"),
        resnet_resample: kind.starts_with("Resnet"),
    }
}
