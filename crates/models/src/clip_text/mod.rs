//! CLIP's text tower (Radford et al. 2021, section 2.4): the text encoder of Stable Diffusion.

mod added;
mod config;

use std::ops::Range;

use aquatint_nn::{Bias, Embedding, Init, LayerNorm, Linear, Module, Param};
use aquatint_tensor::{Mask, Tensor};

use added::AddedTokens;
pub use config::ClipTextConfig;

use crate::Probe;
use crate::clip_encoder::ClipEncoder;

/// What the text tower says about `B` sequences of `T` tokens.
#[derive(Clone, Debug)]
pub struct ClipTextOutput {
    /// Of every token, before the first layer and after each, without the last normalization:
    /// one more than there are layers. Each `[B, T, D]`
    pub hidden_states: Vec<Tensor>,
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
    #[module(skip)]
    added: AddedTokens,
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
        let (config, added) = (config.clone(), AddedTokens::default());
        Self { text_model, text_projection: None, config, added }
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

    /// Gives vectors `[n, D]` for tokens that are not in the vocabulary (textual inversion) the ids
    /// that are returned. They are no parameters and not saved; gradients flow to them if they are
    /// tracked.
    ///
    /// # Panics
    /// If D is not `hidden_size`.
    #[track_caller]
    pub fn add_tokens(&mut self, vectors: &Tensor) -> Range<u32> {
        let width = self.config.hidden_size;
        assert!(matches!(vectors.shape(), [_, d] if *d == width), "{:?}", vectors.shape());
        self.added.add(vectors, self.config.vocab_size)
    }

    /// Has other vectors for all tokens that were [added](Self::add_tokens), `[n, D]`.
    ///
    /// # Panics
    /// If there were more or fewer.
    #[track_caller]
    pub fn replace_added(&mut self, vectors: &Tensor) {
        self.added.replace(vectors);
    }

    /// ids of `batch` sequences of one length, one after the other.
    ///
    /// # Panics
    /// If they cannot be divided into sequences of at most `max_position_embeddings` tokens, or
    /// one of them is not in the vocabulary and was not [added](Self::add_tokens).
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
        let rows = self.config.vocab_size;
        let x = token_embedding.forward(&self.added.known(ids, rows), &[batch, tokens]);
        let x = self.added.put(x, ids, rows).add_row(&positions);
        probe("embeddings", &x);
        let mut hidden_states = vec![x.clone()];
        let x = self.text_model.encoder.forward(&x, Mask::Causal, &mut |stage, x| {
            hidden_states.push(x.clone());
            probe(stage, x);
        });
        let last_hidden_state = self.final_layer_norm(&x);
        let ends: Vec<usize> = ids
            .chunks_exact(tokens)
            .enumerate()
            .map(|(row, ids)| row * tokens + self.end_of(ids))
            .collect();
        let width = self.config.hidden_size;
        let pooled = last_hidden_state.reshape(&[batch * tokens, width]).select_rows(&ends);
        let text_embeds = self.text_projection.as_ref().map(|p| p.forward(&pooled));
        ClipTextOutput { hidden_states, last_hidden_state, pooled, text_embeds }
    }

    /// The last normalization of one of the hidden states `[B, T, D]`: what "clip skip" gives to
    /// the U-Net instead of `last_hidden_state`. SDXL takes the last but one without it.
    #[track_caller]
    pub fn final_layer_norm(&self, hidden_state: &Tensor) -> Tensor {
        self.text_model.final_layer_norm.forward(hidden_state)
    }

    /// Where a sequence ends: at the first end token, or at 0 if it has none.
    ///
    /// Files older than transformers' pull request 24773 have the wrong `eos_token_id` 2. There
    /// the end is the first token with the largest id, as in OpenAI's code.
    fn end_of(&self, ids: &[u32]) -> usize {
        let end = match self.config.eos_token_id {
            2 => {
                let rows = self.config.vocab_size as u32;
                ids.iter().copied().filter(|&id| id < rows).max().unwrap_or(0)
            }
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
        // An added token is none that was there.
        assert_eq!(model.end_of(&[49406, 49408, 49407, 0, 0]), 2);
    }
}
