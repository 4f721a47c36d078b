//! Attention over the pixels of a picture, and from them to the words of a prompt.

use aquatint_nn::{Bias, GroupNorm, Linear, Module};
use aquatint_tensor::{Epilogue, Mask, Precision, Tensor};

use crate::Context;
use crate::token_merging::Merged;

/// Multi-head attention (Vaswani et al. 2017, section 3.2.2).
#[derive(Clone, Debug, Module)]
pub struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    #[module(name = "to_out.0")]
    to_out: Linear,
    #[module(skip)]
    heads: usize,
}

impl Attention {
    /// Queries of `channels`, keys and values made of `context` channels; `qkv_bias` says whether
    /// the first three layers have a bias (the last one always has).
    ///
    /// # Panics
    /// If the channels cannot be divided among the heads.
    #[track_caller]
    pub fn new(channels: usize, context: usize, heads: usize, qkv_bias: Bias) -> Self {
        assert!(
            heads > 0 && channels.is_multiple_of(heads),
            "{channels} channels in {heads} attention heads"
        );
        Self {
            to_q: Linear::new(channels, channels, qkv_bias),
            to_k: Linear::new(context, channels, qkv_bias),
            to_v: Linear::new(context, channels, qkv_bias),
            to_out: Linear::new(channels, channels, Bias::Yes),
            heads,
        }
    }

    /// The precision of its products.
    pub fn precision(&self) -> Precision {
        self.to_q.precision()
    }

    /// Self-attention, added to `residual`: x and residual `[B, T, C]` → `[B, T, C]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, residual: &Tensor) -> Tensor {
        let [k, v] =
            [&self.to_k, &self.to_v].map(|layer| layer.forward_with(x, &Epilogue::rounded()));
        let y = self.look(x, &k, &v);
        self.to_out.forward_with(&y, &Epilogue::add(residual))
    }

    /// Attention to a context, added to `residual`: x and residual `[B, Tq, C]`, words
    /// `[B, Tk, context]` → `[B, Tq, C]`.
    #[track_caller]
    pub fn forward_to(&self, x: &Tensor, context: &Context, residual: &Tensor) -> Tensor {
        let k = context.through(&self.to_k);
        context.tell(self.heads, || self.to_q.forward(x), &k);
        let y = self.look(x, &k, &context.through(&self.to_v));
        self.to_out.forward_with(&y, &Epilogue::add(residual))
    }

    /// [`Self::forward`] of x `[B, H·W, C]` with a part of its tokens merged into others: see
    /// [`Merged`].
    #[track_caller]
    pub fn forward_merging(
        &self,
        x: &Tensor,
        size: [usize; 2],
        ratio: f64,
        residual: &Tensor,
    ) -> Tensor {
        let merged = Merged::new(x, size, ratio, self.precision());
        let [k, v] = [&self.to_k, &self.to_v]
            .map(|layer| layer.forward_with(merged.tokens(), &Epilogue::rounded()));
        let y = self.to_out.forward(&self.look(merged.tokens(), &k, &v));
        residual.add(&merged.unmerge(&y))
    }

    #[track_caller]
    fn look(&self, x: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        let q = self.to_q.forward_with(x, &Epilogue::rounded());
        if self.to_q.weight.value().is_int8() {
            return q.attention_int8(k, v, self.heads, Mask::None);
        }
        q.attention(k, v, self.heads, Mask::None)
    }
}

/// What the self-attentions at one resolution are built from.
#[derive(Clone, Copy, Debug)]
pub struct AttentionBlockOptions {
    /// Heads; the autoencoders have one.
    pub heads: usize,
    /// Groups of the normalization before it, where there is one.
    pub groups: Option<usize>,
    /// ε of that normalization.
    pub eps: f32,
}

/// Self-attention of a picture's pixels with the normalization before it and the input added
/// after it: what autoencoders and unconditional U-Nets have.
#[derive(Clone, Debug, Module)]
pub struct AttentionBlock {
    group_norm: Option<GroupNorm>,
    #[module(flatten)]
    attention: Attention,
}

impl AttentionBlock {
    /// A block on `channels`.
    #[track_caller]
    pub fn new(channels: usize, options: &AttentionBlockOptions) -> Self {
        let &AttentionBlockOptions { heads, groups, eps } = options;
        Self {
            group_norm: groups.map(|groups| GroupNorm::new(groups, channels, eps)),
            attention: Attention::new(channels, channels, heads, Bias::Yes),
        }
    }

    /// x `[N, H, W, C]` → the same shape.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let &[n, h, w, c] = x.shape() else { panic!("AttentionBlock of {:?}", x.shape()) };
        let y = match &self.group_norm {
            Some(norm) => norm.forward(x),
            None => x.clone(),
        };
        let [x, y] = [x, &y].map(|t| t.reshape(&[n, h * w, c]));
        self.attention.forward(&y, &x).reshape(&[n, h, w, c])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "10 channels in 4 attention heads")]
    fn heads_must_divide_the_channels() {
        Attention::new(10, 10, 4, Bias::No);
    }
}
