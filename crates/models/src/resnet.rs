//! Residual blocks, and the change of resolution between them.

use aquatint_nn::{Bias, Conv2d, GroupNorm, Linear, Module};
use aquatint_tensor::{Conv2dOptions, Tensor};

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
}

impl ResnetBlock2D {
    /// A block from `inputs` to `outputs` channels that hears `time` channels, or no time.
    pub fn new(
        inputs: usize,
        outputs: usize,
        time: Option<usize>,
        groups: usize,
        eps: f32,
    ) -> Self {
        Self {
            norm1: GroupNorm::new(groups, inputs, eps),
            conv1: Conv2d::same3(inputs, outputs),
            time_emb_proj: time.map(|time| Linear::new(time, outputs, Bias::Yes)),
            norm2: GroupNorm::new(groups, outputs, eps),
            conv2: Conv2d::same3(outputs, outputs),
            conv_shortcut: (inputs != outputs).then(|| Conv2d::pointwise(inputs, outputs)),
        }
    }

    /// x `[N, H, W, inputs]`, emb `[N, time]` → `[N, H, W, outputs]`.
    ///
    /// # Panics
    /// If an embedding is given to a block without time, or not given to one with it.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, emb: Option<&Tensor>) -> Tensor {
        let h = self.conv1.forward(&self.norm1.forward_silu(x));
        let h = match (&self.time_emb_proj, emb) {
            (Some(proj), Some(emb)) => h.add_per_picture(&proj.forward(&emb.silu())),
            (None, None) => h,
            (proj, emb) => panic!(
                "time_emb_proj is {}, the time embedding {}",
                if proj.is_some() { "there" } else { "absent" },
                if emb.is_some() { "given" } else { "missing" }
            ),
        };
        let h = self.conv2.forward(&self.norm2.forward_silu(&h));
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x).add(&h),
            None => x.add(&h),
        }
    }
}

/// Half the resolution: a 3×3 convolution with step 2.
#[derive(Clone, Debug, Module)]
pub struct Downsample2D {
    conv: Conv2d,
}

impl Downsample2D {
    /// As the U-Net does it, zeros on all sides: `[N, H, W, C]` → `[N, ⌈H/2⌉, ⌈W/2⌉, C]`.
    pub fn new(channels: usize) -> Self {
        Self::padded(channels, [1; 4])
    }

    /// As the autoencoder does it, zeros below and right only: → `[N, ⌊H/2⌋, ⌊W/2⌋, C]`.
    pub fn asymmetric(channels: usize) -> Self {
        Self::padded(channels, [0, 1, 0, 1])
    }

    fn padded(channels: usize, padding: [usize; 4]) -> Self {
        Self { conv: Conv2d::new(channels, channels, 3, Conv2dOptions { stride: 2, padding }) }
    }

    /// x `[N, H, W, C]` → half the size.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.conv.forward(x)
    }
}

/// Twice the resolution: nearest neighbour, then a 3×3 convolution.
#[derive(Clone, Debug, Module)]
pub struct Upsample2D {
    conv: Conv2d,
}

impl Upsample2D {
    /// Keeps the number of channels.
    pub fn new(channels: usize) -> Self {
        Self { conv: Conv2d::same3(channels, channels) }
    }

    /// x `[N, H, W, C]` → `[N, 2H, 2W, C]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.conv.forward(&x.upsample_nearest2())
    }

    /// x `[N, H, W, C]` → `[N, height, width, C]`, where the sizes are 2H or 2H − 1 and 2W or
    /// 2W − 1: what a picture of odd size was before [`Downsample2D`].
    ///
    /// Nearest-neighbour interpolation to 2H − 1 reads row ⌊i·H/(2H − 1)⌋ = ⌊i/2⌋, so it is
    /// doubling without the last row.
    ///
    /// # Panics
    /// If the size is none of these.
    #[track_caller]
    pub fn forward_to(&self, x: &Tensor, [height, width]: [usize; 2]) -> Tensor {
        let &[n, h, w, c] = x.shape() else { panic!("Upsample2D of {:?}", x.shape()) };
        assert!(
            [2 * h, 2 * h - 1].contains(&height) && [2 * w, 2 * w - 1].contains(&width),
            "Upsample2D of {:?} to {height}×{width}",
            x.shape()
        );
        let mut y = x.upsample_nearest2();
        if width != 2 * w {
            y = y.reshape(&[n * 2 * h, 2 * w * c]).narrow(0, width * c);
        }
        if height != 2 * h {
            y = y.reshape(&[n, 2 * h * width * c]).narrow(0, height * width * c);
        }
        self.conv.forward(&y.reshape(&[n, height, width, c]))
    }
}

#[cfg(test)]
mod tests {
    use aquatint_nn::ModuleExt;
    use aquatint_tensor::Rng;

    use super::*;

    #[test]
    fn upsampling_undoes_the_size_of_downsampling() {
        let mut rng = Rng::new(1);
        let mut down = Downsample2D::new(2);
        let mut up = Upsample2D::new(2);
        down.init(1);
        up.init(2);
        for (h, w) in [(4, 6), (5, 6), (4, 7), (5, 7), (1, 1)] {
            let x = rng.randn(&[3, h, w, 2]);
            assert_eq!(up.forward_to(&down.forward(&x), [h, w]).shape(), x.shape());
        }
    }

    #[test]
    fn cropping_is_nearest_interpolation() {
        let mut up = Upsample2D::new(1);
        // A convolution that changes nothing, to look behind it.
        let identity = Tensor::from_fn(&[1, 1, 3, 3], |i| if i == 4 { 1.0 } else { 0.0 });
        up.conv.weight.set(identity);
        up.conv.bias.as_mut().expect("a convolution has a bias").set(Tensor::zeros(&[1]));
        let x = Tensor::from_fn(&[1, 2, 3, 1], |i| i as f32);
        let y = up.forward_to(&x, [3, 5]);
        let nearest: Vec<f32> = (0..3)
            .flat_map(|i| (0..5).map(move |j| ((i * 2 / 3) * 3 + j * 3 / 5) as f32))
            .collect();
        assert_eq!(y.to_vec(), nearest);
    }

    #[test]
    #[should_panic(expected = "Upsample2D of [1, 2, 3, 1] to 7×5")]
    fn upsampling_to_another_size_panics() {
        Upsample2D::new(1).forward_to(&Tensor::zeros(&[1, 2, 3, 1]), [7, 5]);
    }

    #[test]
    #[should_panic(expected = "the time embedding missing")]
    fn a_block_with_time_needs_it() {
        let mut block = ResnetBlock2D::new(4, 4, Some(8), 2, 1e-5);
        block.init(0);
        block.forward(&Tensor::zeros(&[1, 2, 2, 4]), None);
    }
}
