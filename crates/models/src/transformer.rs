//! Transformer blocks over the pixels of a picture (Rombach et al. 2022, appendix E.2.1).

use aquatint_nn::{Bias, Conv2d, GroupNorm, LayerNorm, Linear, Module};
use aquatint_tensor::{Epilogue, Nonlinearity, Precision, Tensor};

use crate::Context;
use crate::attention::Attention;
use crate::choice::module_of_choice;

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
            proj: Linear::new(channels, 2 * inner, Bias::Yes).before_geglu(),
            out: Linear::new(inner, channels, Bias::Yes),
        }
    }

    /// The precision of its products.
    pub fn precision(&self) -> Precision {
        self.proj.precision()
    }

    /// x and residual `[.., C]` → the same shape.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, residual: &Tensor) -> Tensor {
        let gated = Epilogue::activation(Nonlinearity::Geglu).then_rounded();
        let inner = self.proj.forward_with(x, &gated);
        self.out.forward_with(&inner, &Epilogue::add(residual))
    }
}

/// What the transformers at one resolution are built from.
#[derive(Clone, Copy, Debug)]
pub struct TransformerOptions {
    /// Channels of the context.
    pub context: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// Blocks in a row.
    pub depth: usize,
    /// Groups of the normalization before them.
    pub groups: usize,
    /// What leads into and out of them.
    pub projection: ProjectionKind,
    /// Whether the first attention looks at the context too, instead of at the pixels.
    pub only_cross_attention: bool,
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
    #[module(skip)]
    only_cross_attention: bool,
}

impl BasicTransformerBlock {
    /// A block on `channels`.
    #[track_caller]
    pub fn new(channels: usize, options: &TransformerOptions) -> Self {
        let &TransformerOptions { context, heads, only_cross_attention, .. } = options;
        let norm = || LayerNorm::new(channels, 1e-5);
        let first = if only_cross_attention { context } else { channels };
        Self {
            norm1: norm(),
            attn1: Attention::new(channels, first, heads, Bias::No),
            norm2: norm(),
            attn2: Attention::new(channels, context, heads, Bias::No),
            norm3: norm(),
            ff: FeedForward::new(channels),
            only_cross_attention,
        }
    }

    /// x `[B, T, C]`, words of the context `[B, Tk, context]` → `[B, T, C]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, context: &Context) -> Tensor {
        let h = self.norm1.forward_rounded(x, self.attn1.precision());
        let x = match self.only_cross_attention {
            true => self.attn1.forward_to(&h, context, x),
            false => self.attn1.forward(&h, x),
        };
        self.after_first(&x, context)
    }

    /// [`Self::forward`] of x `[B, H·W, C]` with `ratio` of the tokens merged during
    /// self-attention, where there is one.
    #[track_caller]
    pub fn forward_merging(
        &self,
        x: &Tensor,
        context: &Context,
        size: [usize; 2],
        ratio: f64,
    ) -> Tensor {
        if ratio == 0.0 || self.only_cross_attention {
            return self.forward(x, context);
        }
        let x = self.attn1.forward_merging(&self.norm1.forward(x), size, ratio, x);
        self.after_first(&x, context)
    }

    #[track_caller]
    fn after_first(&self, x: &Tensor, context: &Context) -> Tensor {
        let h = self.norm2.forward_rounded(x, self.attn2.precision());
        let x = self.attn2.forward_to(&h, context, x);
        let h = self.norm3.forward_rounded(&x, self.ff.precision());
        self.ff.forward(&h, &x)
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

module_of_choice!(Projection { Conv, Linear });

impl Projection {
    fn new(channels: usize, kind: ProjectionKind) -> Self {
        match kind {
            ProjectionKind::Conv => Self::Conv(Conv2d::pointwise(channels, channels)),
            ProjectionKind::Linear => Self::Linear(Linear::new(channels, channels, Bias::Yes)),
        }
    }

    fn forward_with(&self, x: &Tensor, epilogue: &Epilogue) -> Tensor {
        let (weight, bias) = match self {
            Self::Conv(conv) => (&conv.weight, &conv.bias),
            Self::Linear(linear) => (&linear.weight, &linear.bias),
        };
        weight.linear_with(bias.as_ref(), x, epilogue)
    }
}

/// Transformer blocks, with what leads the pixels in and out, added to the picture.
#[derive(Clone, Debug, Module)]
pub struct Transformer2DModel {
    norm: GroupNorm,
    proj_in: Projection,
    transformer_blocks: Vec<BasicTransformerBlock>,
    proj_out: Projection,
}

impl Transformer2DModel {
    /// A transformer on `channels`.
    #[track_caller]
    pub fn new(channels: usize, options: &TransformerOptions) -> Self {
        Self {
            // 1e-6 whatever norm_eps says: so it was in the first implementation.
            norm: GroupNorm::new(options.groups, channels, 1e-6),
            proj_in: Projection::new(channels, options.projection),
            transformer_blocks: (0..options.depth)
                .map(|_| BasicTransformerBlock::new(channels, options))
                .collect(),
            proj_out: Projection::new(channels, options.projection),
        }
    }

    /// x `[N, H, W, C]`, words of the context `[N, T, context]` → `[N, H, W, C]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, context: &Context) -> Tensor {
        self.forward_merging(x, context, 0.0)
    }

    /// [`Self::forward`] with `ratio` of the pixels merged during self-attention.
    #[track_caller]
    pub fn forward_merging(&self, x: &Tensor, context: &Context, ratio: f64) -> Tensor {
        let &[n, h, w, c] = x.shape() else { panic!("Transformer2DModel of {:?}", x.shape()) };
        let y = self.proj_in.forward_with(&self.norm.forward(x), &Epilogue::default());
        let mut y = y.reshape(&[n, h * w, c]);
        for block in &self.transformer_blocks {
            y = block.forward_merging(&y, context, [h, w], ratio);
        }
        self.proj_out.forward_with(&y.reshape(&[n, h, w, c]), &Epilogue::add(x))
    }
}

#[cfg(test)]
mod tests {
    use aquatint_nn::ModuleExt;

    use super::*;

    // Activations of the tiny goldens are too large for ε to show.
    #[test]
    fn epsilon_of_the_transformers_normalization() {
        let options = TransformerOptions {
            context: 4,
            heads: 2,
            depth: 1,
            groups: 2,
            projection: ProjectionKind::Conv,
            only_cross_attention: false,
        };
        let mut model = Transformer2DModel::new(4, &options);
        model.init(1);
        let x = Tensor::from_fn(&[1, 2, 2, 4], |i| if i % 2 == 0 { 1e-3 } else { -1e-3 });
        // The variance is 1e-6, so 1e-3 / √(1e-6 + 1e-6).
        assert!((model.norm.forward(&x).max_abs() - 0.5f32.sqrt()).abs() < 1e-4);
    }
}
