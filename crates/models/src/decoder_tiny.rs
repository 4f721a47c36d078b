//! The decoder of a tiny autoencoder (TAESD; diffusers' `AutoencoderTiny`): pictures from latents in
//! a hundredth of the work, for previews. No normalization, no attention: 3×3 convolutions and
//! rectifiers.

use aquatint_nn::{Conv2d, Module, Param};
use aquatint_tensor::Tensor;

use crate::Probe;

/// Between which numbers latents are squeezed before anything else, smoothly.
const MAGNITUDE: f32 = 3.0;

/// What such a decoder is built from, with diffusers' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderTinyConfig {
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Channels at each resolution, lowest first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each resolution.
    pub num_blocks: Vec<usize>,
    /// Channels of the pictures.
    pub out_channels: usize,
}

impl Default for DecoderTinyConfig {
    /// TAESD's, for latents of Stable Diffusion.
    fn default() -> Self {
        Self {
            latent_channels: 4,
            block_out_channels: vec![64; 4],
            num_blocks: vec![3, 3, 3, 1],
            out_channels: 3,
        }
    }
}

/// Latents → pictures. Paths of fields are diffusers' names below `decoder.`.
#[derive(Clone, Debug, Module)]
pub struct DecoderTiny {
    layers: Vec<Layer>,
    #[module(skip)]
    config: DecoderTinyConfig,
}

/// One place of the sequence. Those without weights have a number too.
#[derive(Clone, Debug)]
enum Layer {
    Conv(Conv2d),
    Rectify,
    Block(Block),
    Double,
}

/// `relu(x + conv(x))`.
#[derive(Clone, Debug, Module)]
struct Block {
    conv: Vec<Layer>,
}

impl DecoderTiny {
    /// The decoder without its weights.
    ///
    /// # Panics
    /// If there is no resolution, or not a number of blocks for each.
    #[track_caller]
    pub fn new(config: &DecoderTinyConfig) -> Self {
        let (channels, blocks) = (&config.block_out_channels, &config.num_blocks);
        assert!(
            !channels.is_empty() && channels.len() == blocks.len(),
            "blocks {blocks:?} of channels {channels:?}"
        );
        let mut layers =
            vec![Layer::Conv(Conv2d::same3(config.latent_channels, channels[0])), Layer::Rectify];
        for (i, (&c, &count)) in channels.iter().zip(blocks).enumerate() {
            layers.extend((0..count).map(|_| Layer::Block(Block::new(c))));
            if i + 1 == channels.len() {
                layers.push(Layer::Conv(Conv2d::same3(c, config.out_channels)));
            } else {
                layers.push(Layer::Double);
                layers.push(Layer::Conv(Conv2d::same3(c, c).without_bias()));
            }
        }
        Self { layers, config: config.clone() }
    }

    /// What it was built from.
    pub fn config(&self) -> &DecoderTinyConfig {
        &self.config
    }

    /// latents `[N, h, w, latent_channels]`, as the U-Net sees them → pictures
    /// `[N, f·h, f·w, out_channels]` in about [−1, 1], f = [`DecoderTiny::factor`].
    #[track_caller]
    pub fn forward(&self, latents: &Tensor) -> Tensor {
        self.forward_with(latents, &mut |_, _| {})
    }

    /// [`Self::forward`] that shows the output of each layer to `probe`.
    #[track_caller]
    pub fn forward_with(&self, latents: &Tensor, probe: &mut Probe) -> Tensor {
        let channels = self.config.latent_channels;
        assert!(
            matches!(latents.shape(), &[_, h, w, c] if h > 0 && w > 0 && c == channels),
            "tiny decoder: latents {:?}, expected [N, h, w, {channels}]",
            latents.shape()
        );
        let squeezed = latents.scale(1.0 / MAGNITUDE).tanh().scale(MAGNITUDE);
        let mut x = squeezed;
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x);
            probe(&format!("layers.{i}"), &x);
        }
        x.scale(2.0).add_scalar(-1.0)
    }

    /// How many times larger a picture is than its latents.
    pub fn factor(&self) -> usize {
        1 << (self.config.block_out_channels.len() - 1)
    }
}

