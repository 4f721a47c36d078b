//! The text tower's `config.json`.

use serde::{Deserialize, Serialize};

use crate::clip_encoder::{Activation, Size};
use crate::config::{MOST_CHANNELS, OtherKeys, check_sizes};

/// transformers' `CLIPTextConfig`, with its key names and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    /// `"clip_text_model"`.
    pub model_type: String,
    /// Rows of the token table.
    pub vocab_size: usize,
    /// Channels of a token.
    pub hidden_size: usize,
    /// Channels inside an MLP.
    pub intermediate_size: usize,
    /// Channels of the text embedding, where there is one.
    pub projection_dim: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Heads of each attention.
    pub num_attention_heads: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// `"quick_gelu"` (OpenAI's) or `"gelu"` (OpenCLIP's).
    pub hidden_act: String,
    /// ε of every normalization.
    pub layer_norm_eps: f32,
    /// Scales the weights at the beginning of a training.
    pub initializer_factor: f32,
    /// Begins every sequence.
    pub bos_token_id: u32,
    /// Ends every sequence. 2 in old files, where it is not to be believed.
    pub eos_token_id: u32,
    /// Fills every sequence.
    pub pad_token_id: u32,
    /// Everything else in the file.
    #[serde(flatten)]
    pub others: OtherKeys,
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            model_type: "clip_text_model".into(),
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            projection_dim: 512,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".into(),
            layer_norm_eps: 1e-5,
            initializer_factor: 1.0,
            bos_token_id: 49406,
            eos_token_id: 49407,
            pad_token_id: 1,
            others: OtherKeys::new(),
        }
    }
}

impl ClipTextConfig {
    pub(super) fn size(&self) -> Result<Size, String> {
        Ok(Size {
            hidden: self.hidden_size,
            intermediate: self.intermediate_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            eps: self.layer_norm_eps,
            factor: self.initializer_factor,
            activation: Activation::parse(&self.hidden_act)?,
        })
    }

    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        check_sizes(
            MOST_CHANNELS,
            &[
                ("vocab_size", self.vocab_size),
                ("projection_dim", self.projection_dim),
                ("max_position_embeddings", self.max_position_embeddings),
            ],
        )?;
        self.size()?.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_cannot_build_is_named() {
        let config = ClipTextConfig { hidden_act: "relu".into(), ..Default::default() };
        assert!(config.validate().expect_err("relu").contains("hidden_act = \"relu\""));
        let config = ClipTextConfig { num_attention_heads: 7, ..Default::default() };
        assert!(config.validate().expect_err("7 heads").contains("7 does not divide 512"));
    }
}
