//! BERT's `config.json`.

use aquatint_nn::{Bias, Init, Linear};
use serde::{Deserialize, Serialize};

use crate::config::{
    MOST_CHANNELS, MOST_LAYERS, OtherKeys, check_divides, check_known, check_neutral, check_sizes,
};

/// transformers' `BertConfig`, with its key names and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BertConfig {
    /// `"bert"`.
    pub model_type: String,
    /// Rows of the token table.
    pub vocab_size: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Rows of the table that says which of two texts a token is of.
    pub type_vocab_size: usize,
    /// Channels of a token.
    pub hidden_size: usize,
    /// Channels inside an MLP.
    pub intermediate_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Heads of each attention.
    pub num_attention_heads: usize,
    /// `"gelu"`.
    pub hidden_act: String,
    /// ε of every normalization.
    pub layer_norm_eps: f32,
    /// Standard deviation of the weights at the beginning of a training.
    pub initializer_range: f32,
    /// Fills every sequence.
    pub pad_token_id: u32,
    /// Everything else in the file.
    #[serde(flatten)]
    pub others: OtherKeys,
}

impl Default for BertConfig {
    fn default() -> Self {
        Self {
            model_type: "bert".into(),
            vocab_size: 30522,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-12,
            initializer_range: 0.02,
            pad_token_id: 0,
            others: OtherKeys::new(),
        }
    }
}

impl BertConfig {
    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        check_known("model_type", &self.model_type, &["bert"])?;
        check_known("hidden_act", &self.hidden_act, &["gelu"])?;
        check_sizes(
            MOST_CHANNELS,
            &[
                ("vocab_size", self.vocab_size),
                ("max_position_embeddings", self.max_position_embeddings),
                ("type_vocab_size", self.type_vocab_size),
                ("hidden_size", self.hidden_size),
                ("intermediate_size", self.intermediate_size),
            ],
        )?;
        check_sizes(MOST_LAYERS, &[("num_hidden_layers", self.num_hidden_layers)])?;
        check_divides("num_attention_heads", self.num_attention_heads, self.hidden_size)?;
        check_neutral(
            &self.others,
            &[
                ("position_embedding_type", &["\"absolute\""]),
                ("is_decoder", &["false"]),
                ("add_cross_attention", &["false"]),
            ],
        )
    }

    /// A layer as this model begins it.
    pub(super) fn linear(&self, inputs: usize, outputs: usize) -> Linear {
        Linear::new(inputs, outputs, Bias::Yes).with_init(Init::Normal(self.initializer_range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_cannot_build_is_named() {
        for (json, expected) in [
            (r#"{"hidden_act": "relu"}"#, "hidden_act = \"relu\""),
            (r#"{"model_type": "roberta"}"#, "model_type = \"roberta\""),
            (r#"{"num_attention_heads": 7}"#, "num_attention_heads"),
            (r#"{"position_embedding_type": "relative_key"}"#, "position_embedding_type"),
        ] {
            let config: BertConfig = serde_json::from_str(json).expect("JSON");
            let error = config.validate().expect_err(json);
            assert!(error.contains(expected), "{json}: {error}");
        }
        assert_eq!(BertConfig::default().validate(), Ok(()));
    }
}
