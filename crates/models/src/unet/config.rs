//! The U-Net's `config.json`.

use super::DraftConfig;
use serde::{Deserialize, Serialize};

use crate::config::{
    MOST_CHANNELS, MOST_LAYERS, MOST_LEVELS, OtherKeys, PerBlock, check_divides, check_neutral,
    check_sizes,
};

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
    /// `"CrossAttnDownBlock2D"` or `"DownBlock2D"`, highest resolution first.
    pub down_block_types: Vec<String>,
    /// `"UNetMidBlock2DCrossAttn"`.
    pub mid_block_type: Option<String>,
    /// `"UpBlock2D"` or `"CrossAttnUpBlock2D"`, lowest resolution first.
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
    /// What is added to the time embedding: nothing, or (`"text"`) the whole context as a vector.
    pub addition_embed_type: Option<String>,
    /// Heads of the attention that makes that vector.
    pub addition_embed_type_num_heads: usize,
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
            addition_embed_type: None,
            addition_embed_type_num_heads: ADDITION_HEADS,
            draft: None,
            others: OtherKeys::new(),
        }
    }
}

/// Keys that change the model, and the values with which they do not.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("addition_time_embed_dim", &["null"]),
    ("attention_type", &["\"default\""]),
    ("center_input_sample", &["false"]),
    ("class_embed_type", &["null"]),
    ("conv_in_kernel", &["3"]),
    ("conv_out_kernel", &["3"]),
    ("cross_attention_norm", &["null", "false"]),
    ("downsample_padding", &["1"]),
    ("dropout", &["0", "0.0"]),
    ("dual_cross_attention", &["false"]),
    ("encoder_hid_dim", &["null"]),
    ("encoder_hid_dim_type", &["null"]),
    ("mid_block_only_cross_attention", &["null", "false"]),
    ("mid_block_scale_factor", &["1", "1.0"]),
    ("num_attention_heads", &["null"]),
    ("num_class_embeds", &["null"]),
    ("only_cross_attention", &["false"]),
    ("resnet_out_scale_factor", &["1", "1.0"]),
    ("resnet_skip_time_act", &["false"]),
    ("resnet_time_scale_shift", &["\"default\""]),
    ("reverse_transformer_layers_per_block", &["null"]),
    ("time_cond_proj_dim", &["null"]),
    ("time_embedding_act_fn", &["null"]),
    ("time_embedding_dim", &["null"]),
    ("time_embedding_type", &["\"positional\""]),
    ("timestep_post_act", &["null"]),
];

impl UNet2DConditionConfig {
    /// How many resolutions there are.
    pub fn levels(&self) -> usize {
        self.block_out_channels.len()
    }

    /// Channels of the time embedding.
    pub fn time_embed_dim(&self) -> usize {
        4 * self.block_out_channels[0]
    }

    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        let levels = self.levels();
        check_sizes(MOST_LEVELS, &[("the number of block_out_channels", levels)])?;
        check_sizes(
            MOST_CHANNELS,
            &[
                ("in_channels", self.in_channels),
                ("out_channels", self.out_channels),
                ("cross_attention_dim", self.cross_attention_dim),
            ],
        )?;
        check_types("down_block_types", &self.down_block_types, DOWN_BLOCKS, levels)?;
        check_types("up_block_types", &self.up_block_types, UP_BLOCKS, levels)?;
        if self.mid_block_type.as_deref() != Some("UNetMidBlock2DCrossAttn") {
            return Err(format!(
                "mid_block_type = {:?} is not supported, only UNetMidBlock2DCrossAttn",
                self.mid_block_type
            ));
        }
        if !["silu", "swish"].contains(&self.act_fn.as_str()) {
            return Err(format!("act_fn = {:?} is not supported, only silu", self.act_fn));
        }
        match self.addition_embed_type.as_deref() {
            None => {}
            Some("text") => check_divides(
                "addition_embed_type_num_heads",
                self.addition_embed_type_num_heads,
                self.cross_attention_dim,
            )?,
            Some(other) => {
                return Err(format!("addition_embed_type = {other:?} is not supported, only text"));
            }
        }
        self.draft.as_ref().map_or(Ok(()), DraftConfig::validate)?;
        self.layers_per_block.check_len("layers_per_block", levels)?;
        self.transformer_layers_per_block.check_len("transformer_layers_per_block", levels)?;
        self.attention_head_dim.check_len("attention_head_dim", levels)?;
        for (i, &channels) in self.block_out_channels.iter().enumerate() {
            let depth = self.transformer_layers_per_block.at(i);
            check_sizes(MOST_CHANNELS, &[("block_out_channels", channels)])?;
            check_sizes(MOST_LAYERS, &[("layers_per_block", self.layers_per_block.at(i))])?;
            check_sizes(MOST_LAYERS, &[("transformer_layers_per_block", depth)])?;
            check_divides("norm_num_groups", self.norm_num_groups, channels)?;
            check_divides("attention_head_dim (heads)", self.attention_head_dim.at(i), channels)?;
        }
        // Layers that hold nothing yet still take memory, before a file has to have weights for them.
        let blocks = |i| self.layers_per_block.at(i) * self.transformer_layers_per_block.at(i);
        let blocks = (0..levels).map(blocks).sum();
        check_sizes(MOST_LAYERS, &[("the number of transformer blocks", blocks)])?;
        if !self.block_out_channels[0].is_multiple_of(2) {
            return Err("block_out_channels must begin with an even number".into());
        }
        check_neutral(&self.others, NEUTRAL)
    }
}

