//! The whole prompt as one vector, beside the time embedding (diffusers' `addition_embed_type`).

use aquatint_nn::{Bias, Init, LayerNorm, Linear, Module, Param};
use aquatint_tensor::{Mask, Tensor};

/// Attention of a prompt's mean to its words.
#[derive(Clone, Debug, Module)]
pub struct AttentionPooling {
    positional_embedding: Param,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    #[module(skip)]
    heads: usize,
}

impl AttentionPooling {
    /// On `channels`, which the heads divide.
    pub fn new(channels: usize, heads: usize) -> Self {
        let linear = || Linear::new(channels, channels, Bias::Yes);
        let init = Init::Normal((channels as f32).powf(-0.5));
        Self {
            positional_embedding: Param::new(&[1, channels], init),
            q_proj: linear(),
            k_proj: linear(),
            v_proj: linear(),
            heads,
        }
    }

    /// context `[N, T, C]` → `[N, C]`.
    #[track_caller]
    pub fn forward(&self, context: &Tensor) -> Tensor {
        let &[n, t, c] = context.shape() else { panic!("context {:?}", context.shape()) };
        let position = self.positional_embedding.value().reshape(&[c]);
        let mean = context.mean_per_picture().add_row(&position);
        // The mean is one word more, before the others.
        let words = Tensor::cat([&mean, &context.reshape(&[n, t * c])]).reshape(&[n, t + 1, c]);
        let q = self.q_proj.forward(&mean).reshape(&[n, 1, c]);
        let (k, v) = (self.k_proj.forward(&words), self.v_proj.forward(&words));
        q.attention(&k, &v, self.heads, Mask::None).reshape(&[n, c])
    }
}

/// A context as a vector of the size of the time embedding (as in DeepFloyd IF).
#[derive(Clone, Debug, Module)]
pub struct TextTimeEmbedding {
    norm1: LayerNorm,
    pool: AttentionPooling,
    proj: Linear,
    norm2: LayerNorm,
}

impl TextTimeEmbedding {
    /// From `context` channels to `outputs`.
    pub fn new(context: usize, outputs: usize, heads: usize) -> Self {
        Self {
            norm1: LayerNorm::new(context, 1e-5),
            pool: AttentionPooling::new(context, heads),
            proj: Linear::new(context, outputs, Bias::Yes),
            norm2: LayerNorm::new(outputs, 1e-5),
        }
    }

    /// context `[N, T, C]` → `[N, outputs]`.
    #[track_caller]
    pub fn forward(&self, context: &Tensor) -> Tensor {
        let pooled = self.pool.forward(&self.norm1.forward(context));
        self.norm2.forward(&self.proj.forward(&pooled))
    }
}
