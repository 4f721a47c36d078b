//! The two halves of the autoencoder.

mod bands;

use aquatint_nn::{Conv2d, Fused, GroupNorm, Module};
use aquatint_tensor::Tensor;

use crate::Probe;
use crate::attention::{AttentionBlock, AttentionBlockOptions};
use crate::resample::{Downsample2D, Upsample2D};
use crate::resnet::{ResnetBlock2D, ResnetOptions};

/// ε of every normalization.
const EPS: f32 = 1e-6;

/// What the halves of all autoencoders are built from.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Channels of each resolution, highest first.
    pub channels: Vec<usize>,
    /// Residual blocks at each resolution of the encoder; the decoder has one more.
    pub layers: usize,
    /// Groups of every group normalization.
    pub groups: usize,
    /// Whether the encoder has attention, at each resolution.
    pub down_attention: Vec<bool>,
    /// Whether the decoder has attention, at each resolution, highest first.
    pub up_attention: Vec<bool>,
    /// Whether both have attention in the middle.
    pub mid_attention: bool,
}

impl Layout {
    /// Residual blocks, the first of which changes the channels.
    fn resnets(&self, inputs: usize, outputs: usize, layers: usize) -> Vec<ResnetBlock2D> {
        let inputs = |layer| if layer == 0 { inputs } else { outputs };
        let groups = self.groups;
        let options = ResnetOptions { time: None, groups, eps: EPS, scale_shift: false };
        (0..layers).map(|i| ResnetBlock2D::new(&options, inputs(i), outputs)).collect()
    }

    fn attentions(&self, wanted: bool, channels: usize, layers: usize) -> Vec<AttentionBlock> {
        let options = AttentionBlockOptions { heads: 1, groups: Some(self.groups), eps: EPS };
        let layers = if wanted { layers } else { 0 };
        (0..layers).map(|_| AttentionBlock::new(channels, &options)).collect()
    }

    fn mid_block(&self, channels: usize) -> MidBlock2D {
        MidBlock2D {
            attentions: self.attentions(self.mid_attention, channels, 1),
            resnets: self.resnets(channels, channels, 2),
        }
    }
}

#[derive(Clone, Debug, Module)]
struct DownEncoderBlock2D {
    resnets: Vec<ResnetBlock2D>,
    attentions: Vec<AttentionBlock>,
    downsamplers: Vec<Downsample2D>,
}

#[derive(Clone, Debug, Module)]
struct UpDecoderBlock2D {
    resnets: Vec<ResnetBlock2D>,
    attentions: Vec<AttentionBlock>,
    upsamplers: Vec<Upsample2D>,
}

/// The lowest resolution: residual, attention, residual.
#[derive(Clone, Debug, Module)]
struct MidBlock2D {
    attentions: Vec<AttentionBlock>,
    resnets: Vec<ResnetBlock2D>,
}

/// Each residual block, with the attention after it where there is one.
fn through(resnets: &[ResnetBlock2D], attentions: &[AttentionBlock], mut x: Tensor) -> Tensor {
    for (i, resnet) in resnets.iter().enumerate() {
        x = resnet.forward(&x, None);
        if let Some(attention) = attentions.get(i) {
            x = attention.forward(&x);
        }
    }
    x
}

impl MidBlock2D {
    fn forward(&self, x: Tensor) -> Tensor {
        through(&self.resnets, &self.attentions, x)
    }
}

