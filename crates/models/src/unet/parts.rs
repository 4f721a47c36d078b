//! What the blocks of a U-Net are put together from.

use aquatint_tensor::Tensor;

use crate::Context;
use crate::attention::{AttentionBlock, AttentionBlockOptions};
use crate::choice::module_of_choice;
use crate::resample::{Downsample2D, Upsample2D};
use crate::resnet::{Resample, ResnetBlock2D, ResnetOptions};
use crate::transformer::{Transformer2DModel, TransformerOptions};

/// What the blocks at one resolution have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// Channels of the resolution.
    pub channels: usize,
    /// Residual blocks on the way down.
    pub layers: usize,
    /// What they are built from.
    pub resnet: ResnetOptions,
    /// What the attentions are built from, in blocks that have them.
    pub attention: AttentionOptions,
}

/// One of the two kinds of attention.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AttentionOptions {
    /// Transformers that look at a context.
    Cross(TransformerOptions),
    /// Self-attention of the pixels.
    Own(AttentionBlockOptions),
}

/// What distinguishes the blocks at one resolution, as their type says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockKind {
    /// Whether an attention follows each residual block.
    pub attention: bool,
    /// Whether a residual block changes the resolution, instead of a convolution.
    pub resnet_resample: bool,
}

impl Level {
    pub(super) fn resnet(&self, inputs: usize) -> ResnetBlock2D {
        ResnetBlock2D::new(&self.resnet, inputs, self.channels)
    }

    pub(super) fn attentions(&self, wanted: bool, layers: usize) -> Vec<BlockAttention> {
        let one = |_| match &self.attention {
            AttentionOptions::Cross(o) => {
                BlockAttention::Cross(Box::new(Transformer2DModel::new(self.channels, o)))
            }
            AttentionOptions::Own(o) => {
                BlockAttention::Own(Box::new(AttentionBlock::new(self.channels, o)))
            }
        };
        if wanted { (0..layers).map(one).collect() } else { Vec::new() }
    }

    fn resampler(&self, resample: Resample) -> Box<ResnetBlock2D> {
        Box::new(self.resnet(self.channels).resampling(resample))
    }

    pub(super) fn downsampler(&self, kind: BlockKind) -> Downsampler {
        match kind.resnet_resample {
            true => Downsampler::Resnet(self.resampler(Resample::Down)),
            false => Downsampler::Conv(Downsample2D::new(self.channels)),
        }
    }

    pub(super) fn upsampler(&self, kind: BlockKind) -> Upsampler {
        match kind.resnet_resample {
            true => Upsampler::Resnet(self.resampler(Resample::Up)),
            false => Upsampler::Conv(Upsample2D::new(self.channels)),
        }
    }
}

/// The attention after a residual block.
#[derive(Clone, Debug)]
pub(super) enum BlockAttention {
    Cross(Box<Transformer2DModel>),
    Own(Box<AttentionBlock>),
}

module_of_choice!(BlockAttention { Cross, Own });

impl BlockAttention {
    /// x `[N, H, W, C]`, context `[N, T, context]` if there are words to look at → as x. A
    /// transformer merges a part `merging` of its tokens during self-attention.
    #[track_caller]
    pub(super) fn forward(&self, x: &Tensor, context: Option<&Context>, merging: f64) -> Tensor {
        match self {
            Self::Cross(transformer) => {
                let context = context.expect("cross-attention needs a context");
                transformer.forward_merging(x, context, merging)
            }
            Self::Own(attention) => attention.forward(x),
        }
    }
}

/// What halves the resolution at the end of a block.
#[derive(Clone, Debug)]
pub(super) enum Downsampler {
    Conv(Downsample2D),
    Resnet(Box<ResnetBlock2D>),
}

module_of_choice!(Downsampler { Conv, Resnet });

impl Downsampler {
    #[track_caller]
    pub(super) fn forward(&self, x: &Tensor, emb: &Tensor) -> Tensor {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Resnet(resnet) => resnet.forward(x, Some(emb)),
        }
    }
}

/// What doubles the resolution at the end of a block.
#[derive(Clone, Debug)]
pub(super) enum Upsampler {
    Conv(Upsample2D),
    Resnet(Box<ResnetBlock2D>),
}

module_of_choice!(Upsampler { Conv, Resnet });

impl Upsampler {
    /// To the size that the picture had on the way down.
    ///
    /// # Panics
    /// If a residual block is asked for an odd size, as means of 2×2 pixels have none.
    #[track_caller]
    pub(super) fn forward_to(&self, x: &Tensor, emb: &Tensor, size: [usize; 2]) -> Tensor {
        match self {
            Self::Conv(conv) => conv.forward_to(x, size),
            Self::Resnet(resnet) => {
                let y = resnet.forward(x, Some(emb));
                let [height, width] = size;
                assert!(
                    [y.dim(1), y.dim(2)] == size,
                    "a residual block cannot upsample {:?} to {height}×{width}",
                    x.shape()
                );
                y
            }
        }
    }
}
