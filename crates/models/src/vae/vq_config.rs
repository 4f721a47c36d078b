//! The vector-quantized autoencoder's `config.json`.

use serde::{Deserialize, Serialize};

use super::coder::Layout;
use super::layout::{check_layout, layout};
use crate::config::{MOST_CHANNELS, OtherKeys, PerBlock, check_neutral, check_sizes};

/// diffusers' configuration of a `VQModel`, with its key names and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VQModelConfig {
    /// `"VQModel"`.
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
    /// Channels between the halves.
    pub latent_channels: usize,
    /// Groups of every group normalization.
    pub norm_num_groups: usize,
    /// Vectors in the codebook.
    pub num_vq_embeddings: usize,
    /// Channels of the codebook's vectors and so of the latents; `latent_channels` if not given.
    pub vq_embed_dim: Option<usize>,
    /// The latents times this are what the U-Net sees. The paper's models use 1.
    pub scaling_factor: f64,
    /// Whether encoder and decoder have attention in the middle.
    pub mid_block_add_attention: bool,
    /// Everything else in the file.
    #[serde(flatten)]
    pub others: OtherKeys,
}

impl Default for VQModelConfig {
    fn default() -> Self {
        Self {
            class_name: "VQModel".into(),
            sample_size: None,
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".into()],
            up_block_types: vec!["UpDecoderBlock2D".into()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".into(),
            latent_channels: 3,
            norm_num_groups: 32,
            num_vq_embeddings: 256,
            vq_embed_dim: None,
            scaling_factor: 0.18215,
            mid_block_add_attention: true,
            others: OtherKeys::new(),
        }
    }
}

/// Keys that change the model, and the values with which they do not.
const NEUTRAL: &[(&str, &[&str])] =
    &[("lookup_from_codebook", &["false"]), ("norm_type", &["\"group\""])];

impl VQModelConfig {
    /// How many times smaller the latents are than the picture, in each direction.
    pub fn downsampling_factor(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }

    /// Channels of the latents.
    pub fn embed_dim(&self) -> usize {
        self.vq_embed_dim.unwrap_or(self.latent_channels)
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
                ("vq_embed_dim", self.embed_dim()),
                ("num_vq_embeddings", self.num_vq_embeddings),
            ],
        )?;
        if !(self.scaling_factor.is_finite() && self.scaling_factor > 0.0) {
            return Err(format!("scaling_factor = {} is not positive", self.scaling_factor));
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
            (r#"{"norm_type": "spatial"}"#, "norm_type = \"spatial\""),
            (r#"{"lookup_from_codebook": true}"#, "lookup_from_codebook = true"),
            (r#"{"act_fn": "relu"}"#, "act_fn = \"relu\""),
            (r#"{"num_vq_embeddings": 0}"#, "num_vq_embeddings = 0"),
            (r#"{"vq_embed_dim": 0}"#, "vq_embed_dim = 0"),
            (r#"{"down_block_types": ["DownBlock2D"]}"#, "down_block_types = \"DownBlock2D\""),
        ] {
            let config: VQModelConfig = serde_json::from_str(json).expect("JSON");
            let error = config.validate().expect_err(json);
            assert!(error.contains(expected), "{json}: {error}");
        }
        assert_eq!(VQModelConfig::default().validate(), Ok(()));
    }
}