/// Kinds of blocks on the way down, with and without attention.
pub(super) const DOWN_BLOCKS: [&str; 2] = ["CrossAttnDownBlock2D", "DownBlock2D"];
/// Kinds of blocks on the way up, with and without attention.
pub(super) const UP_BLOCKS: [&str; 2] = ["CrossAttnUpBlock2D", "UpBlock2D"];

fn check_types(key: &str, types: &[String], known: [&str; 2], levels: usize) -> Result<(), String> {
    if types.len() != levels {
        return Err(format!("{key} has {} values for {levels} block_out_channels", types.len()));
    }
    match types.iter().find(|t| !known.contains(&t.as_str())) {
        Some(t) => Err(format!("{key}: {t:?} is not supported, only {}", known.join(" and "))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<(), String> {
        serde_json::from_str::<UNet2DConditionConfig>(json).expect("JSON").validate()
    }

    #[test]
    fn sd15_and_sd21_as_published_are_accepted() {
        let sd15 = r#"{"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0",
            "attention_head_dim": 8, "center_input_sample": false, "cross_attention_dim": 768,
            "downsample_padding": 1, "mid_block_scale_factor": 1, "sample_size": 64}"#;
        assert_eq!(parse(sd15), Ok(()));
        let sd21 = r#"{"attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024,
            "dual_cross_attention": false, "num_class_embeds": null,
            "only_cross_attention": false, "upcast_attention": true,
            "use_linear_projection": true}"#;
        assert_eq!(parse(sd21), Ok(()));
    }

    #[test]
    fn what_we_cannot_build_is_named() {
        for (json, expected) in [
            (r#"{"center_input_sample": true}"#, "center_input_sample = true"),
            (r#"{"class_embed_type": "timestep"}"#, "class_embed_type = \"timestep\""),
            (r#"{"num_attention_heads": 8}"#, "num_attention_heads = 8"),
            (r#"{"only_cross_attention": [true, true]}"#, "only_cross_attention = [true,true]"),
            (r#"{"act_fn": "gelu"}"#, "act_fn"),
            (
                r#"{"draft": {"tokens": 77, "token_channels": 8, "hidden_size": 0, "size": 8}}"#,
                "draft.hidden_size = 0 is not between",
            ),
            (r#"{"addition_embed_type": "image"}"#, "addition_embed_type = \"image\""),
            (
                r#"{"addition_embed_type": "text", "cross_attention_dim": 96}"#,
                "addition_embed_type_num_heads: 64 does not divide 96",
            ),
            (r#"{"mid_block_type": null}"#, "mid_block_type"),
            (r#"{"block_out_channels": []}"#, "the number of block_out_channels = 0"),
            (r#"{"block_out_channels": [320, 640]}"#, "down_block_types has 4 values for 2"),
            (r#"{"norm_num_groups": 7}"#, "7 does not divide 320"),
            (
                r#"{"layers_per_block": 1000, "transformer_layers_per_block": 1000}"#,
                "the number of transformer blocks = 4000000 is not between",
            ),
            (r#"{"attention_head_dim": 7}"#, "7 does not divide 320"),
            (r#"{"attention_head_dim": [5, 10]}"#, "attention_head_dim has 2 values"),
            (
                r#"{"up_block_types": ["UpBlock2D", "UpBlock2D", "UpBlock2D", "KUpBlock2D"]}"#,
                "\"KUpBlock2D\" is not supported",
            ),
        ] {
            let error = parse(json).expect_err(json);
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn unknown_keys_survive_a_round_trip() {
        let json = r#"{"cross_attention_dim": 768, "upcast_attention": true, "lucky": [1, "b"]}"#;
        let config: UNet2DConditionConfig = serde_json::from_str(json).expect("JSON");
        let text = serde_json::to_string(&config).expect("a configuration is JSON");
        assert_eq!(serde_json::from_str::<UNet2DConditionConfig>(&text).expect("JSON"), config);
        assert!(text.contains(r#""lucky":[1,"b"]"#), "{text}");
    }
}
