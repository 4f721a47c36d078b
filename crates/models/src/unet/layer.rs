//! A residual block with the attention after it: what a U-Net does again and again, and what is made
//! again on the way back if memory is short.

use aquatint_tensor::Tensor;

use super::parts::BlockAttention;
use crate::Context;
use crate::resnet::ResnetBlock2D;

/// How layers are computed.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Which part of their tokens transformers merge.
    pub merging: f64,
    /// Whether what the way back needs is made again there: see [`Tensor::recomputed`].
    pub recompute: bool,
}

/// inputs `[N, H, W, ..]`, the first and what is beside it by channels, emb `[N, time]`, context
/// `[N, T, context]` if the attention looks at one → `[N, H, W, C]`.
#[track_caller]
pub(super) fn layer(
    resnet: &ResnetBlock2D,
    attention: Option<&BlockAttention>,
    inputs: [Option<&Tensor>; 2],
    emb: &Tensor,
    context: Option<&Context>,
    Manner { merging, recompute }: Manner,
) -> Tensor {
    if !recompute {
        return through(resnet, attention, inputs, emb, context, merging);
    }
    // Copies of layers share their numbers.
    let (resnet, attention, emb) = (resnet.clone(), attention.cloned(), emb.clone());
    let (inputs, words) = (inputs.map(|x| x.cloned()), context.map(|c| c.words().clone()));
    Tensor::recomputed(move || {
        let context = words.as_ref().map(Context::from);
        let inputs = inputs.each_ref().map(Option::as_ref);
        through(&resnet, attention.as_ref(), inputs, &emb, context.as_ref(), merging)
    })
}

#[track_caller]
fn through(
    resnet: &ResnetBlock2D,
    attention: Option<&BlockAttention>,
    inputs: [Option<&Tensor>; 2],
    emb: &Tensor,
    context: Option<&Context>,
    merging: f64,
) -> Tensor {
    let x = match inputs {
        [Some(x), Some(beside)] => resnet.forward(&Tensor::cat([x, beside]), Some(emb)),
        [x, _] => resnet.forward(x.expect("a layer has an input"), Some(emb)),
    };
    match attention {
        Some(attention) => attention.forward(&x, context, merging),
        None => x,
    }
}
