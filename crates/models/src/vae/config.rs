//! The autoencoder's `config.json`.

use aquatint_tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::coder::Layout;
use super::layout::{check_layout, layout};
use crate::config::{MOST_CHANNELS, OtherKeys, PerBlock, check_neutral, check_sizes};

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
    /// `"DownEncoderBlock2D"` or `"AttnDownEncoderBlock2D"`, highest resolution first.
    pub down_block_types: Vec<String>,
    /// `"UpDecoderBlock2D"` or `"AttnUpDecoderBlock2D"`, lowest resolution first.
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
    /// The latents, less `shift_factor`, times this have about unit variance: what the U-Net
    /// sees. [`Self::scaled`] does it.
    pub scaling_factor: f64,
    /// The mean of the latents, where it is taken off. Stable Diffusion has none.
    pub shift_factor: Option<f64>,
    /// Whether encoder and decoder have attention in the middle.
    pub mid_block_add_attention: bool,
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
            shift_factor: None,
            mid_block_add_attention: true,
            use_quant_conv: true,
            use_post_quant_conv: true,
            others: OtherKeys::new(),
        }
    }
}

/// Keys that change the model, and the values with which they do not.
const NEUTRAL: &[(&str, &[&str])] = &[("latents_mean", &["null"]), ("latents_std", &["null"])];

impl AutoencoderKLConfig {
    /// How many times smaller the latents are than the picture, in each direction.
    pub fn downsampling_factor(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }

    /// Latents of the autoencoder as the U-Net sees them: (latents − `shift_factor`) ·
    /// `scaling_factor`.
    pub fn scaled(&self, latents: &Tensor) -> Tensor {
        let scale = self.scaling_factor as f32;
        match self.shift_factor {
            Some(shift) => latents.add_scalar(-shift as f32).scale(scale),
            None => latents.scale(scale),
        }
    }

    /// Latents of the U-Net as the autoencoder made them: the inverse of [`Self::scaled`].
    pub fn unscaled(&self, latents: &Tensor) -> Tensor {
        let latents = latents.scale((1.0 / self.scaling_factor) as f32);
        match self.shift_factor {
            Some(shift) => latents.add_scalar(shift as f32),
            None => latents,
        }
    }

    pub(super) fn layout(&self) -> Layout {
        layout(
            &self.block_out_channels,
            self.layers_per_block,
            self.norm_num_groups,
            [&self.down_block_types, &self.up_block_types],
            self.mid_block_add_attention,
        )
    }

    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        check_layout(
            &self.block_out_channels,
            self.layers_per_block,
            self.norm_num_groups,
            [&self.down_block_types, &self.up_block_types],
            &self.act_fn,
        )?;
        check_sizes(
            MOST_CHANNELS,
            &[
                ("in_channels", self.in_channels),
                ("out_channels", self.out_channels),
                ("latent_channels", self.latent_channels),
            ],
        )?;
        if !(self.scaling_factor.is_finite() && self.scaling_factor > 0.0) {
            return Err(format!("scaling_factor = {} is not positive", self.scaling_factor));
        }
        if self.shift_factor.is_some_and(|shift| !shift.is_finite()) {
            return Err("shift_factor is not finite".into());
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
            (r#"{"latents_mean": [0.5]}"#, "latents_mean = [0.5]"),
            (r#"{"latents_std": [0.5]}"#, "latents_std = [0.5]"),
            (r#"{"block_out_channels": [64, 64]}"#, "down_block_types has 1 values for 2"),
            (r#"{"up_block_types": ["SkipUpBlock2D"]}"#, "up_block_types = \"SkipUpBlock2D\""),
            (r#"{"block_out_channels": [60]}"#, "32 does not divide 60"),
            (r#"{"scaling_factor": 0}"#, "scaling_factor"),
        ] {
            let config: AutoencoderKLConfig = serde_json::from_str(json).expect("JSON");
            let error = config.validate().expect_err(json);
            assert!(error.contains(expected), "{json}: {error}");
        }
        assert_eq!(AutoencoderKLConfig::default().validate(), Ok(()));
    }

    #[test]
    fn scaling_takes_the_mean_off_and_comes_back() {
        let config = AutoencoderKLConfig {
            scaling_factor: 0.5,
            shift_factor: Some(0.25),
            ..Default::default()
        };
        let latents = Tensor::new(vec![0.25, 2.25], &[2]);
        assert_eq!(config.scaled(&latents).to_vec(), [0.0, 1.0]);
        assert_eq!(config.unscaled(&config.scaled(&latents)).to_vec(), latents.to_vec());
    }
}
