//! Residual-in-residual dense blocks: ESRGAN (Wang et al. 2018, section 3.1) and Real-ESRGAN
//! (Wang et al. 2021).

use std::ops::ControlFlow;

use aquatint_nn::{Conv2d, Module};
use aquatint_tensor::{ChannelOrder, Tensor};

use super::bands::in_bands;
use super::conv;

/// Residuals are scaled by this before they are added (Wang et al. 2018, β).
const BETA: f32 = 0.2;
/// Convolutions of a dense block, and how many rows it looks at beyond its own.
const DENSE: usize = 5;

/// The configuration, with BasicSR's names for what it has.
#[derive(Clone, Debug, PartialEq)]
pub struct RRDBNetConfig {
    /// Channels.
    pub num_feat: usize,
    /// Residual-in-residual blocks.
    pub num_block: usize,
    /// Channels that each convolution of a dense block adds.
    pub num_grow_ch: usize,
    /// The side of the blocks of pixels that are channels of one pixel first: 1, 2 or 4.
    pub unshuffle: usize,
    /// Slope of the rectifiers where they are negative.
    pub slope: f32,
    /// What makes the picture larger.
    pub tail: Tail,
}

/// How features become a larger picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Doubled so many times, with a convolution after each, and two more.
    Doubling(usize),
    /// Channels become blocks of so many pixels a side, and a convolution follows. In TensorFlow's
    /// order: idealo's RRDN.
    Shuffle(usize),
}

impl RRDBNetConfig {
    /// How many times larger the result is in both directions, where that is a whole number.
    pub fn scale(&self) -> usize {
        match self.tail {
            Tail::Doubling(times) => (1 << times) / self.unshuffle,
            Tail::Shuffle(scale) => scale / self.unshuffle,
        }
    }

    /// How far a pixel sees: see [`SuperResolution::radius`](super::SuperResolution::radius).
    pub fn radius(&self) -> usize {
        // One convolution before the blocks, one after them, and the tail.
        self.unshuffle * (1 + self.num_block * 3 * DENSE + 1 + TAIL)
    }
}

/// Rows that a tail looks at beyond its own: with n doublings its convolutions look at
/// 1/2 + 1/4 + … + 1/2ⁿ + 2/2ⁿ ≤ 2.
const TAIL: usize = 2;

/// The network.
#[derive(Clone, Debug, Module)]
pub struct RRDBNet {
    conv_first: Conv2d,
    body: Vec<Rrdb>,
    conv_body: Conv2d,
    conv_up1: Option<Conv2d>,
    conv_up2: Option<Conv2d>,
    conv_up3: Option<Conv2d>,
    conv_hr: Conv2d,
    conv_last: Conv2d,
    #[module(skip)]
    config: RRDBNetConfig,
}

impl RRDBNet {
    /// The network without its weights. With [`Tail::Shuffle`], `conv_hr` makes what is shuffled.
    pub fn new(config: &RRDBNetConfig) -> Self {
        let &RRDBNetConfig { num_feat: width, num_block, num_grow_ch: growth, slope, .. } = config;
        let up = |n: usize| match config.tail {
            Tail::Doubling(times) if n <= times => Some(conv(width, width, 3)),
            _ => None,
        };
        let (before_last, last) = match config.tail {
            Tail::Doubling(_) => (width, width),
            Tail::Shuffle(scale) => (3 * scale * scale, 3),
        };
        Self {
            conv_first: conv(3 * config.unshuffle * config.unshuffle, width, 3),
            body: (0..num_block).map(|_| Rrdb::new(width, growth, slope)).collect(),
            conv_body: conv(width, width, 3),
            conv_up1: up(1),
            conv_up2: up(2),
            conv_up3: up(3),
            conv_hr: conv(width, before_last, 3),
            conv_last: conv(last, 3, 3),
            config: config.clone(),
        }
    }

    /// What it was built from.
    pub fn config(&self) -> &RRDBNetConfig {
        &self.config
    }

    /// x `[N, H, W, 3]` in [0, 1] → `[N, scale·H, scale·W, 3]`.
    ///
    /// # Panics
    /// If H or W is no multiple of `unshuffle`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let made = self.forward_with(x, &mut || ControlFlow::Continue(()));
        made.expect("nobody stopped it")
    }

    /// [`Self::forward`] that calls `each` after every block, which may stop it.
    #[track_caller]
    pub fn forward_with(
        &self,
        x: &Tensor,
        each: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Tensor> {
        let RRDBNetConfig { num_feat: width, num_grow_ch: growth, .. } = self.config;
        let first = match self.config.unshuffle {
            1 => self.conv_first.forward(x),
            side => self.conv_first.forward(&x.space_to_depth(side, ChannelOrder::ByChannel)),
        };
        let held = 3 * (width + 4 * growth);
        let mut x = first.clone();
        for block in &self.body {
            x = in_bands(&x, 3 * DENSE, 1, held, |x| block.forward(x));
            if each().is_break() {
                return None;
            }
        }
        let x = first.add(&self.conv_body.forward(&x));
        drop(first);
        let scale = self.config.scale() * self.config.unshuffle;
        Some(in_bands(&x, TAIL, scale, 3 * width * scale * scale, |x| self.tail(x)))
    }

    fn tail(&self, x: &Tensor) -> Tensor {
        if let Tail::Shuffle(scale) = self.config.tail {
            let x = self.conv_hr.forward(x).depth_to_space(scale, ChannelOrder::ByPixel);
            return self.conv_last.forward(&x);
        }
        let mut x = x.clone();
        for conv in [&self.conv_up1, &self.conv_up2, &self.conv_up3].into_iter().flatten() {
            x = conv.forward(&x.upsample_nearest2()).leaky_relu(self.config.slope);
        }
        self.conv_last.forward(&self.conv_hr.forward(&x).leaky_relu(self.config.slope))
    }
}

/// Three dense blocks and a residual around them.
#[derive(Clone, Debug, Module)]
struct Rrdb {
    rdb1: DenseBlock,
    rdb2: DenseBlock,
    rdb3: DenseBlock,
}

impl Rrdb {
    fn new(width: usize, growth: usize, slope: f32) -> Self {
        let block = || DenseBlock::new(width, growth, slope);
        Self { rdb1: block(), rdb2: block(), rdb3: block() }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let y = self.rdb3.forward(&self.rdb2.forward(&self.rdb1.forward(x)));
        y.scale(BETA).add(x)
    }
}

/// Convolutions each of which sees the results of all before it.
#[derive(Clone, Debug, Module)]
struct DenseBlock {
    conv1: Conv2d,
    conv2: Conv2d,
    conv3: Conv2d,
    conv4: Conv2d,
    conv5: Conv2d,
    #[module(skip)]
    slope: f32,
}

impl DenseBlock {
    fn new(width: usize, growth: usize, slope: f32) -> Self {
        let nth = |n: usize| conv(width + n * growth, growth, 3);
        let last = conv(width + 4 * growth, width, 3);
        Self { conv1: nth(0), conv2: nth(1), conv3: nth(2), conv4: nth(3), conv5: last, slope }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let mut seen = x.clone();
        for conv in [&self.conv1, &self.conv2, &self.conv3, &self.conv4] {
            let next = conv.forward(&seen).leaky_relu(self.slope);
            seen = Tensor::cat([&seen, &next]);
        }
        self.conv5.forward(&seen).scale(BETA).add(x)
    }
}
