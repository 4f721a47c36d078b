//! Attention over the pixels of a picture, and from them to the words of a prompt.

use aquatint_nn::{Bias, GroupNorm, Linear, Module};
use aquatint_tensor::{Mask, Tensor};

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

    /// x `[B, Tq, C]`, context `[B, Tk, context]` → `[B, Tq, C]`. For self-attention, pass x
    /// twice.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> Tensor {
        let q = self.to_q.forward(x);
        let k = self.to_k.forward(context);
        let v = self.to_v.forward(context);
        self.to_out.forward(&q.attention(&k, &v, self.heads, Mask::None))
    }

    /// Self-attention of x `[B, H·W, C]` with a part of its tokens merged into others: see
    /// [`Merged`].
    #[track_caller]
    pub fn forward_merging(&self, x: &Tensor, size: [usize; 2], ratio: f64) -> Tensor {
        let merged = Merged::new(x, size, ratio, self.to_q.weight.value().precision());
        merged.unmerge(&self.forward(merged.tokens(), merged.tokens()))
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
        let y = y.reshape(&[n, h * w, c]);
        x.add(&self.attention.forward(&y, &y).reshape(&[n, h, w, c]))
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
