//! Attention over the pixels of a picture, and from them to the words of a prompt.

use aquatint_nn::{Bias, Conv2d, GroupNorm, LayerNorm, Linear, Module, Param};
use aquatint_tensor::{Mask, Tensor};

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
}

/// Two layers with a gated activation between them (Shazeer 2020, GEGLU).
#[derive(Clone, Debug, Module)]
pub struct FeedForward {
    #[module(name = "net.0.proj")]
    proj: Linear,
    #[module(name = "net.2")]
    out: Linear,
}

impl FeedForward {
    /// Four times as wide inside as `channels`.
    pub fn new(channels: usize) -> Self {
        let inner = 4 * channels;
        Self {
            proj: Linear::new(channels, 2 * inner, Bias::Yes),
            out: Linear::new(inner, channels, Bias::Yes),
        }
    }

    /// x `[.., C]` → the same shape.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.out.forward(&self.proj.forward(x).geglu())
    }
}

/// Self-attention, cross-attention and feed-forward, each after a normalization and each added to
/// its input.
#[derive(Clone, Debug, Module)]
pub struct BasicTransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff: FeedForward,
}

impl BasicTransformerBlock {
    /// A block on `channels` that looks at a context of `context` channels.
    #[track_caller]
    pub fn new(channels: usize, context: usize, heads: usize) -> Self {
        let norm = || LayerNorm::new(channels, 1e-5);
        Self {
            norm1: norm(),
            attn1: Attention::new(channels, channels, heads, Bias::No),
            norm2: norm(),
            attn2: Attention::new(channels, context, heads, Bias::No),
            norm3: norm(),
            ff: FeedForward::new(channels),
        }
    }

    /// x `[B, T, C]`, context `[B, Tk, context]` → `[B, T, C]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> Tensor {
        let h = self.norm1.forward(x);
        let x = x.add(&self.attn1.forward(&h, &h));
        let x = x.add(&self.attn2.forward(&self.norm2.forward(&x), context));
        x.add(&self.ff.forward(&self.norm3.forward(&x)))
    }
}

/// What leads into and out of the transformer. At every pixel they do the same; the shapes of
/// their weights differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectionKind {
    /// Weights `[C, C, 1, 1]`, as in SD 1.x.
    Conv,
    /// Weights `[C, C]`, as in SD 2.x (`use_linear_projection`).
    Linear,
}

#[derive(Clone, Debug)]
enum Projection {
    Conv(Conv2d),
    Linear(Linear),
}

impl Projection {
    fn new(channels: usize, kind: ProjectionKind) -> Self {
        match kind {
            ProjectionKind::Conv => Self::Conv(Conv2d::pointwise(channels, channels)),
            ProjectionKind::Linear => Self::Linear(Linear::new(channels, channels, Bias::Yes)),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Linear(linear) => linear.forward(x),
        }
    }
}

impl Module for Projection {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        match self {
            Self::Conv(conv) => conv.visit(path, f),
            Self::Linear(linear) => linear.visit(path, f),
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        match self {
            Self::Conv(conv) => conv.visit_mut(path, f),
            Self::Linear(linear) => linear.visit_mut(path, f),
        }
    }
}

/// Transformer blocks over the pixels of a picture (Rombach et al. 2022, appendix E.2.1).
#[derive(Clone, Debug, Module)]
pub struct Transformer2DModel {
    norm: GroupNorm,
    proj_in: Projection,
    transformer_blocks: Vec<BasicTransformerBlock>,
    proj_out: Projection,
}

impl Transformer2DModel {
    /// `depth` blocks on `channels` that look at a context of `context` channels.
    #[track_caller]
    pub fn new(
        channels: usize,
        context: usize,
        heads: usize,
        depth: usize,
        groups: usize,
        projection: ProjectionKind,
    ) -> Self {
        Self {
            // 1e-6 whatever norm_eps says: so it was in the first implementation.
            norm: GroupNorm::new(groups, channels, 1e-6),
            proj_in: Projection::new(channels, projection),
            transformer_blocks: (0..depth)
                .map(|_| BasicTransformerBlock::new(channels, context, heads))
                .collect(),
            proj_out: Projection::new(channels, projection),
        }
    }

    /// x `[N, H, W, C]`, context `[N, T, context]` → `[N, H, W, C]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> Tensor {
        let &[n, h, w, c] = x.shape() else { panic!("Transformer2DModel of {:?}", x.shape()) };
        let mut y = self.proj_in.forward(&self.norm.forward(x)).reshape(&[n, h * w, c]);
        for block in &self.transformer_blocks {
            y = block.forward(&y, context);
        }
        x.add(&self.proj_out.forward(&y.reshape(&[n, h, w, c])))
    }
}

/// Self-attention of a picture's pixels with the normalization before it and the input added
/// after it: what the autoencoder has in the middle.
#[derive(Clone, Debug, Module)]
pub struct AttentionBlock {
    group_norm: GroupNorm,
    #[module(flatten)]
    attention: Attention,
}

impl AttentionBlock {
    /// One head on `channels`.
    #[track_caller]
    pub fn new(channels: usize, groups: usize, eps: f32) -> Self {
        Self {
            group_norm: GroupNorm::new(groups, channels, eps),
            attention: Attention::new(channels, channels, 1, Bias::Yes),
        }
    }

    /// x `[N, H, W, C]` → the same shape.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let &[n, h, w, c] = x.shape() else { panic!("AttentionBlock of {:?}", x.shape()) };
        let y = self.group_norm.forward(x).reshape(&[n, h * w, c]);
        x.add(&self.attention.forward(&y, &y).reshape(&[n, h, w, c]))
    }
}

#[cfg(test)]
mod tests {
    use aquatint_nn::ModuleExt;

    use super::*;

    // Activations of the tiny goldens are too large for ε to show.
    #[test]
    fn epsilon_of_the_transformers_normalization() {
        let mut model = Transformer2DModel::new(4, 4, 2, 1, 2, ProjectionKind::Conv);
        model.init(1);
        let x = Tensor::from_fn(&[1, 2, 2, 4], |i| if i % 2 == 0 { 1e-3 } else { -1e-3 });
        // The variance is 1e-6, so 1e-3 / √(1e-6 + 1e-6).
        assert!((model.norm.forward(&x).max_abs() - 0.5f32.sqrt()).abs() < 1e-4);
    }

    #[test]
    #[should_panic(expected = "10 channels in 4 attention heads")]
    fn heads_must_divide_the_channels() {
        Attention::new(10, 10, 4, Bias::No);
    }
}
