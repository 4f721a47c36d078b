//! The three kinds of blocks of the U-Net. A block without cross-attention has no `attentions`.

use aquatint_nn::Module;
use aquatint_tensor::Tensor;

use super::UNet2DConditionConfig;
use crate::attention::{ProjectionKind, Transformer2DModel};
use crate::resnet::{Downsample2D, ResnetBlock2D, Upsample2D};

/// What the blocks' parts have in common at one resolution.
pub(super) struct Level<'a> {
    config: &'a UNet2DConditionConfig,
    i: usize,
}

impl<'a> Level<'a> {
    /// Resolution `i`, 0 the highest.
    pub(super) fn new(config: &'a UNet2DConditionConfig, i: usize) -> Self {
        Self { config, i }
    }

    fn channels(&self) -> usize {
        self.config.block_out_channels[self.i]
    }

    fn layers(&self) -> usize {
        self.config.layers_per_block.at(self.i)
    }

    fn resnet(&self, inputs: usize) -> ResnetBlock2D {
        let config = self.config;
        let time = Some(config.time_embed_dim());
        ResnetBlock2D::new(inputs, self.channels(), time, config.norm_num_groups, config.norm_eps)
    }

    fn transformer(&self) -> Transformer2DModel {
        let config = self.config;
        let projection = match config.use_linear_projection {
            true => ProjectionKind::Linear,
            false => ProjectionKind::Conv,
        };
        Transformer2DModel::new(
            self.channels(),
            config.cross_attention_dim,
            config.attention_head_dim.at(self.i),
            config.transformer_layers_per_block.at(self.i),
            config.norm_num_groups,
            projection,
        )
    }

    fn transformers(&self, attention: bool, layers: usize) -> Vec<Transformer2DModel> {
        if attention { (0..layers).map(|_| self.transformer()).collect() } else { Vec::new() }
    }
}

/// One resolution on the way down.
#[derive(Clone, Debug, Module)]
pub struct DownBlock2D {
    resnets: Vec<ResnetBlock2D>,
    attentions: Vec<Transformer2DModel>,
    downsamplers: Vec<Downsample2D>,
}

impl DownBlock2D {
    /// Appends to `skips` the channels of what the block will leave for the way up.
    pub(super) fn new(level: &Level, attention: bool, last: bool, skips: &mut Vec<usize>) -> Self {
        let channels = level.channels();
        let inputs = *skips.last().expect("conv_in left its channels");
        let resnets: Vec<_> = (0..level.layers())
            .map(|layer| level.resnet(if layer == 0 { inputs } else { channels }))
            .collect();
        let downsamplers = if last { Vec::new() } else { vec![Downsample2D::new(channels)] };
        skips.extend(vec![channels; resnets.len() + downsamplers.len()]);
        let attentions = level.transformers(attention, resnets.len());
        Self { resnets, attentions, downsamplers }
    }

    /// x `[N, H, W, C]`, emb `[N, time]`, context `[N, T, context]` → `[N, H/2, W/2, C']`, or
    /// the same size in the last block. Pushes every intermediate result on `skips`.
    pub fn forward(
        &self,
        x: &Tensor,
        emb: &Tensor,
        context: &Tensor,
        skips: &mut Vec<Tensor>,
    ) -> Tensor {
        let mut x = x.clone();
        for (i, resnet) in self.resnets.iter().enumerate() {
            x = resnet.forward(&x, Some(emb));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(&x, context);
            }
            skips.push(x.clone());
        }
        for downsampler in &self.downsamplers {
            x = downsampler.forward(&x);
            skips.push(x.clone());
        }
        x
    }
}

/// The lowest resolution: residual, attention, residual.
#[derive(Clone, Debug, Module)]
pub struct MidBlock2D {
    attentions: Vec<Transformer2DModel>,
    resnets: Vec<ResnetBlock2D>,
}

impl MidBlock2D {
    pub(super) fn new(level: &Level) -> Self {
        let channels = level.channels();
        Self {
            attentions: vec![level.transformer()],
            resnets: vec![level.resnet(channels), level.resnet(channels)],
        }
    }

    /// x `[N, H, W, C]`, emb `[N, time]`, context `[N, T, context]` → `[N, H, W, C]`.
    pub fn forward(&self, x: &Tensor, emb: &Tensor, context: &Tensor) -> Tensor {
        let mut x = self.resnets[0].forward(x, Some(emb));
        for (attention, resnet) in self.attentions.iter().zip(&self.resnets[1..]) {
            x = resnet.forward(&attention.forward(&x, context), Some(emb));
        }
        x
    }
}

/// One resolution on the way up.
#[derive(Clone, Debug, Module)]
pub struct UpBlock2D {
    resnets: Vec<ResnetBlock2D>,
    attentions: Vec<Transformer2DModel>,
    upsamplers: Vec<Upsample2D>,
}

impl UpBlock2D {
    /// `inputs` are the channels that come from below; takes from `skips` the channels of what
    /// the block will use of the way down.
    pub(super) fn new(
        level: &Level,
        inputs: usize,
        attention: bool,
        last: bool,
        skips: &mut Vec<usize>,
    ) -> Self {
        let channels = level.channels();
        let resnets: Vec<_> = (0..level.layers() + 1)
            .map(|layer| {
                let skip = skips.pop().expect("the way down left enough channels");
                level.resnet(skip + if layer == 0 { inputs } else { channels })
            })
            .collect();
        let attentions = level.transformers(attention, resnets.len());
        let upsamplers = if last { Vec::new() } else { vec![Upsample2D::new(channels)] };
        Self { resnets, attentions, upsamplers }
    }

    /// x `[N, H, W, C]`, emb `[N, time]`, context `[N, T, context]` → `[N, 2H, 2W, C']`, or the
    /// same size in the last block. Pops one of `skips` for each of its residual blocks; the one
    /// after those, if any, has the size to upsample to.
    pub fn forward(
        &self,
        x: &Tensor,
        emb: &Tensor,
        context: &Tensor,
        skips: &mut Vec<Tensor>,
    ) -> Tensor {
        let mut x = x.clone();
        for (i, resnet) in self.resnets.iter().enumerate() {
            let skip = skips.pop().expect("the way down left enough");
            x = resnet.forward(&Tensor::cat([&x, &skip]), Some(emb));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(&x, context);
            }
        }
        for upsampler in &self.upsamplers {
            let next = skips.last().expect("the block above has skips");
            x = upsampler.forward_to(&x, [next.dim(1), next.dim(2)]);
        }
        x
    }
}
