//! Inception v3 as the Fréchet Inception distance has it (Szegedy et al. 2016; Heusel et al. 2017).
//!
//! The weights are those of TensorFlow's `inception-2015-12-05`, under the names of pytorch-fid's
//! `pt_inception-2015-12-05` and torch-fidelity's `weights-inception-2015-12-05`. In three things
//! it is not the network that torchvision has: means do not count what is outside of the picture,
//! the last block takes the largest of neighbours, and there are 1008 classes.

mod blocks;
mod conv;

use aquatint_nn::{Bias, Linear, Module};
use aquatint_tensor::{Pool3, Tensor};

use self::blocks::{InceptionA, InceptionB, InceptionC, InceptionD, InceptionE};
use self::conv::BasicConv2d;
use crate::Probe;

/// The network. Its weights are not tracked.
#[derive(Debug, Module)]
pub struct InceptionV3 {
    #[module(name = "Conv2d_1a_3x3")]
    conv_1a: BasicConv2d,
    #[module(name = "Conv2d_2a_3x3")]
    conv_2a: BasicConv2d,
    #[module(name = "Conv2d_2b_3x3")]
    conv_2b: BasicConv2d,
    #[module(name = "Conv2d_3b_1x1")]
    conv_3b: BasicConv2d,
    #[module(name = "Conv2d_4a_3x3")]
    conv_4a: BasicConv2d,
    #[module(name = "Mixed_5b")]
    mixed_5b: InceptionA,
    #[module(name = "Mixed_5c")]
    mixed_5c: InceptionA,
    #[module(name = "Mixed_5d")]
    mixed_5d: InceptionA,
    #[module(name = "Mixed_6a")]
    mixed_6a: InceptionB,
    #[module(name = "Mixed_6b")]
    mixed_6b: InceptionC,
    #[module(name = "Mixed_6c")]
    mixed_6c: InceptionC,
    #[module(name = "Mixed_6d")]
    mixed_6d: InceptionC,
    #[module(name = "Mixed_6e")]
    mixed_6e: InceptionC,
    #[module(name = "Mixed_7a")]
    mixed_7a: InceptionD,
    #[module(name = "Mixed_7b")]
    mixed_7b: InceptionE,
    #[module(name = "Mixed_7c")]
    mixed_7c: InceptionE,
    fc: Linear,
}

/// What the network says of `N` pictures.
#[derive(Clone, Debug)]
pub struct InceptionV3Output {
    /// The means of the last features, `[N, 2048]`: "pool3".
    pub pool3: Tensor,
    /// What the last layer makes of them, without its bias, `[N, 1008]`: of these the Inception
    /// score is made.
    pub logits_unbiased: Tensor,
}

impl InceptionV3 {
    /// Numbers of [`InceptionV3Output::pool3`].
    pub const FEATURES: usize = 2048;
    /// Numbers of [`InceptionV3Output::logits_unbiased`].
    pub const CLASSES: usize = 1008;
    /// Height and width of a picture.
    pub const SIDE: usize = 299;

    /// The network without its weights.
    #[allow(clippy::new_without_default, reason = "as all models are made")]
    pub fn new() -> Self {
        Self {
            conv_1a: BasicConv2d::inside(3, 32, 3, 2),
            conv_2a: BasicConv2d::inside(32, 32, 3, 1),
            conv_2b: BasicConv2d::same(32, 64, [3, 3]),
            conv_3b: BasicConv2d::inside(64, 80, 1, 1),
            conv_4a: BasicConv2d::inside(80, 192, 3, 1),
            mixed_5b: InceptionA::new(192, 32),
            mixed_5c: InceptionA::new(256, 64),
            mixed_5d: InceptionA::new(288, 64),
            mixed_6a: InceptionB::new(288),
            mixed_6b: InceptionC::new(768, 128),
            mixed_6c: InceptionC::new(768, 160),
            mixed_6d: InceptionC::new(768, 160),
            mixed_6e: InceptionC::new(768, 192),
            mixed_7a: InceptionD::new(768),
            mixed_7b: InceptionE::new(1280, Pool3::Mean),
            mixed_7c: InceptionE::new(2048, Pool3::Max),
            fc: Linear::new(Self::FEATURES, Self::CLASSES, Bias::Yes),
        }
    }

    /// x `[N, 299, 299, 3]` in [−1, 1] → its features. Other sizes of at least 75 pixels pass, and
    /// mean something else.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> InceptionV3Output {
        self.forward_with(x, &mut |_, _| {})
    }

    /// [`Self::forward`] that shows each stage to `probe`.
    #[track_caller]
    pub fn forward_with(&self, x: &Tensor, probe: &mut Probe) -> InceptionV3Output {
        let mut show = |name: &str, x: Tensor| {
            probe(name, &x);
            x
        };
        let x = self.conv_2a.forward(&self.conv_1a.forward(x));
        let x = self.conv_2b.forward(&x).pool3(Pool3::MaxOfEverySecond);
        let x = show("block0", x);
        let x = self.conv_4a.forward(&self.conv_3b.forward(&x)).pool3(Pool3::MaxOfEverySecond);
        let x = show("block1", x);
        let x = show("Mixed_5b", self.mixed_5b.forward(&x));
        let x = self.mixed_5d.forward(&self.mixed_5c.forward(&x));
        let x = show("Mixed_6a", self.mixed_6a.forward(&x));
        let x = self.mixed_6c.forward(&self.mixed_6b.forward(&x));
        let x = show("block2", self.mixed_6e.forward(&self.mixed_6d.forward(&x)));
        let x = show("Mixed_7a", self.mixed_7a.forward(&x));
        let x = show("Mixed_7b", self.mixed_7b.forward(&x));
        let x = show("Mixed_7c", self.mixed_7c.forward(&x));
        let pool3 = x.mean_per_picture();
        let logits_unbiased = pool3.linear(self.fc.weight.value(), None);
        InceptionV3Output { pool3, logits_unbiased }
    }
}
