//! The text encoder of the paper's own text-to-image model (Rombach et al. 2022, appendix E.2.1):
//! a transformer over BERT's word pieces, trained together with the U-Net.

mod config;

use aquatint_nn::{Bias, Embedding, Init, LayerNorm, Linear, Module, Param};
use aquatint_tensor::{Mask, Tensor};

pub use config::LDMBertConfig;

use crate::Probe;

/// ε of every normalization.
const EPS: f32 = 1e-5;

#[derive(Clone, Debug, Module)]
struct LDMBertAttention {
    k_proj: Linear,
    v_proj: Linear,
    q_proj: Linear,
    out_proj: Linear,
    #[module(skip)]
    heads: usize,
}

impl LDMBertAttention {
    fn new(config: &LDMBertConfig) -> Self {
        let heads = config.encoder_attention_heads;
        let (outer, inner) = (config.d_model, heads * config.head_dim);
        Self {
            k_proj: config.linear(outer, inner, Bias::No),
            v_proj: config.linear(outer, inner, Bias::No),
            q_proj: config.linear(outer, inner, Bias::No),
            out_proj: config.linear(inner, outer, Bias::Yes),
            heads,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let (q, k, v) = (self.q_proj.forward(x), self.k_proj.forward(x), self.v_proj.forward(x));
        self.out_proj.forward(&q.attention(&k, &v, self.heads, Mask::None))
    }
}

#[derive(Clone, Debug, Module)]
struct LDMBertLayer {
    self_attn: LDMBertAttention,
    self_attn_layer_norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    final_layer_norm: LayerNorm,
}

impl LDMBertLayer {
    fn new(config: &LDMBertConfig) -> Self {
        let LDMBertConfig { d_model, encoder_ffn_dim, .. } = *config;
        Self {
            self_attn: LDMBertAttention::new(config),
            self_attn_layer_norm: LayerNorm::new(d_model, EPS),
            fc1: config.linear(d_model, encoder_ffn_dim, Bias::Yes),
            fc2: config.linear(encoder_ffn_dim, d_model, Bias::Yes),
            final_layer_norm: LayerNorm::new(d_model, EPS),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x.add(&self.self_attn.forward(&self.self_attn_layer_norm.forward(x)));
        let h = self.fc1.forward(&self.final_layer_norm.forward(&x)).gelu();
        x.add(&self.fc2.forward(&h))
    }
}

#[derive(Clone, Debug, Module)]
struct LDMBertEncoder {
    embed_tokens: Embedding,
    #[module(name = "embed_positions.weight")]
    embed_positions: Param,
    layers: Vec<LDMBertLayer>,
    layer_norm: LayerNorm,
}

/// What the encoder says about `B` sequences of `T` tokens.
#[derive(Clone, Debug)]
pub struct LDMBertOutput {
    /// Of every token, before the first layer and before each other, and last, after the last
    /// normalization: diffusers' order. Each `[B, T, D]`
    pub hidden_states: Vec<Tensor>,
    /// The last of these. `[B, T, D]`
    pub last_hidden_state: Tensor,
}

/// The paper's text encoder. It sees the padding too: the paper's code masks nothing.
#[derive(Clone, Debug, Module)]
pub struct LDMBertModel {
    model: LDMBertEncoder,
    // Unused by the U-Net, but in every file.
    to_logits: Linear,
    #[module(skip)]
    config: LDMBertConfig,
}

impl LDMBertModel {
    /// The encoder without its weights.
    ///
    /// # Panics
    /// If [`LDMBertConfig::validate`] finds an error.
    #[track_caller]
    pub fn new(config: &LDMBertConfig) -> Self {
        if let Err(error) = config.validate() {
            panic!("text encoder configuration: {error}");
        }
        let LDMBertConfig { d_model, vocab_size, max_position_embeddings, init_std, .. } = *config;
        let positions = Param::new(&[max_position_embeddings, d_model], Init::Normal(init_std));
        let model = LDMBertEncoder {
            embed_tokens: Embedding::new(vocab_size, d_model, init_std),
            embed_positions: positions,
            layers: (0..config.encoder_layers).map(|_| LDMBertLayer::new(config)).collect(),
            layer_norm: LayerNorm::new(d_model, EPS),
        };
        let to_logits = config.linear(d_model, vocab_size, Bias::Yes);
        Self { model, to_logits, config: config.clone() }
    }

    /// What it was built from.
    pub fn config(&self) -> &LDMBertConfig {
        &self.config
    }

    /// ids of `batch` sequences of one length, one after the other.
    ///
    /// # Panics
    /// If they cannot be divided into sequences of at most `max_position_embeddings` tokens, or
    /// one of them is not in the vocabulary.
    #[track_caller]
    pub fn forward(&self, ids: &[u32], batch: usize) -> LDMBertOutput {
        self.forward_with(ids, batch, &mut |_, _| {})
    }

    /// [`Self::forward`] that shows the output of each stage to `probe`.
    #[track_caller]
    pub fn forward_with(&self, ids: &[u32], batch: usize, probe: &mut Probe) -> LDMBertOutput {
        let longest = self.config.max_position_embeddings;
        assert!(
            batch > 0
                && ids.len().is_multiple_of(batch)
                && (1..=longest).contains(&(ids.len() / batch)),
            "text encoder: {} ids in {batch} sequences of at most {longest}",
            ids.len()
        );
        let tokens = ids.len() / batch;
        let positions = self.model.embed_positions.value().narrow_rows(0, tokens);
        let words = self.model.embed_tokens.forward(ids, &[batch, tokens]);
        let mut x = words.add_row(&positions);
        probe("embeddings", &x);
        let mut hidden_states = Vec::with_capacity(self.model.layers.len() + 1);
        for (i, layer) in self.model.layers.iter().enumerate() {
            hidden_states.push(x.clone());
            x = layer.forward(&x);
            probe(&format!("layers.{i}"), &x);
        }
        let last_hidden_state = self.model.layer_norm.forward(&x);
        hidden_states.push(last_hidden_state.clone());
        LDMBertOutput { hidden_states, last_hidden_state }
    }

    /// How likely each token of the vocabulary is at each place: states `[B, T, D]` →
    /// `[B, T, vocab_size]`, before any normalization.
    #[track_caller]
    pub fn logits(&self, states: &Tensor) -> Tensor {
        self.to_logits.forward(states)
    }
}
