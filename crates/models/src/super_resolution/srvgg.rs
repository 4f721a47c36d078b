//! A plain stack of convolutions whose last makes all pixels of the larger picture: the small
//! network of Real-ESRGAN (`realesr-general-x4v3`, `realesr-animevideov3`).

use aquatint_nn::{Conv2d, Init, Module, Param, join};
use aquatint_tensor::{ChannelOrder, Tensor};

use super::conv;

/// The configuration, with BasicSR's names.
#[derive(Clone, Debug, PartialEq)]
pub struct SRVGGNetCompactConfig {
    /// Channels.
    pub num_feat: usize,
    /// Convolutions between the first and the last.
    pub num_conv: usize,
    /// How many times larger the result is in both directions.
    pub scale: usize,
}

impl SRVGGNetCompactConfig {
    /// How far a pixel sees: see [`SuperResolution::radius`](super::SuperResolution::radius).
    pub fn radius(&self) -> usize {
        self.num_conv + 2
    }
}

/// The network.
#[derive(Clone, Debug, Module)]
pub struct SRVGGNetCompact {
    body: Vec<Layer>,
    #[module(skip)]
    config: SRVGGNetCompactConfig,
}

/// A layer by its number: convolutions and rectifiers take turns.
#[derive(Clone, Debug)]
enum Layer {
    Conv(Conv2d),
    /// A slope for each channel.
    PRelu(Param),
}

impl Module for Layer {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        match self {
            Self::Conv(conv) => conv.visit(path, f),
            Self::PRelu(slopes) => f(&join(path, "weight"), slopes),
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        match self {
            Self::Conv(conv) => conv.visit_mut(path, f),
            Self::PRelu(slopes) => f(&join(path, "weight"), slopes),
        }
    }
}

impl SRVGGNetCompact {
    /// The network without its weights.
    pub fn new(config: &SRVGGNetCompactConfig) -> Self {
        let &SRVGGNetCompactConfig { num_feat: width, num_conv, scale } = config;
        let mut body = Vec::with_capacity(2 * num_conv + 3);
        for i in 0..=num_conv {
            body.push(Layer::Conv(conv(if i == 0 { 3 } else { width }, width, 3)));
            body.push(Layer::PRelu(Param::new(&[width], Init::Ones)));
        }
        body.push(Layer::Conv(conv(width, 3 * scale * scale, 3)));
        Self { body, config: config.clone() }
    }

    /// What it was built from.
    pub fn config(&self) -> &SRVGGNetCompactConfig {
        &self.config
    }

    /// x `[N, H, W, 3]` in [0, 1] → `[N, scale·H, scale·W, 3]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let mut y = x.clone();
        for layer in &self.body {
            y = match layer {
                Layer::Conv(conv) => conv.forward(&y),
                Layer::PRelu(slopes) => y.prelu(slopes.value()),
            };
        }
        let scale = self.config.scale;
        y.depth_to_space(scale, ChannelOrder::ByChannel).add(&x.upsample_nearest(scale))
    }
}
