//! The paper's text encoder's `config.json`.

use aquatint_nn::{Bias, Init, Linear};
use serde::{Deserialize, Serialize};

use crate::config::{MOST_CHANNELS, MOST_LAYERS, OtherKeys, check_known, check_sizes};

/// diffusers' `LDMBertConfig`, with its key names and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LDMBertConfig {
    /// `"ldmbert"`.
    pub model_type: String,
    /// Rows of the token table.
    pub vocab_size: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Transformer layers.
    pub encoder_layers: usize,
    /// Channels inside an MLP.
    pub encoder_ffn_dim: usize,
    /// Heads of each attention.
    pub encoder_attention_heads: usize,
    /// Channels of each head. All heads together may have fewer than `d_model`.
    pub head_dim: usize,
    /// `"gelu"`.
    pub activation_function: String,
    /// Channels of a token.
    pub d_model: usize,
    /// Standard deviation of the weights at the beginning of a training.
    pub init_std: f32,
    /// Fills every sequence.
    pub pad_token_id: u32,
    /// Everything else in the file.
    #[serde(flatten)]
    pub others: OtherKeys,
}

impl Default for LDMBertConfig {
    fn default() -> Self {
        Self {
            model_type: "ldmbert".into(),
            vocab_size: 30522,
            max_position_embeddings: 77,
            encoder_layers: 32,
            encoder_ffn_dim: 5120,
            encoder_attention_heads: 8,
            head_dim: 64,
            activation_function: "gelu".into(),
            d_model: 1280,
            init_std: 0.02,
            pad_token_id: 0,
            others: OtherKeys::new(),
        }
    }
}

impl LDMBertConfig {
    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        check_known("activation_function", &self.activation_function, &["gelu"])?;
        check_sizes(
            MOST_CHANNELS,
            &[
                ("vocab_size", self.vocab_size),
                ("max_position_embeddings", self.max_position_embeddings),
                ("encoder_ffn_dim", self.encoder_ffn_dim),
                ("encoder_attention_heads", self.encoder_attention_heads),
                ("head_dim", self.head_dim),
                ("d_model", self.d_model),
            ],
        )?;
        check_sizes(MOST_LAYERS, &[("encoder_layers", self.encoder_layers)])?;
        let inner = self.encoder_attention_heads * self.head_dim;
        check_sizes(MOST_CHANNELS, &[("encoder_attention_heads · head_dim", inner)])
    }

    /// A layer as this model begins it.
    pub(super) fn linear(&self, inputs: usize, outputs: usize, bias: Bias) -> Linear {
        Linear::new(inputs, outputs, bias).with_init(Init::Normal(self.init_std))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_cannot_build_is_named() {
        for (json, expected) in [
            (r#"{"activation_function": "relu"}"#, "activation_function = \"relu\""),
            (r#"{"head_dim": 0}"#, "head_dim = 0 is not between"),
            (r#"{"encoder_layers": 5000}"#, "encoder_layers = 5000 is not between"),
            (r#"{"encoder_attention_heads": 100000}"#, "encoder_attention_heads · head_dim"),
        ] {
            let config: LDMBertConfig = serde_json::from_str(json).expect("JSON");
            let error = config.validate().expect_err(json);
            assert!(error.contains(expected), "{json}: {error}");
        }
        assert_eq!(LDMBertConfig::default().validate(), Ok(()));
    }
}
