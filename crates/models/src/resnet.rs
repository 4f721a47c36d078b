//! Residual blocks.

use aquatint_nn::{Bias, Conv2d, GroupNorm, Linear, Module};
use aquatint_tensor::Tensor;

use crate::resample::average_pool2;

/// What the residual blocks of a network have in common.
#[derive(Clone, Copy, Debug)]
pub struct ResnetOptions {
    /// Channels of the time embedding that the blocks hear, or none.
    pub time: Option<usize>,
    /// Groups of the normalizations.
    pub groups: usize,
    /// ε of the normalizations.
    pub eps: f32,
    /// Whether the time scales and shifts the second normalization (diffusers'
    /// `resnet_time_scale_shift = "scale_shift"`; Dhariwal & Nichol 2021, section 3) instead of
    /// being added before it.
    pub scale_shift: bool,
}

/// What a residual block does to the resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resample {
    /// Nothing.
    Keep,
    /// Halves it by means of 2×2 pixels.
    Down,
    /// Doubles it by repeating pixels.
    Up,
}

impl Resample {
    fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Keep => x.clone(),
            Self::Down => average_pool2(x),
            Self::Up => x.upsample_nearest2(),
        }
    }
}

/// Two convolutions around the time embedding, plus the input (He et al. 2016, as changed by
/// Ho et al. 2020).
#[derive(Clone, Debug, Module)]
pub struct ResnetBlock2D {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    #[module(skip)]
    scale_shift: bool,
    #[module(skip)]
    resample: Resample,
}

impl ResnetBlock2D {
    /// A block from `inputs` to `outputs` channels.
    pub fn new(options: &ResnetOptions, inputs: usize, outputs: usize) -> Self {
        let &ResnetOptions { time, groups, eps, scale_shift } = options;
        let heard = if scale_shift { 2 * outputs } else { outputs };
        Self {
            norm1: GroupNorm::new(groups, inputs, eps),
            conv1: Conv2d::same3(inputs, outputs),
            time_emb_proj: time.map(|time| Linear::new(time, heard, Bias::Yes)),
            norm2: GroupNorm::new(groups, outputs, eps),
            conv2: Conv2d::same3(outputs, outputs),
            conv_shortcut: (inputs != outputs).then(|| Conv2d::pointwise(inputs, outputs)),
            scale_shift,
            resample: Resample::Keep,
        }
    }

    /// The same block that also changes the resolution, of both its branches.
    pub fn resampling(mut self, resample: Resample) -> Self {
        self.resample = resample;
        self
    }

    /// x `[N, H, W, inputs]`, emb `[N, time]` → `[N, H, W, outputs]`, or half or twice the size.
    ///
    /// # Panics
    /// If an embedding is given to a block without time, or not given to one with it.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, emb: Option<&Tensor>) -> Tensor {
        let h = self.resample.apply(&self.norm1.forward_silu(x));
        let x = self.resample.apply(x);
        let h = self.conv1.forward(&h);
        let h = match (&self.time_emb_proj, emb) {
            (Some(proj), Some(emb)) => self.hear(&h, &proj.forward(&emb.silu())),
            (None, None) => self.norm2.forward_silu(&h),
            (proj, emb) => panic!(
                "time_emb_proj is {}, the time embedding {}",
                if proj.is_some() { "there" } else { "absent" },
                if emb.is_some() { "given" } else { "missing" }
            ),
        };
        let h = self.conv2.forward(&h);
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(&x).add(&h),
            None => x.add(&h),
        }
    }

    /// h `[N, H, W, C]` with the projected time `[N, C]` or `[N, 2C]`, normalized and activated.
    fn hear(&self, h: &Tensor, time: &Tensor) -> Tensor {
        if !self.scale_shift {
            return self.norm2.forward_silu(&h.add_per_picture(time));
        }
        let channels = h.channels();
        let factor = time.narrow(0, channels).add_scalar(1.0);
        let factor = Tensor::zeros(h.shape()).add_per_picture(&factor);
        let shift = time.narrow(channels, channels);
        self.norm2.forward(h).mul(&factor).add_per_picture(&shift).silu()
    }
}

#[cfg(test)]
mod tests {
    use aquatint_nn::ModuleExt;

    use super::*;

    #[test]
    #[should_panic(expected = "the time embedding missing")]
    fn a_block_with_time_needs_it() {
        let options = ResnetOptions { time: Some(8), groups: 2, eps: 1e-5, scale_shift: false };
        let mut block = ResnetBlock2D::new(&options, 4, 4);
        block.init(0);
        block.forward(&Tensor::zeros(&[1, 2, 2, 4]), None);
    }
}
