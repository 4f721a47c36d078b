//! CLIP's text tower (Radford et al. 2021, section 2.4): the text encoder of Stable Diffusion.

use aquatint_nn::{Bias, Embedding, Init, LayerNorm, Linear, Module, Param};
use aquatint_tensor::{Mask, Tensor};
use serde::{Deserialize, Serialize};

use crate::Probe;
use crate::clip_encoder::{Activation, ClipEncoder, Size};
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
    fn size(&self) -> Result<Size, String> {
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

/// What the text tower says about `B` sequences of `T` tokens.
#[derive(Clone, Debug)]
pub struct ClipTextOutput {
    /// Of every token, after the last normalization. `[B, T, D]`
    pub last_hidden_state: Tensor,
    /// Of the token that ends the sequence. `[B, D]`
    pub pooled: Tensor,
    /// `pooled` in the space shared with pictures, if the model has a projection. `[B, P]`
    pub text_embeds: Option<Tensor>,
}

#[derive(Clone, Debug, Module)]
struct ClipTextEmbeddings {
    token_embedding: Embedding,
    #[module(name = "position_embedding.weight")]
    position_embedding: Param,
}

#[derive(Clone, Debug, Module)]
struct ClipTextTransformer {
    embeddings: ClipTextEmbeddings,
    encoder: ClipEncoder,
    final_layer_norm: LayerNorm,
}

/// CLIP's text tower.
#[derive(Clone, Debug, Module)]
pub struct ClipTextModel {
    text_model: ClipTextTransformer,
    text_projection: Option<Linear>,
    #[module(skip)]
    config: ClipTextConfig,
}

impl ClipTextModel {
    /// The tower without its weights and without a projection, as Stable Diffusion uses it
    /// (transformers' `CLIPTextModel`).
    ///
    /// # Panics
    /// If [`ClipTextConfig::validate`] finds an error.
    #[track_caller]
    pub fn new(config: &ClipTextConfig) -> Self {
        let size = match config.validate().and_then(|()| config.size()) {
            Ok(size) => size,
            Err(error) => panic!("text encoder configuration: {error}"),
        };
        let table = Init::Normal(0.02 * size.factor);
        let embeddings = ClipTextEmbeddings {
            token_embedding: Embedding::new(config.vocab_size, size.hidden, 0.02 * size.factor),
            position_embedding: Param::new(&[config.max_position_embeddings, size.hidden], table),
        };
        let text_model = ClipTextTransformer {
            embeddings,
            encoder: ClipEncoder::new(&size),
            final_layer_norm: LayerNorm::new(size.hidden, size.eps),
        };
        Self { text_model, text_projection: None, config: config.clone() }
    }

    /// The tower with a projection into the space shared with pictures (transformers'
    /// `CLIPTextModelWithProjection`).
    ///
    /// # Panics
    /// If [`ClipTextConfig::validate`] finds an error.
    #[track_caller]
    pub fn with_projection(config: &ClipTextConfig) -> Self {
        let mut model = Self::new(config);
        let std = config.initializer_factor / (config.hidden_size as f32).sqrt();
        let projection = Linear::new(config.hidden_size, config.projection_dim, Bias::No);
        model.text_projection = Some(projection.with_init(Init::Normal(std)));
        model
    }

    /// What it was built from.
    pub fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// ids of `batch` sequences of one length, one after the other.
    ///
    /// # Panics
    /// If they cannot be divided into sequences of at most `max_position_embeddings` tokens, or
    /// one of them is not in the vocabulary.
    #[track_caller]
    pub fn forward(&self, ids: &[u32], batch: usize) -> ClipTextOutput {
        self.forward_with(ids, batch, &mut |_, _| {})
    }

    /// [`Self::forward`] that shows the output of each stage to `probe`.
    #[track_caller]
    pub fn forward_with(&self, ids: &[u32], batch: usize, probe: &mut Probe) -> ClipTextOutput {
        let longest = self.config.max_position_embeddings;
        assert!(
            batch > 0
                && ids.len().is_multiple_of(batch)
                && (1..=longest).contains(&(ids.len() / batch)),
            "text encoder: {} ids in {batch} sequences of at most {longest}",
            ids.len()
        );
        let tokens = ids.len() / batch;
        let ClipTextEmbeddings { token_embedding, position_embedding } =
            &self.text_model.embeddings;
        let positions = position_embedding.value().narrow_rows(0, tokens);
        let x = token_embedding.forward(ids, &[batch, tokens]).add_row(&positions);
        probe("embeddings", &x);
        let x = self.text_model.encoder.forward(&x, Mask::Causal, probe);
        let last_hidden_state = self.text_model.final_layer_norm.forward(&x);
        let ends: Vec<usize> = ids
            .chunks_exact(tokens)
            .enumerate()
            .map(|(row, ids)| row * tokens + self.end_of(ids))
            .collect();
        let width = self.config.hidden_size;
        let pooled = last_hidden_state.reshape(&[batch * tokens, width]).select_rows(&ends);
        let text_embeds = self.text_projection.as_ref().map(|p| p.forward(&pooled));
        ClipTextOutput { last_hidden_state, pooled, text_embeds }
    }

    /// Where a sequence ends: at the first end token, or at 0 if it has none.
    ///
    /// Files older than transformers' pull request 24773 have the wrong `eos_token_id` 2. There
    /// the end is the first token with the largest id, as in OpenAI's code.
    fn end_of(&self, ids: &[u32]) -> usize {
        let end = match self.config.eos_token_id {
            2 => ids.iter().copied().max().unwrap_or(0),
            end => end,
        };
        ids.iter().position(|&id| id == end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_sequence_ends() {
        let mut config = ClipTextConfig { eos_token_id: 49407, ..Default::default() };
        let model = ClipTextModel::new(&config);
        assert_eq!(model.end_of(&[49406, 5, 49407, 49407]), 2);
        assert_eq!(model.end_of(&[49406, 5, 6, 7]), 0);
        config.eos_token_id = 2;
        let model = ClipTextModel::new(&config);
        assert_eq!(model.end_of(&[49406, 2, 49407, 0, 0]), 2);
    }

    #[test]
    fn what_we_cannot_build_is_named() {
        let config = ClipTextConfig { hidden_act: "relu".into(), ..Default::default() };
        assert!(config.validate().expect_err("relu").contains("hidden_act = \"relu\""));
        let config = ClipTextConfig { num_attention_heads: 7, ..Default::default() };
        assert!(config.validate().expect_err("7 heads").contains("7 does not divide 512"));
    }
}
