//! BERT (Devlin et al. 2019, arXiv:1810.04805), and so the sentence encoders that are built like
//! it: a transformer whose normalizations come after what is added.

mod config;

use aquatint_nn::{Embedding, LayerNorm, Linear, Module};
use aquatint_tensor::{Mask, Tensor};

pub use config::BertConfig;

use crate::Probe;

#[derive(Clone, Debug, Module)]
struct BertEmbeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    token_type_embeddings: Embedding,
    #[module(name = "LayerNorm")]
    norm: LayerNorm,
}

#[derive(Clone, Debug, Module)]
struct BertSelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
}

/// A layer whose answer is added to what was there, and the normalization of both.
#[derive(Clone, Debug, Module)]
struct BertOutput {
    dense: Linear,
    #[module(name = "LayerNorm")]
    norm: LayerNorm,
}

impl BertOutput {
    fn new(config: &BertConfig, inputs: usize) -> Self {
        Self {
            dense: config.linear(inputs, config.hidden_size),
            norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps),
        }
    }

    fn forward(&self, x: &Tensor, residual: &Tensor) -> Tensor {
        self.norm.forward(&self.dense.forward(x).add(residual))
    }
}

#[derive(Clone, Debug, Module)]
struct BertAttention {
    #[module(name = "self")]
    own: BertSelfAttention,
    output: BertOutput,
}

#[derive(Clone, Debug, Module)]
struct Dense {
    dense: Linear,
}

#[derive(Clone, Debug, Module)]
struct BertLayer {
    attention: BertAttention,
    intermediate: Dense,
    output: BertOutput,
    #[module(skip)]
    heads: usize,
}

impl BertLayer {
    fn new(config: &BertConfig) -> Self {
        let BertConfig { hidden_size, intermediate_size, num_attention_heads: heads, .. } = *config;
        let square = || config.linear(hidden_size, hidden_size);
        Self {
            attention: BertAttention {
                own: BertSelfAttention { query: square(), key: square(), value: square() },
                output: BertOutput::new(config, hidden_size),
            },
            intermediate: Dense { dense: config.linear(hidden_size, intermediate_size) },
            output: BertOutput::new(config, intermediate_size),
            heads,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let BertSelfAttention { query, key, value } = &self.attention.own;
        let (q, k, v) = (query.forward(x), key.forward(x), value.forward(x));
        let x = self.attention.output.forward(&q.attention(&k, &v, self.heads, Mask::None), x);
        self.output.forward(&self.intermediate.dense.forward(&x).gelu(), &x)
    }
}

#[derive(Clone, Debug, Module)]
struct BertEncoder {
    layer: Vec<BertLayer>,
}

/// BERT without anything on top of it but the layer for the first token, which most files have and
/// nothing here uses.
#[derive(Clone, Debug, Module)]
pub struct BertModel {
    embeddings: BertEmbeddings,
    encoder: BertEncoder,
    pooler: Option<Dense>,
    #[module(skip)]
    config: BertConfig,
}

impl BertModel {
    /// The encoder without its weights; `pooled` says whether the file has a layer for the first
    /// token.
    ///
    /// # Panics
    /// If [`BertConfig::validate`] finds an error.
    #[track_caller]
    pub fn new(config: &BertConfig, pooled: bool) -> Self {
        if let Err(error) = config.validate() {
            panic!("text encoder configuration: {error}");
        }
        let size = config.hidden_size;
        let table = |rows| Embedding::new(rows, size, config.initializer_range);
        Self {
            embeddings: BertEmbeddings {
                word_embeddings: table(config.vocab_size),
                position_embeddings: table(config.max_position_embeddings),
                token_type_embeddings: table(config.type_vocab_size),
                norm: LayerNorm::new(size, config.layer_norm_eps),
            },
            encoder: BertEncoder {
                layer: (0..config.num_hidden_layers).map(|_| BertLayer::new(config)).collect(),
            },
            pooler: pooled.then(|| Dense { dense: config.linear(size, size) }),
            config: config.clone(),
        }
    }

    /// What it was built from.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// The states of `batch` sequences of one length after the last layer, `[B, T, D]`. Every
    /// token sees all others, padding too.
    ///
    /// # Panics
    /// If the ids cannot be divided into sequences of at most `max_position_embeddings` tokens, or
    /// one of them is not in the vocabulary.
    #[track_caller]
    pub fn forward(&self, ids: &[u32], batch: usize) -> Tensor {
        self.forward_with(ids, batch, &mut |_, _| {})
    }

    /// [`Self::forward`] that shows the output of each stage to `probe`.
    #[track_caller]
    pub fn forward_with(&self, ids: &[u32], batch: usize, probe: &mut Probe) -> Tensor {
        let tokens = self.tokens(ids, batch);
        let positions: Vec<u32> = (0..ids.len()).map(|i| (i % tokens) as u32).collect();
        let BertEmbeddings { word_embeddings, position_embeddings, token_type_embeddings, norm } =
            &self.embeddings;
        let prefix = &[batch, tokens];
        let mut x = word_embeddings
            .forward(ids, prefix)
            .add(&token_type_embeddings.forward(&vec![0; ids.len()], prefix))
            .add(&position_embeddings.forward(&positions, prefix));
        x = norm.forward(&x);
        probe("embeddings", &x);
        for (i, layer) in self.encoder.layer.iter().enumerate() {
            x = layer.forward(&x);
            probe(&format!("layers.{i}"), &x);
        }
        x
    }

    /// The same for sequences that are padded at their ends: nobody sees the padding, as with
    /// transformers' `attention_mask`, and its own states are zeros.
    ///
    /// # Panics
    /// As [`Self::forward`].
    #[track_caller]
    pub fn forward_padded(&self, ids: &[u32], batch: usize) -> Tensor {
        let (tokens, width) = (self.tokens(ids, batch), self.config.hidden_size);
        let mut rows = Vec::with_capacity(2 * batch);
        for sequence in ids.chunks_exact(tokens) {
            let padding = sequence.iter().rev().take_while(|&&id| id == self.config.pad_token_id);
            let length = (tokens - padding.count()).max(1);
            rows.push(self.forward(&sequence[..length], 1).reshape(&[length, width]));
            if length < tokens {
                rows.push(Tensor::zeros(&[tokens - length, width]));
            }
        }
        let joined = rows.into_iter().reduce(|before, row| Tensor::cat_rows([&before, &row]));
        joined.expect("there is a sequence").reshape(&[batch, tokens, width])
    }

    #[track_caller]
    fn tokens(&self, ids: &[u32], batch: usize) -> usize {
        let longest = self.config.max_position_embeddings;
        assert!(
            batch > 0
                && ids.len().is_multiple_of(batch)
                && (1..=longest).contains(&(ids.len() / batch)),
            "text encoder: {} ids in {batch} sequences of at most {longest}",
            ids.len()
        );
        ids.len() / batch
    }
}
