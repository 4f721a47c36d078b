//! Half and twice the resolution.

use aquatint_nn::{Conv2d, Fused, Module};
use aquatint_tensor::{Conv2dOptions, Tensor};

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

    /// The convolution, for pictures in bands.
    pub(crate) fn conv(&self) -> &Conv2d {
        &self.conv
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

    /// The convolution, for pictures in bands.
    pub(crate) fn conv(&self) -> &Conv2d {
        &self.conv
    }

    /// x `[N, H, W, C]` → `[N, 2H, 2W, C]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let &[_, h, w, _] = x.shape() else { panic!("Upsample2D of {:?}", x.shape()) };
        self.forward_to(x, [2 * h, 2 * w])
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
        let &[_, h, w, _] = x.shape() else { panic!("Upsample2D of {:?}", x.shape()) };
        assert!(
            [2 * h, 2 * h - 1].contains(&height) && [2 * w, 2 * w - 1].contains(&width),
            "Upsample2D of {:?} to {height}×{width}",
            x.shape()
        );
        let upsample = Some([height, width]);
        self.conv.forward_fused(x, &Fused { upsample, ..Fused::default() })
    }
}

/// The mean of every two by two pixels, `[N, H, W, C]` → `[N, ⌊H/2⌋, ⌊W/2⌋, C]`: how a residual
/// block halves the resolution, without weights.
#[track_caller]
pub(crate) fn average_pool2(x: &Tensor) -> Tensor {
    let &[n, h, w, c] = x.shape() else { panic!("average_pool2 of {:?}", x.shape()) };
    let (h, w) = (h / 2, w / 2);
    assert!(h > 0 && w > 0, "average_pool2 of {:?}", x.shape());
    // Two neighbours are one pixel of twice the channels; two rows are one row of twice the width.
    let halves = |x: &Tensor, half: usize| x.narrow(0, half).add(&x.narrow(half, half));
    let x = x.crop([2 * h, 2 * w]).reshape(&[n * 2 * h * w, 2 * c]);
    let x = halves(&x, c).reshape(&[n * h, 2 * w * c]);
    halves(&x, w * c).scale(0.25).reshape(&[n, h, w, c])
}

#[cfg(test)]
mod tests {
    use aquatint_nn::ModuleExt;
    use aquatint_tensor::Rng;
    use aquatint_tensor::gradcheck::gradcheck;

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
    fn the_mean_of_four_pixels() {
        // Two channels, 3 × 5 pixels: the last row and column have no partner.
        let x = Tensor::from_fn(&[1, 3, 5, 2], |i| i as f32);
        let y = average_pool2(&x);
        assert_eq!(y.shape(), [1, 1, 2, 2]);
        assert_eq!(y.to_vec(), [6.0, 7.0, 10.0, 11.0]);
        gradcheck(&[Rng::new(1).randn(&[2, 4, 6, 3])], 1e-3, |t| average_pool2(&t[0]));
    }

    #[test]
    #[should_panic(expected = "Upsample2D of [1, 2, 3, 1] to 7×5")]
    fn upsampling_to_another_size_panics() {
        Upsample2D::new(1).forward_to(&Tensor::zeros(&[1, 2, 3, 1]), [7, 5]);
    }
}
