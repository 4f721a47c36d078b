//! Networks that enlarge a picture in one pass: super-resolution without diffusion.
//!
//! Each is built from the names and shapes of its weights alone ([`SuperResolutionConfig::of`]),
//! because the files that people share hold nothing else. All are made of convolutions: a pixel
//! depends on those within [`SuperResolution::radius`] alone, so a large picture can be enlarged in
//! pieces that overlap, and nobody can tell.

mod bands;
mod config;
mod graph;
mod rdn;
mod rrdb;
mod srvgg;

use std::ops::ControlFlow;

use aquatint_nn::{Module, Param};
use aquatint_tensor::Tensor;

pub use config::{Shapes, SuperResolutionConfig};
pub use rdn::{ResidualDenseConfig, ResidualDenseNetwork};
pub use rrdb::{RRDBNet, RRDBNetConfig, Tail};
pub use srvgg::{SRVGGNetCompact, SRVGGNetCompactConfig};

/// One of the networks.
#[derive(Clone, Debug)]
pub enum SuperResolution {
    /// ESRGAN's and Real-ESRGAN's.
    Rrdb(RRDBNet),
    /// Real-ESRGAN's small one.
    Srvgg(SRVGGNetCompact),
    /// The residual dense network.
    Rdn(ResidualDenseNetwork),
}

impl SuperResolution {
    /// The network without its weights.
    pub fn new(config: &SuperResolutionConfig) -> Self {
        match config {
            SuperResolutionConfig::Rrdb(config) => Self::Rrdb(RRDBNet::new(config)),
            SuperResolutionConfig::Srvgg(config) => Self::Srvgg(SRVGGNetCompact::new(config)),
            SuperResolutionConfig::Rdn(config) => Self::Rdn(ResidualDenseNetwork::new(config)),
        }
    }

    /// How many times larger the result is in both directions.
    pub fn scale(&self) -> usize {
        match self {
            Self::Rrdb(net) => net.config().scale(),
            Self::Srvgg(net) => net.config().scale,
            Self::Rdn(net) => net.config().scale,
        }
    }

    /// What width and height must be multiples of.
    pub fn multiple(&self) -> usize {
        match self {
            Self::Rrdb(net) => net.config().unshuffle,
            _ => 1,
        }
    }

    /// How far away, in pixels of the input, a pixel may lie that a result depends on.
    pub fn radius(&self) -> usize {
        match self {
            Self::Rrdb(net) => net.config().radius(),
            Self::Srvgg(net) => net.config().radius(),
            Self::Rdn(net) => net.config().radius(),
        }
    }

    /// The number that stands for white: 1, or 255 where the network was trained on bytes.
    pub fn white(&self) -> f32 {
        match self {
            Self::Rdn(_) => 255.0,
            _ => 1.0,
        }
    }

    /// How often [`Self::forward_with`] calls for one picture.
    pub fn parts(&self) -> usize {
        match self {
            Self::Rrdb(net) => net.config().num_block + 1,
            _ => 1,
        }
    }

    /// x `[N, H, W, 3]` between 0 and [`Self::white`] → `[N, scale·H, scale·W, 3]`.
    ///
    /// # Panics
    /// If x is not such a picture, or its sides are no [multiples](Self::multiple).
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let made = self.forward_with(x, &mut || ControlFlow::Continue(()));
        made.expect("nobody stopped it")
    }

    /// [`Self::forward`] that calls `each` after every [part](Self::parts) of the work, which may
    /// stop it: then there is nothing.
    #[track_caller]
    pub fn forward_with(
        &self,
        x: &Tensor,
        each: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Tensor> {
        let made = match self {
            Self::Rrdb(net) => net.forward_with(x, each)?,
            Self::Srvgg(net) => net.forward(x),
            Self::Rdn(net) => net.forward(x),
        };
        each().is_continue().then_some(made)
    }
}

impl Module for SuperResolution {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        match self {
            Self::Rrdb(net) => net.visit(path, f),
            Self::Srvgg(net) => net.visit(path, f),
            Self::Rdn(net) => net.visit(path, f),
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        match self {
            Self::Rrdb(net) => net.visit_mut(path, f),
            Self::Srvgg(net) => net.visit_mut(path, f),
            Self::Rdn(net) => net.visit_mut(path, f),
        }
    }
}

/// A 1×1, 3×3 or 5×5 convolution that keeps the size.
fn conv(inputs: usize, outputs: usize, kernel: usize) -> aquatint_nn::Conv2d {
    let options = aquatint_tensor::Conv2dOptions::same(kernel);
    aquatint_nn::Conv2d::new(inputs, outputs, kernel, options)
}
