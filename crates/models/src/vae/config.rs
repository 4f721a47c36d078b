//! The autoencoder's `config.json`.

use serde::{Deserialize, Serialize};

use crate::config::{
    MOST_CHANNELS, MOST_LAYERS, MOST_LEVELS, OtherKeys, PerBlock, check_divides, check_neutral,
    check_sizes,
};

/// diffusers' configuration of an `AutoencoderKL`, with its key names and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoencoderKLConfig {
    /// `"AutoencoderKL"`.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// Height and width of the pictures it was trained on. Only a hint.
    pub sample_size: Option<PerBlock<usize>>,
    /// Channels of a picture.
    pub in_channels: usize,
    /// Channels of a decoded picture.
    pub out_channels: usize,
    /// `"DownEncoderBlock2D"` for each resolution.
    pub down_block_types: Vec<String>,
    /// `"UpDecoderBlock2D"` for each resolution.
    pub up_block_types: Vec<String>,
    /// Channels of each resolution, highest first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each resolution of the encoder; the decoder has one more.
    pub layers_per_block: usize,
    /// `"silu"`.
    pub act_fn: String,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Groups of every group normalization.
    pub norm_num_groups: usize,
    /// The latents times this have about unit variance: what the U-Net sees.
    pub scaling_factor: f64,
    /// Whether a 1×1 convolution follows the encoder.
    pub use_quant_conv: bool,
    /// Whether a 1×1 convolution precedes the decoder.
    pub use_post_quant_conv: bool,
    /// Everything else in the file.
    #[serde(flatten)]
    pub others: OtherKeys,
}

impl Default for AutoencoderKLConfig {
    fn default() -> Self {
        Self {
            class_name: "AutoencoderKL".into(),
            sample_size: None,
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".into()],
            up_block_types: vec!["UpDecoderBlock2D".into()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".into(),
            latent_channels: 4,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
            use_quant_conv: true,
            use_post_quant_conv: true,
            others: OtherKeys::new(),
        }
    }
}

/// Keys that change the model, and the values with which they do not.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("latents_mean", &["null"]),
    ("latents_std", &["null"]),
    ("mid_block_add_attention", &["true"]),
    ("shift_factor", &["null", "0", "0.0"]),
];

impl AutoencoderKLConfig {
    /// How many times smaller the latents are than the picture, in each direction.
    pub fn downsampling_factor(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }

    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        let levels = self.block_out_channels.len();
        check_sizes(MOST_LEVELS, &[("the number of block_out_channels", levels)])?;
        check_sizes(
            MOST_CHANNELS,
            &[
                ("in_channels", self.in_channels),
                ("out_channels", self.out_channels),
                ("latent_channels", self.latent_channels),
            ],
        )?;
        check_sizes(MOST_LAYERS, &[("layers_per_block", self.layers_per_block)])?;
        for (key, types, known) in [
            ("down_block_types", &self.down_block_types, "DownEncoderBlock2D"),
            ("up_block_types", &self.up_block_types, "UpDecoderBlock2D"),
        ] {
            if types.len() != levels {
                return Err(format!("{key} has {} values for {levels} channels", types.len()));
            }
            if let Some(t) = types.iter().find(|t| *t != known) {
                return Err(format!("{key}: {t:?} is not supported, only {known}"));
            }
        }
        if !["silu", "swish"].contains(&self.act_fn.as_str()) {
            return Err(format!("act_fn = {:?} is not supported, only silu", self.act_fn));
        }
        if !(self.scaling_factor.is_finite() && self.scaling_factor > 0.0) {
            return Err(format!("scaling_factor = {} is not positive", self.scaling_factor));
        }
        for &channels in &self.block_out_channels {
            check_sizes(MOST_CHANNELS, &[("block_out_channels", channels)])?;
            check_divides("norm_num_groups", self.norm_num_groups, channels)?;
        }
        check_neutral(&self.others, NEUTRAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_cannot_build_is_named() {
        for (json, expected) in [
            (r#"{"act_fn": "relu"}"#, "act_fn"),
            (r#"{"shift_factor": 0.1159}"#, "shift_factor = 0.1159"),
            (r#"{"mid_block_add_attention": false}"#, "mid_block_add_attention"),
            (r#"{"block_out_channels": [64, 64]}"#, "down_block_types has 1 values for 2"),
            (r#"{"up_block_types": ["AttnUpDecoderBlock2D"]}"#, "\"AttnUpDecoderBlock2D\""),
            (r#"{"block_out_channels": [60]}"#, "32 does not divide 60"),
            (r#"{"scaling_factor": 0}"#, "scaling_factor"),
        ] {
            let config: AutoencoderKLConfig = serde_json::from_str(json).expect("JSON");
            let error = config.validate().expect_err(json);
            assert!(error.contains(expected), "{json}: {error}");
        }
        assert_eq!(AutoencoderKLConfig::default().validate(), Ok(()));
    }
}
