//! Residual blocks.

mod bands;

use aquatint_nn::{Bias, Conv2d, Fused, GroupNorm, Linear, Module};
use aquatint_tensor::Tensor;

use crate::resample::average_pool2;

/// Channels that U-Nets of latent diffusion have at their highest resolution, at most.
const FEW_CHANNELS: usize = 320;

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
        // Of a U-Net's error in bf16, most would arise at its highest resolution.
        let fine = time.is_some() && outputs <= FEW_CHANNELS;
        let same3 = |inputs| match fine && inputs <= FEW_CHANNELS {
            true => Conv2d::same3(inputs, outputs).finely_rounded(),
            false => Conv2d::same3(inputs, outputs),
        };
        Self {
            norm1: GroupNorm::new(groups, inputs, eps),
            conv1: same3(inputs),
            time_emb_proj: time.map(|time| Linear::new(time, heard, Bias::Yes)),
            norm2: GroupNorm::new(groups, outputs, eps),
            conv2: same3(outputs),
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
        let time = match (&self.time_emb_proj, emb) {
            (Some(proj), Some(emb)) => Some(proj.forward(&emb.silu())),
            (None, None) => None,
            (proj, emb) => panic!(
                "time_emb_proj is {}, the time embedding {}",
                if proj.is_some() { "there" } else { "absent" },
                if emb.is_some() { "given" } else { "missing" }
            ),
        };
        let per_picture = time.as_ref().filter(|_| !self.scale_shift);
        let (h, x) = match self.resample {
            Resample::Keep => {
                let fused = Fused { norm: Some(&self.norm1), per_picture, ..Fused::default() };
                (self.conv1.forward_fused(x, &fused), x.clone())
            }
            resample => {
                let h = resample.apply(&self.norm1.forward_silu(x));
                let fused = Fused { per_picture, ..Fused::default() };
                (self.conv1.forward_fused(&h, &fused), resample.apply(x))
            }
        };
        let x = self.conv_shortcut.as_ref().map_or(x.clone(), |shortcut| shortcut.forward(&x));
        let residual = Some(&x);
        match time.filter(|_| self.scale_shift) {
            Some(time) => {
                let h = self.scaled_and_shifted(&h, &time);
                self.conv2.forward_fused(&h, &Fused { residual, ..Fused::default() })
            }
            None => {
                let fused = Fused { norm: Some(&self.norm2), residual, ..Fused::default() };
                self.conv2.forward_fused(&h, &fused)
            }
        }
    }

    /// h `[N, H, W, C]`, normalized, scaled and shifted by the projected time `[N, 2C]`, and
    /// activated.
    fn scaled_and_shifted(&self, h: &Tensor, time: &Tensor) -> Tensor {
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
