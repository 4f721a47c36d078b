//! The `config.json` of a U-Net without a context.

use serde::{Deserialize, Serialize};

use crate::attention::AttentionBlockOptions;
use crate::config::{OtherKeys, PerBlock};
use crate::embeddings::Sinusoids;
use crate::resnet::ResnetOptions;
use crate::unet::{AttentionOptions, BlockKind, Level, Middle, Plan};

/// diffusers' configuration of a `UNet2DModel`, with its key names and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UNet2DConfig {
    /// `"UNet2DModel"`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// Height and width of the latents it was trained on. Only a hint.
    pub sample_size: Option<PerBlock<usize>>,
    /// Channels of the latents, and of what is put beside them.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Whether the cosines come first in the timestep embedding.
    pub flip_sin_to_cos: bool,
    /// See [`crate::embeddings::timestep_embedding`].
    pub freq_shift: f32,
    /// `"DownBlock2D"`, `"AttnDownBlock2D"` or `"ResnetDownsampleBlock2D"`, highest resolution
    /// first.
    pub down_block_types: Vec<String>,
    /// `"UNetMidBlock2D"` or nothing.
    pub mid_block_type: Option<String>,
    /// `"UpBlock2D"`, `"AttnUpBlock2D"` or `"ResnetUpsampleBlock2D"`, lowest resolution first.
    pub up_block_types: Vec<String>,
    /// Channels of each resolution, highest first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each resolution on the way down; one more on the way up.
    pub layers_per_block: usize,
    /// `"conv"` or `"resnet"`: what halves the resolution in blocks with attention.
    pub downsample_type: String,
    /// `"conv"` or `"resnet"`: what doubles the resolution in blocks with attention.
    pub upsample_type: String,
    /// `"silu"`.
    pub act_fn: String,
    /// Channels of each head; without a value there is one head. Here the name is right. diffusers
    /// has one value for all resolutions; a list is ours, for models with a fixed number of heads.
    pub attention_head_dim: Option<PerBlock<usize>>,
    /// Groups of every group normalization.
    pub norm_num_groups: usize,
    /// Groups of the normalization in the lowest block's attention. Without a value it is
    /// `norm_num_groups`, but with `"scale_shift"` there is no normalization then.
    pub attn_norm_num_groups: Option<usize>,
    /// ε of every normalization.
    pub norm_eps: f32,
    /// `"default"`, the time is added in the residual blocks; or `"scale_shift"`.
    pub resnet_time_scale_shift: String,
    /// Whether the lowest block has attention.
    pub add_attention: bool,
    /// What a class label is: a number in a table if there are `num_class_embeds`, else nothing;
    /// or (`"timestep"`) a number.
    pub class_embed_type: Option<String>,
    /// Rows of the table of classes.
    pub num_class_embeds: Option<usize>,
    /// Everything else in the file.
    #[serde(flatten)]
    pub others: OtherKeys,
}

impl Default for UNet2DConfig {
    fn default() -> Self {
        let strings = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let (down, up) = ("AttnDownBlock2D", "AttnUpBlock2D");
        Self {
            class_name: "UNet2DModel".into(),
            sample_size: None,
            in_channels: 3,
            out_channels: 3,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            down_block_types: strings(&["DownBlock2D", down, down, down]),
            mid_block_type: Some("UNetMidBlock2D".into()),
            up_block_types: strings(&[up, up, up, "UpBlock2D"]),
            block_out_channels: vec![224, 448, 672, 896],
            layers_per_block: 2,
            downsample_type: "conv".into(),
            upsample_type: "conv".into(),
            act_fn: "silu".into(),
            attention_head_dim: Some(PerBlock::Same(8)),
            norm_num_groups: 32,
            attn_norm_num_groups: None,
            norm_eps: 1e-5,
            resnet_time_scale_shift: "default".into(),
            add_attention: true,
            class_embed_type: None,
            num_class_embeds: None,
            others: OtherKeys::new(),
        }
    }
}

impl UNet2DConfig {
    /// How many resolutions there are.
    pub fn levels(&self) -> usize {
        self.block_out_channels.len()
    }

    /// Channels of the time embedding.
    pub fn time_embed_dim(&self) -> usize {
        4 * self.block_out_channels[0]
    }

    /// How a timestep becomes sinusoids.
    pub(super) fn sinusoids(&self) -> Sinusoids {
        let Self { flip_sin_to_cos, freq_shift, .. } = *self;
        Sinusoids { channels: self.block_out_channels[0], flip_sin_to_cos, freq_shift }
    }

    /// Channels of each head at resolution `i`.
    pub(super) fn head_dim(&self, i: usize) -> usize {
        let channels = self.block_out_channels[i];
        self.attention_head_dim.as_ref().map_or(channels, |dims| dims.at(i))
    }

    /// What the blocks are built from.
    pub(super) fn plan(&self) -> Plan {
        let kinds = |types: &[String], resample: &str| {
            types.iter().map(|kind| block_kind(kind, resample)).collect::<Vec<_>>()
        };
        let mut up = kinds(&self.up_block_types, &self.upsample_type);
        up.reverse();
        let middle = if self.add_attention { Middle::Attention } else { Middle::Nothing };
        Plan {
            levels: (0..self.levels()).map(|i| self.level(i, Some(self.norm_num_groups))).collect(),
            down: kinds(&self.down_block_types, &self.downsample_type),
            up,
            middle: self.mid_block_type.as_ref().map(|_| (self.mid_level(), middle)),
            out_channels: self.out_channels,
        }
    }

    fn scale_shift(&self) -> bool {
        self.resnet_time_scale_shift == "scale_shift"
    }

    fn level(&self, i: usize, attention_groups: Option<usize>) -> Level {
        let (channels, eps) = (self.block_out_channels[i], self.norm_eps);
        let heads = channels / self.head_dim(i);
        Level {
            channels,
            layers: self.layers_per_block,
            resnet: ResnetOptions {
                time: Some(self.time_embed_dim()),
                groups: self.norm_num_groups,
                eps,
                scale_shift: self.scale_shift(),
            },
            attention: AttentionOptions::Own(AttentionBlockOptions {
                heads,
                groups: attention_groups,
                eps,
            }),
        }
    }

    fn mid_level(&self) -> Level {
        let default = (!self.scale_shift()).then_some(self.norm_num_groups);
        self.level(self.levels() - 1, self.attn_norm_num_groups.or(default))
    }
}

/// Only blocks with attention heed `downsample_type` and `upsample_type`.
fn block_kind(kind: &str, resample: &str) -> BlockKind {
    let attention = kind.starts_with("Attn");
    let resnet_resample = kind.starts_with("Resnet") || (attention && resample == "resnet");
    BlockKind { attention, resnet_resample }
}
