//! The two halves of the autoencoder.

use aquatint_nn::{Conv2d, GroupNorm, Module};
use aquatint_tensor::Tensor;

use super::AutoencoderKLConfig;
use crate::Probe;
use crate::attention::AttentionBlock;
use crate::resnet::{Downsample2D, ResnetBlock2D, Upsample2D};

/// ε of every normalization.
const EPS: f32 = 1e-6;

#[derive(Clone, Debug, Module)]
struct DownEncoderBlock2D {
    resnets: Vec<ResnetBlock2D>,
    downsamplers: Vec<Downsample2D>,
}

#[derive(Clone, Debug, Module)]
struct UpDecoderBlock2D {
    resnets: Vec<ResnetBlock2D>,
    upsamplers: Vec<Upsample2D>,
}

/// The lowest resolution: residual, attention, residual.
#[derive(Clone, Debug, Module)]
struct MidBlock2D {
    attentions: Vec<AttentionBlock>,
    resnets: Vec<ResnetBlock2D>,
}

/// Residual blocks, the first of which changes the channels.
fn resnets(
    config: &AutoencoderKLConfig,
    inputs: usize,
    outputs: usize,
    layers: usize,
) -> Vec<ResnetBlock2D> {
    let inputs = |layer| if layer == 0 { inputs } else { outputs };
    let groups = config.norm_num_groups;
    (0..layers).map(|i| ResnetBlock2D::new(inputs(i), outputs, None, groups, EPS)).collect()
}

fn through(resnets: &[ResnetBlock2D], x: &Tensor) -> Tensor {
    resnets.iter().fold(x.clone(), |x, resnet| resnet.forward(&x, None))
}

impl MidBlock2D {
    fn new(config: &AutoencoderKLConfig, channels: usize) -> Self {
        Self {
            attentions: vec![AttentionBlock::new(channels, config.norm_num_groups, EPS)],
            resnets: resnets(config, channels, channels, 2),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = self.resnets[0].forward(x, None);
        for (attention, resnet) in self.attentions.iter().zip(&self.resnets[1..]) {
            x = resnet.forward(&attention.forward(&x), None);
        }
        x
    }
}

/// Picture → moments of the latents.
#[derive(Clone, Debug, Module)]
pub struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<DownEncoderBlock2D>,
    mid_block: MidBlock2D,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    pub(super) fn new(config: &AutoencoderKLConfig) -> Self {
        let channels = &config.block_out_channels;
        let lowest = channels.len() - 1;
        let down_blocks = (0..=lowest)
            .map(|i| DownEncoderBlock2D {
                resnets: resnets(
                    config,
                    channels[i.saturating_sub(1)],
                    channels[i],
                    config.layers_per_block,
                ),
                downsamplers: match i == lowest {
                    true => Vec::new(),
                    false => vec![Downsample2D::asymmetric(channels[i])],
                },
            })
            .collect();
        let last = channels[lowest];
        Self {
            conv_in: Conv2d::same3(config.in_channels, channels[0]),
            down_blocks,
            mid_block: MidBlock2D::new(config, last),
            conv_norm_out: GroupNorm::new(config.norm_num_groups, last, EPS),
            conv_out: Conv2d::same3(last, 2 * config.latent_channels),
        }
    }

    /// image `[N, H, W, in_channels]` → `[N, H/f, W/f, 2 · latent_channels]`.
    #[track_caller]
    pub(super) fn forward_with(&self, image: &Tensor, probe: &mut Probe) -> Tensor {
        let mut x = self.conv_in.forward(image);
        probe("conv_in", &x);
        for (i, block) in self.down_blocks.iter().enumerate() {
            x = through(&block.resnets, &x);
            for downsampler in &block.downsamplers {
                x = downsampler.forward(&x);
            }
            probe(&format!("down_blocks.{i}"), &x);
        }
        x = self.mid_block.forward(&x);
        probe("mid_block", &x);
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&x))
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
    pub(super) fn new(config: &AutoencoderKLConfig) -> Self {
        let channels = &config.block_out_channels;
        let lowest = channels.len() - 1;
        let up_blocks = (0..=lowest)
            .rev()
            .map(|i| UpDecoderBlock2D {
                resnets: resnets(
                    config,
                    channels[(i + 1).min(lowest)],
                    channels[i],
                    config.layers_per_block + 1,
                ),
                upsamplers: if i == 0 { Vec::new() } else { vec![Upsample2D::new(channels[i])] },
            })
            .collect();
        Self {
            conv_in: Conv2d::same3(config.latent_channels, channels[lowest]),
            mid_block: MidBlock2D::new(config, channels[lowest]),
            up_blocks,
            conv_norm_out: GroupNorm::new(config.norm_num_groups, channels[0], EPS),
            conv_out: Conv2d::same3(channels[0], config.out_channels),
        }
    }

    /// latents `[N, h, w, latent_channels]` → `[N, f·h, f·w, out_channels]`.
    #[track_caller]
    pub(super) fn forward_with(&self, latents: &Tensor, probe: &mut Probe) -> Tensor {
        let mut x = self.conv_in.forward(latents);
        probe("conv_in", &x);
        x = self.mid_block.forward(&x);
        probe("mid_block", &x);
        for (i, block) in self.up_blocks.iter().enumerate() {
            x = through(&block.resnets, &x);
            for upsampler in &block.upsamplers {
                x = upsampler.forward(&x);
            }
            probe(&format!("up_blocks.{i}"), &x);
        }
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&x))
    }
}