impl Block {
    fn new(channels: usize) -> Self {
        let conv = || Layer::Conv(Conv2d::same3(channels, channels));
        Self { conv: vec![conv(), Layer::Rectify, conv(), Layer::Rectify, conv()] }
    }
}

impl Layer {
    fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Rectify => rectify(x),
            Self::Block(block) => {
                let changed = block.conv.iter().fold(x.clone(), |x, layer| layer.forward(&x));
                rectify(&changed.add(x))
            }
            Self::Double => x.upsample_nearest2(),
        }
    }
}

fn rectify(x: &Tensor) -> Tensor {
    x.clamp(0.0, f32::INFINITY)
}

impl Module for Layer {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        match self {
            Self::Conv(conv) => conv.visit(path, f),
            Self::Block(block) => block.visit(path, f),
            Self::Rectify | Self::Double => {}
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        match self {
            Self::Conv(conv) => conv.visit_mut(path, f),
            Self::Block(block) => block.visit_mut(path, f),
            Self::Rectify | Self::Double => {}
        }
    }
}

impl DecoderTinyConfig {
    /// What a file holds, by the shapes of the weights in it: the shape of the tensor of a name
    /// below `layers.`, if there is one. Nothing if that is no such decoder.
    pub fn of_shapes<'a>(shape: impl Fn(&str) -> Option<&'a [usize]>) -> Option<Self> {
        let conv = |i: usize| match shape(&format!("{i}.weight")) {
            Some(&[out, inputs, 3, 3]) => Some((out, inputs)),
            _ => None,
        };
        let block = |i: usize| shape(&format!("{i}.conv.0.weight")).is_some();
        let (channels, latent_channels) = conv(0)?;
        let mut config =
            Self { latent_channels, block_out_channels: vec![channels], ..Self::default() };
        config.num_blocks.clear();
        // The first convolution, and its rectifier.
        let mut at = 2;
        loop {
            let count = (at..).take_while(|&i| block(i)).count();
            config.num_blocks.push(count);
            at += count;
            if let Some((out, _)) = conv(at) {
                config.out_channels = out;
                return Some(config);
            }
            // What doubles has no weights.
            let (next, _) = conv(at + 1)?;
            config.block_out_channels.push(next);
            at += 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aquatint_nn::ModuleExt;

    use super::*;

    #[test]
    fn a_file_tells_how_it_is_built() {
        let configs = [
            DecoderTinyConfig::default(),
            DecoderTinyConfig {
                latent_channels: 16,
                block_out_channels: vec![8; 3],
                num_blocks: vec![0, 2, 1],
                out_channels: 3,
            },
        ];
        for config in configs {
            let decoder = DecoderTiny::new(&config);
            let shapes: BTreeMap<String, Vec<usize>> = decoder
                .named_parameters()
                .into_iter()
                .map(|(name, p)| (name["layers.".len()..].to_owned(), p.shape().to_vec()))
                .collect();
            let found = DecoderTinyConfig::of_shapes(|name| shapes.get(name).map(Vec::as_slice));
            assert_eq!(found, Some(config.clone()));
            let cut = |name: &str| shapes.get(name).filter(|_| !name.starts_with("0."));
            assert_eq!(DecoderTinyConfig::of_shapes(|name| cut(name).map(Vec::as_slice)), None);
        }
        let endless = [8, 8, 3, 3];
        assert_eq!(
            DecoderTinyConfig::of_shapes(|name| { name.starts_with("0.").then_some(&endless[..]) }),
            None
        );
    }

    #[test]
    fn sizes() {
        let config = DecoderTinyConfig { block_out_channels: vec![4; 4], ..Default::default() };
        let mut decoder = DecoderTiny::new(&config);
        decoder.init(1);
        assert_eq!(decoder.factor(), 8);
        assert_eq!(decoder.forward(&Tensor::zeros(&[2, 3, 5, 4])).shape(), [2, 24, 40, 3]);
    }
}
