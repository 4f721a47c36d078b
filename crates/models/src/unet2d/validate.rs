//! Which configurations of a U-Net without a context we can build.

use super::UNet2DConfig;
use crate::config::{
    MOST_CHANNELS, MOST_LAYERS, MOST_LEVELS, check_divides, check_known, check_neutral, check_sizes,
};
use crate::unet::{SCALE_SHIFTS, check_types};

/// Kinds of blocks on the way down.
const DOWN_BLOCKS: &[&str] = &["DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"];
/// Kinds of blocks on the way up.
const UP_BLOCKS: &[&str] = &["UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"];
/// What changes the resolution.
const RESAMPLERS: &[&str] = &["conv", "resnet"];

/// Keys that change the model, and the values with which they do not.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("center_input_sample", &["false"]),
    ("downsample_padding", &["1"]),
    ("dropout", &["0", "0.0"]),
    ("mid_block_scale_factor", &["1", "1.0"]),
    ("time_embedding_dim", &["null"]),
    ("time_embedding_type", &["\"positional\""]),
];

impl UNet2DConfig {
    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        let levels = self.levels();
        check_sizes(MOST_LEVELS, &[("the number of block_out_channels", levels)])?;
        check_sizes(
            MOST_CHANNELS,
            &[("in_channels", self.in_channels), ("out_channels", self.out_channels)],
        )?;
        check_sizes(MOST_LAYERS, &[("layers_per_block", self.layers_per_block)])?;
        check_types("down_block_types", &self.down_block_types, DOWN_BLOCKS, levels)?;
        check_types("up_block_types", &self.up_block_types, UP_BLOCKS, levels)?;
        if let Some(kind) = &self.mid_block_type {
            check_known("mid_block_type", kind, &["UNetMidBlock2D"])?;
        }
        check_known("downsample_type", &self.downsample_type, RESAMPLERS)?;
        check_known("upsample_type", &self.upsample_type, RESAMPLERS)?;
        check_known("act_fn", &self.act_fn, &["silu", "swish"])?;
        check_known("resnet_time_scale_shift", &self.resnet_time_scale_shift, SCALE_SHIFTS)?;
        if let Some(kind) = &self.class_embed_type {
            check_known("class_embed_type", kind, &["timestep"])?;
        }
        if let Some(classes) = self.num_class_embeds {
            check_sizes(MOST_CHANNELS, &[("num_class_embeds", classes)])?;
        }
        if let Some(dims) = &self.attention_head_dim {
            dims.check_len("attention_head_dim", levels)?;
        }
        for (i, &channels) in self.block_out_channels.iter().enumerate() {
            check_sizes(MOST_CHANNELS, &[("block_out_channels", channels)])?;
            check_divides("norm_num_groups", self.norm_num_groups, channels)?;
            // Heads are divided only where there are any.
            let lowest = i + 1 == levels && self.add_attention && self.mid_block_type.is_some();
            let attention = [&self.down_block_types[i], &self.up_block_types[levels - 1 - i]]
                .into_iter()
                .any(|kind| kind.starts_with("Attn"));
            if lowest || attention {
                check_divides("attention_head_dim", self.head_dim(i), channels)?;
            }
            check_sizes(MOST_CHANNELS, &[("attention_head_dim", self.head_dim(i))])?;
            if let Some(groups) = self.attn_norm_num_groups.filter(|_| lowest) {
                check_divides("attn_norm_num_groups", groups, channels)?;
            }
        }
        // Layers that hold nothing yet still take memory, before a file has to have weights for them.
        let blocks = levels * self.layers_per_block;
        check_sizes(MOST_LAYERS, &[("the number of residual blocks", blocks)])?;
        if !self.block_out_channels[0].is_multiple_of(2) {
            return Err("block_out_channels must begin with an even number".into());
        }
        check_neutral(&self.others, NEUTRAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<(), String> {
        serde_json::from_str::<UNet2DConfig>(json).expect("JSON").validate()
    }

    #[test]
    fn what_we_cannot_build_is_named() {
        assert_eq!(parse("{}"), Ok(()));
        assert_eq!(parse(r#"{"attention_head_dim": null}"#), Ok(()));
        assert_eq!(parse(r#"{"attention_head_dim": [32, 16, 32, 64]}"#), Ok(()));
        for (json, expected) in [
            (r#"{"time_embedding_type": "fourier"}"#, "time_embedding_type = \"fourier\""),
            (r#"{"class_embed_type": "identity"}"#, "class_embed_type = \"identity\""),
            (r#"{"downsample_type": "fir"}"#, "downsample_type = \"fir\""),
            (r#"{"downsample_padding": 0}"#, "downsample_padding = 0"),
            (r#"{"act_fn": "relu"}"#, "act_fn = \"relu\""),
            (r#"{"mid_block_type": "UNetMidBlock2DCrossAttn"}"#, "mid_block_type"),
            (r#"{"attention_head_dim": 9}"#, "attention_head_dim: 9 does not divide 448"),
            (r#"{"attention_head_dim": 0}"#, "attention_head_dim = 0"),
            (r#"{"attention_head_dim": [8, 8]}"#, "attention_head_dim has 2 values for 4"),
            (r#"{"attn_norm_num_groups": 9}"#, "attn_norm_num_groups: 9 does not divide 896"),
            (r#"{"layers_per_block": 500}"#, "the number of residual blocks = 2000"),
            (r#"{"num_class_embeds": 0}"#, "num_class_embeds = 0"),
            (r#"{"block_out_channels": [32]}"#, "down_block_types has 4 values for 1"),
            (
                r#"{"down_block_types": ["DownBlock2D", "DownBlock2D", "SkipDownBlock2D",
                    "DownBlock2D"]}"#,
                "\"SkipDownBlock2D\" is not supported",
            ),
        ] {
            let error = parse(json).expect_err(json);
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