/// Picture → latents, or their moments.
#[derive(Clone, Debug, Module)]
pub struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<DownEncoderBlock2D>,
    mid_block: MidBlock2D,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    /// From pictures of `inputs` channels to `outputs`.
    pub(super) fn new(layout: &Layout, inputs: usize, outputs: usize) -> Self {
        let channels = &layout.channels;
        let lowest = channels.len() - 1;
        let down_blocks = (0..=lowest)
            .map(|i| DownEncoderBlock2D {
                resnets: layout.resnets(channels[i.saturating_sub(1)], channels[i], layout.layers),
                attentions: layout.attentions(layout.down_attention[i], channels[i], layout.layers),
                downsamplers: match i == lowest {
                    true => Vec::new(),
                    false => vec![Downsample2D::asymmetric(channels[i])],
                },
            })
            .collect();
        let last = channels[lowest];
        Self {
            conv_in: Conv2d::same3(inputs, channels[0]),
            down_blocks,
            mid_block: layout.mid_block(last),
            conv_norm_out: GroupNorm::new(layout.groups, last, EPS),
            conv_out: Conv2d::same3(last, outputs),
        }
    }

    /// image `[N, H, W, inputs]` → `[N, H/f, W/f, outputs]`.
    #[track_caller]
    pub(super) fn forward_with(&self, image: &Tensor, probe: &mut Probe) -> Tensor {
        let mut x = self.conv_in.forward(image);
        probe("conv_in", &x);
        for (i, block) in self.down_blocks.iter().enumerate() {
            x = through(&block.resnets, &block.attentions, x);
            for downsampler in &block.downsamplers {
                x = downsampler.forward(&x);
            }
            probe(&format!("down_blocks.{i}"), &x);
        }
        x = self.mid_block.forward(x);
        probe("mid_block", &x);
        let norm = Some(&self.conv_norm_out);
        self.conv_out.forward_fused(&x, &Fused { norm, ..Fused::default() })
    }
}

/// Latents → picture.
#[derive(Clone, Debug, Module)]
pub struct Decoder {
    conv_in: Conv2d,
    mid_block: MidBlock2D,
    up_blocks: Vec<UpDecoderBlock2D>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    /// From latents of `inputs` channels to pictures of `outputs`.
    pub(super) fn new(layout: &Layout, inputs: usize, outputs: usize) -> Self {
        let channels = &layout.channels;
        let lowest = channels.len() - 1;
        let layers = layout.layers + 1;
        let up_blocks = (0..=lowest)
            .rev()
            .map(|i| UpDecoderBlock2D {
                resnets: layout.resnets(channels[(i + 1).min(lowest)], channels[i], layers),
                attentions: layout.attentions(layout.up_attention[i], channels[i], layers),
                upsamplers: if i == 0 { Vec::new() } else { vec![Upsample2D::new(channels[i])] },
            })
            .collect();
        Self {
            conv_in: Conv2d::same3(inputs, channels[lowest]),
            mid_block: layout.mid_block(channels[lowest]),
            up_blocks,
            conv_norm_out: GroupNorm::new(layout.groups, channels[0], EPS),
            conv_out: Conv2d::same3(channels[0], outputs),
        }
    }

    /// latents `[N, h, w, inputs]` → `[N, f·h, f·w, outputs]`.
    #[track_caller]
    pub(super) fn forward_with(&self, latents: &Tensor, probe: &mut Probe) -> Tensor {
        let x = self.up_to_norm(latents, probe);
        let norm = Some(&self.conv_norm_out);
        self.conv_out.forward_fused(&x, &Fused { norm, ..Fused::default() })
    }

    /// latents `[N, h, w, inputs]` → what the last convolution sees, `[N, f·h, f·w, C]`.
    #[track_caller]
    pub(super) fn features(&self, latents: &Tensor) -> Tensor {
        self.conv_norm_out.forward_silu(&self.up_to_norm(latents, &mut |_, _| {}))
    }

    /// The last convolution.
    pub(super) fn last_layer(&self) -> &Conv2d {
        &self.conv_out
    }

    #[track_caller]
    fn up_to_norm(&self, latents: &Tensor, probe: &mut Probe) -> Tensor {
        let mut x = self.conv_in.forward(latents);
        probe("conv_in", &x);
        x = self.mid_block.forward(x);
        probe("mid_block", &x);
        for (i, block) in self.up_blocks.iter().enumerate() {
            x = through(&block.resnets, &block.attentions, x);
            for upsampler in &block.upsamplers {
                x = upsampler.forward(&x);
            }
            probe(&format!("up_blocks.{i}"), &x);
        }
        x
    }
}
