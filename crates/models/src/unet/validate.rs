//! Which configurations of a U-Net we can build.

use super::{DraftConfig, UNet2DConditionConfig};
use crate::config::{
    MOST_CHANNELS, MOST_LAYERS, MOST_LEVELS, check_divides, check_known, check_neutral, check_sizes,
};

/// Kinds of blocks on the way down.
const DOWN_BLOCKS: &[&str] = &["CrossAttnDownBlock2D", "DownBlock2D", "ResnetDownsampleBlock2D"];
/// Kinds of blocks on the way up.
const UP_BLOCKS: &[&str] = &["CrossAttnUpBlock2D", "UpBlock2D", "ResnetUpsampleBlock2D"];
/// How the time enters a residual block.
pub(crate) const SCALE_SHIFTS: &[&str] = &["default", "scale_shift"];

/// Refuses types that are not known, or not as many as there are levels.
pub(crate) fn check_types(
    key: &str,
    types: &[String],
    known: &[&str],
    levels: usize,
) -> Result<(), String> {
    if types.len() != levels {
        return Err(format!("{key} has {} values for {levels} block_out_channels", types.len()));
    }
    types.iter().try_for_each(|kind| check_known(key, kind, known))
}

/// Keys that change the model, and the values with which they do not.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("attention_type", &["\"default\""]),
    ("center_input_sample", &["false"]),
    ("class_embeddings_concat", &["false"]),
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
    ("resnet_out_scale_factor", &["1", "1.0"]),
    ("resnet_skip_time_act", &["false"]),
    ("reverse_transformer_layers_per_block", &["null"]),
    ("time_embedding_act_fn", &["null"]),
    ("time_embedding_dim", &["null"]),
    ("time_embedding_type", &["\"positional\""]),
    ("timestep_post_act", &["null"]),
];

impl UNet2DConditionConfig {
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
        if let Some(kind) = &self.mid_block_type {
            check_known("mid_block_type", kind, &["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"])?;
        }
        check_known("act_fn", &self.act_fn, &["silu", "swish"])?;
        check_known("resnet_time_scale_shift", &self.resnet_time_scale_shift, SCALE_SHIFTS)?;
        self.check_embeddings()?;
        self.draft.as_ref().map_or(Ok(()), DraftConfig::validate)?;
        self.layers_per_block.check_len("layers_per_block", levels)?;
        self.transformer_layers_per_block.check_len("transformer_layers_per_block", levels)?;
        self.attention_head_dim.check_len("attention_head_dim", levels)?;
        self.only_cross_attention.check_len("only_cross_attention", levels)?;
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

    /// What is added to the time embedding.
    fn check_embeddings(&self) -> Result<(), String> {
        let projected = self.projection_class_embeddings_input_dim;
        let optional = [
            ("addition_time_embed_dim", self.addition_time_embed_dim),
            ("num_class_embeds", self.num_class_embeds),
            ("projection_class_embeddings_input_dim", projected),
            ("time_cond_proj_dim", self.time_cond_proj_dim),
        ];
        for (key, size) in optional {
            size.map_or(Ok(()), |size| check_sizes(MOST_CHANNELS, &[(key, size)]))?;
        }
        let needs = |kind: &str, key: &str, size: Option<usize>| {
            size.map(|_| ()).ok_or_else(|| format!("{kind} needs {key}"))
        };
        if let Some(kind) = &self.class_embed_type {
            check_known("class_embed_type", kind, &["timestep", "projection"])?;
            if kind == "projection" {
                let key = "projection_class_embeddings_input_dim";
                needs("class_embed_type = \"projection\"", key, projected)?;
            }
        }
        let Some(kind) = &self.addition_embed_type else { return Ok(()) };
        check_known("addition_embed_type", kind, &["text", "text_time"])?;
        if kind == "text" {
            let heads = self.addition_embed_type_num_heads;
            return check_divides("addition_embed_type_num_heads", heads, self.cross_attention_dim);
        }
        let (this, key) = ("addition_embed_type = \"text_time\"", "addition_time_embed_dim");
        needs(this, key, self.addition_time_embed_dim)?;
        needs(this, "projection_class_embeddings_input_dim", projected)?;
        check_divides(key, 2, self.addition_time_embed_dim.unwrap_or(0))
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
            (r#"{"class_embed_type": "identity"}"#, "class_embed_type = \"identity\""),
            (r#"{"class_embed_type": "projection"}"#, "projection_class_embeddings_input_dim"),
            (r#"{"addition_embed_type": "text_time"}"#, "needs addition_time_embed_dim"),
            (r#"{"class_embeddings_concat": true}"#, "class_embeddings_concat = true"),
            (r#"{"dual_cross_attention": true}"#, "dual_cross_attention = true"),
            (r#"{"time_cond_proj_dim": 0}"#, "time_cond_proj_dim = 0 is not between"),
            (r#"{"resnet_time_scale_shift": "spatial"}"#, "resnet_time_scale_shift = \"spatial\""),
            (r#"{"num_attention_heads": 8}"#, "num_attention_heads = 8"),
            (
                r#"{"only_cross_attention": [true, true]}"#,
                "only_cross_attention has 2 values for 4",
            ),
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
            (r#"{"mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}"#, "mid_block_type"),
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
                "up_block_types = \"KUpBlock2D\" is not supported",
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
