//! The text encoder of a model, whichever it is.

use aquatint_models::{
    BertConfig, BertModel, ClipTextConfig, ClipTextModel, LDMBertConfig, LDMBertModel,
};
use aquatint_nn::{Module, Param};
use aquatint_tensor::Tensor;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What makes a context of ids.
#[derive(Clone, Debug)]
pub enum TextEncoder {
    /// Stable Diffusion's.
    Clip(ClipTextModel),
    /// That of the paper's text-to-image model.
    Bert(LDMBertModel),
    /// BERT itself, such as an encoder of sentences that was trained for itself.
    Sentence(BertModel),
}

/// Its `config.json`; `model_type` says which it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum TextEncoderConfig {
    /// Stable Diffusion's.
    Clip(ClipTextConfig),
    /// That of the paper's text-to-image model.
    Bert(LDMBertConfig),
    /// BERT itself.
    Sentence(BertConfig),
}

impl TextEncoder {
    /// Without its weights. CLIP's has a projection, and BERT a layer for its first token, if
    /// `projected` says that the file has one.
    pub fn new(config: &TextEncoderConfig, projected: bool) -> Self {
        match config {
            TextEncoderConfig::Clip(config) if projected => {
                Self::Clip(ClipTextModel::with_projection(config))
            }
            TextEncoderConfig::Clip(config) => Self::Clip(ClipTextModel::new(config)),
            TextEncoderConfig::Bert(config) => Self::Bert(LDMBertModel::new(config)),
            TextEncoderConfig::Sentence(config) => {
                Self::Sentence(BertModel::new(config, projected))
            }
        }
    }

    /// ids of `batch` sequences of one length → the context, `[B, T, D]`.
    #[track_caller]
    pub fn context(&self, ids: &[u32], batch: usize) -> Tensor {
        match self {
            Self::Clip(model) => model.forward(ids, batch).last_hidden_state,
            Self::Bert(model) => model.forward(ids, batch).last_hidden_state,
            Self::Sentence(model) => model.forward_padded(ids, batch),
        }
    }

    /// What it was built from.
    pub fn config(&self) -> TextEncoderConfig {
        match self {
            Self::Clip(model) => TextEncoderConfig::Clip(model.config().clone()),
            Self::Bert(model) => TextEncoderConfig::Bert(model.config().clone()),
            Self::Sentence(model) => TextEncoderConfig::Sentence(model.config().clone()),
        }
    }
}

impl Module for TextEncoder {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        match self {
            Self::Clip(model) => model.visit(path, f),
            Self::Bert(model) => model.visit(path, f),
            Self::Sentence(model) => model.visit(path, f),
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        match self {
            Self::Clip(model) => model.visit_mut(path, f),
            Self::Bert(model) => model.visit_mut(path, f),
            Self::Sentence(model) => model.visit_mut(path, f),
        }
    }
}

impl TextEncoderConfig {
    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            Self::Clip(config) => config.validate(),
            Self::Bert(config) => config.validate(),
            Self::Sentence(config) => config.validate(),
        }
    }

    /// Channels of the context.
    pub fn hidden_size(&self) -> usize {
        match self {
            Self::Clip(config) => config.hidden_size,
            Self::Bert(config) => config.d_model,
            Self::Sentence(config) => config.hidden_size,
        }
    }

    /// Transformer layers that "clip skip" can count; `None` where it cannot.
    pub fn skippable_layers(&self) -> Option<usize> {
        match self {
            Self::Clip(config) => Some(config.num_hidden_layers),
            Self::Bert(_) | Self::Sentence(_) => None,
        }
    }

    /// Rows of the table of tokens.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Clip(config) => config.vocab_size,
            Self::Bert(config) => config.vocab_size,
            Self::Sentence(config) => config.vocab_size,
        }
    }

    /// The longest sequence.
    pub fn max_position_embeddings(&self) -> usize {
        match self {
            Self::Clip(config) => config.max_position_embeddings,
            Self::Bert(config) => config.max_position_embeddings,
            Self::Sentence(config) => config.max_position_embeddings,
        }
    }
}

impl Default for TextEncoderConfig {
    fn default() -> Self {
        Self::Clip(ClipTextConfig::default())
    }
}

impl<'de> Deserialize<'de> for TextEncoderConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let parsed = match value.get("model_type").and_then(Value::as_str) {
            Some("bert") => serde_json::from_value(value).map(Self::Sentence),
            Some("ldmbert") => serde_json::from_value(value).map(Self::Bert),
            _ => serde_json::from_value(value).map(Self::Clip),
        };
        parsed.map_err(serde::de::Error::custom)
    }
}
