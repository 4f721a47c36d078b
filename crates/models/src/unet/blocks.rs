//! The three kinds of blocks of the U-Nets. A block without attention has no `attentions`.

use aquatint_nn::Module;
use aquatint_tensor::Tensor;

use super::layer::{Manner, layer};
use super::parts::{BlockAttention, BlockKind, Downsampler, Level, Upsampler};
use crate::Context;
use crate::resnet::ResnetBlock2D;

/// One resolution on the way down.
#[derive(Clone, Debug, Module)]
pub struct DownBlock2D {
    resnets: Vec<ResnetBlock2D>,
    attentions: Vec<BlockAttention>,
    downsamplers: Vec<Downsampler>,
}

impl DownBlock2D {
    /// Appends to `skips` the channels of what the block will leave for the way up.
    pub(crate) fn new(level: &Level, kind: BlockKind, last: bool, skips: &mut Vec<usize>) -> Self {
        let channels = level.channels;
        let inputs = *skips.last().expect("conv_in left its channels");
        let resnets: Vec<_> = (0..level.layers)
            .map(|layer| level.resnet(if layer == 0 { inputs } else { channels }))
            .collect();
        let downsamplers = if last { Vec::new() } else { vec![level.downsampler(kind)] };
        skips.extend(vec![channels; resnets.len() + downsamplers.len()]);
        let attentions = level.attentions(kind.attention, resnets.len());
        Self { resnets, attentions, downsamplers }
    }

    /// Whether there is attention at this resolution.
    pub(crate) fn attends(&self) -> bool {
        !self.attentions.is_empty()
    }

    /// x `[N, H, W, C]`, emb `[N, time]`, context `[N, T, context]` if the attentions look at one
    /// → `[N, H/2, W/2, C']`, or the same size in the last block. Pushes every intermediate result
    /// on `skips`, and ends early once there are `wanted` of them.
    #[track_caller]
    pub fn forward(
        &self,
        x: &Tensor,
        emb: &Tensor,
        context: Option<&Context>,
        skips: &mut Vec<Tensor>,
        wanted: usize,
        manner: Manner,
    ) -> Tensor {
        let mut x = x.clone();
        for (i, resnet) in self.resnets.iter().enumerate() {
            if skips.len() == wanted {
                return x;
            }
            x = layer(resnet, self.attentions.get(i), [Some(&x), None], emb, context, manner);
            skips.push(x.clone());
        }
        for downsampler in &self.downsamplers {
            if skips.len() == wanted {
                return x;
            }
            x = downsampler.forward(&x, emb);
            skips.push(x.clone());
        }
        x
    }
}

/// What is between the two residual blocks of the lowest resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Middle {
    /// Attention.
    Attention,
    /// Nothing.
    Nothing,
    /// There is no second block either (`"UNetMidBlock2D"` of a conditional U-Net).
    OneBlock,
}

/// The lowest resolution: residual, attention, residual.
#[derive(Clone, Debug, Module)]
pub struct MidBlock2D {
    attentions: Vec<BlockAttention>,
    resnets: Vec<ResnetBlock2D>,
}

impl MidBlock2D {
    pub(crate) fn new(level: &Level, middle: Middle) -> Self {
        let blocks = if middle == Middle::OneBlock { 1 } else { 2 };
        Self {
            attentions: level.attentions(middle == Middle::Attention, 1),
            resnets: (0..blocks).map(|_| level.resnet(level.channels)).collect(),
        }
    }

    /// x `[N, H, W, C]`, emb `[N, time]`, context `[N, T, context]` if the attention looks at one
    /// → `[N, H, W, C]`.
    #[track_caller]
    pub fn forward(
        &self,
        x: &Tensor,
        emb: &Tensor,
        context: Option<&Context>,
        recompute: bool,
    ) -> Tensor {
        let (mut x, manner) = (x.clone(), Manner { merging: 0.0, recompute });
        let last = self.resnets.len() - 1;
        for (i, resnet) in self.resnets.iter().enumerate() {
            let attention = self.attentions.get(i).filter(|_| i < last);
            x = layer(resnet, attention, [Some(&x), None], emb, context, manner);
        }
        x
    }
}

/// One resolution on the way up.
#[derive(Clone, Debug, Module)]
pub struct UpBlock2D {
    resnets: Vec<ResnetBlock2D>,
    attentions: Vec<BlockAttention>,
    upsamplers: Vec<Upsampler>,
}

impl UpBlock2D {
    /// `inputs` are the channels that come from below; takes from `skips` the channels of what
    /// the block will use of the way down.
    pub(crate) fn new(
        level: &Level,
        inputs: usize,
        kind: BlockKind,
        last: bool,
        skips: &mut Vec<usize>,
    ) -> Self {
        let channels = level.channels;
        let resnets: Vec<_> = (0..level.layers + 1)
            .map(|layer| {
                let skip = skips.pop().expect("the way down left enough channels");
                level.resnet(skip + if layer == 0 { inputs } else { channels })
            })
            .collect();
        let attentions = level.attentions(kind.attention, resnets.len());
        let upsamplers = if last { Vec::new() } else { vec![level.upsampler(kind)] };
        Self { resnets, attentions, upsamplers }
    }

    /// Whether there is attention at this resolution.
    pub(crate) fn attends(&self) -> bool {
        !self.attentions.is_empty()
    }

    /// Residual blocks, each of which uses one result of the way down.
    pub fn layers(&self) -> usize {
        self.resnets.len()
    }

    /// Residual block `i` and what follows it: x `[N, H, W, C]`, emb `[N, time]`, context
    /// `[N, T, context]` if the attentions look at one → `[N, H, W, C']`. Pops one of `skips`.
    #[track_caller]
    pub fn layer(
        &self,
        i: usize,
        x: &Tensor,
        emb: &Tensor,
        context: Option<&Context>,
        skips: &mut Vec<Tensor>,
        manner: Manner,
    ) -> Tensor {
        let skip = skips.pop().expect("the way down left enough");
        let inputs = [Some(x), Some(&skip)];
        layer(&self.resnets[i], self.attentions.get(i), inputs, emb, context, manner)
    }

    /// What follows the layers: x `[N, H, W, C]` → `[N, 2H, 2W, C]`, of the size of the last of
    /// `skips`, or the same in the last block.
    #[track_caller]
    pub fn upsample(&self, x: Tensor, emb: &Tensor, skips: &[Tensor]) -> Tensor {
        let mut x = x;
        for upsampler in &self.upsamplers {
            let next = skips.last().expect("the block above has skips");
            x = upsampler.forward_to(&x, emb, [next.dim(1), next.dim(2)]);
        }
        x
    }
}
