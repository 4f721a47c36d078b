//! Where samplers get their noise from.

use aquatint_tensor::rng::{SeedTooLarge, Stream};
use aquatint_tensor::{Rng, RngKind, Tensor};

use crate::brownian::{BrownianMotion, Tree};

/// Gives standard normal noise of a shape `[N, ..]`, new at every call. An [`Rng`] is a source,
/// and so is a closure; [`Noise`] is the one for pictures.
pub trait NoiseSource {
    /// Noise of this shape.
    fn noise(&mut self, shape: &[usize]) -> Tensor;

    /// The Brownian motion between two noise levels that samplers of stochastic equations follow.
    /// A source need not have one: then it is made of draws of [`NoiseSource::noise`], new ones
    /// for every level.
    fn brownian(&mut self, sigma_min: f64, sigma_max: f64) -> Option<Box<dyn BrownianMotion>> {
        let _ = (sigma_min, sigma_max);
        None
    }
}

impl NoiseSource for Rng {
    fn noise(&mut self, shape: &[usize]) -> Tensor {
        self.randn(shape)
    }
}

impl<F: FnMut(&[usize]) -> Tensor> NoiseSource for F {
    fn noise(&mut self, shape: &[usize]) -> Tensor {
        self(shape)
    }
}

/// Noise for a batch in which every picture has a seed, so that a picture is the same alone and
/// in any company.
pub struct Noise {
    kind: RngKind,
    seeds: Vec<u64>,
    pictures: Vec<Stream>,
}

impl Noise {
    /// The source of as many pictures as there are seeds.
    ///
    /// # Errors
    /// If there is no stream of that kind for a seed; see [`RngKind::check_seed`].
    pub fn new(kind: RngKind, seeds: &[u64]) -> Result<Self, SeedTooLarge> {
        let pictures =
            seeds.iter().map(|&seed| Stream::new(kind, seed)).collect::<Result<_, _>>()?;
        Ok(Self { kind, seeds: seeds.to_vec(), pictures })
    }

    /// Noise `[N, H, W, C]` for pictures of shape `[H, W, C]`.
    ///
    /// The numbers are drawn in the order of the layout that the latents have in the program whose
    /// stream it is: this is what makes a seed name the same picture here as there. With PyTorch
    /// that is `[C, H, W]`, in diffusers and in the web UI. With NumPy it is `[H, W, C]`, since
    /// that is how DiffusionBee asks: `np.random.RandomState(seed).normal(size=(1, h, w, 4))`. For
    /// noise on the way DiffusionBee makes a new stream at every step; here the first one goes on.
    #[track_caller]
    pub fn randn(&mut self, picture: &[usize]) -> Tensor {
        let &[h, w, c] = picture else { panic!("noise for pictures of shape {picture:?}") };
        let n = self.pictures.len();
        let mut draw = |shape: &[usize]| {
            self.pictures.iter_mut().flat_map(|stream| stream.randn(shape).to_vec()).collect()
        };
        match self.kind {
            RngKind::TorchCpu | RngKind::TorchCuda => {
                Tensor::new(draw(&[c, h, w]), &[n, c, h, w]).from_nchw()
            }
            RngKind::Numpy => Tensor::new(draw(&[h, w, c]), &[n, h, w, c]),
        }
    }
}

impl NoiseSource for Noise {
    /// # Panics
    /// If `shape` is not `[N, H, W, C]` with as many pictures as there are seeds.
    fn noise(&mut self, shape: &[usize]) -> Tensor {
        let seeds = self.pictures.len();
        assert_eq!(shape.first(), Some(&seeds), "noise of {shape:?} from {seeds} seeds");
        self.randn(&shape[1..])
    }

    /// The path that the seed of each picture stands for, in PyTorch's numbers that of k-diffusion
    /// and the web UI. Nothing is drawn from the pictures' streams.
    fn brownian(&mut self, sigma_min: f64, sigma_max: f64) -> Option<Box<dyn BrownianMotion>> {
        Some(Box::new(Tree::new(self.kind, &self.seeds, sigma_min, sigma_max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(kind: RngKind, seeds: &[u64]) -> Noise {
        Noise::new(kind, seeds).expect("short seeds")
    }

    #[test]
    fn a_picture_does_not_depend_on_its_batch() {
        for kind in RngKind::ALL {
            let (mut batch, mut alone) = (noise(kind, &[5, 6]), noise(kind, &[6]));
            for _ in 0..2 {
                let batch = batch.noise(&[2, 3, 4, 2]);
                assert_eq!(
                    batch.narrow_rows(1, 1).to_vec(),
                    alone.noise(&[1, 3, 4, 2]).to_vec(),
                    "{kind}: the second of two is the same alone, at every draw"
                );
            }
        }
    }

    /// torch.manual_seed(42); torch.randn(1, 4, 2, 2)[0, :, 0, 0] and [0, :, 0, 1].
    #[test]
    fn drawn_channels_first_with_pytorch() {
        let x = noise(RngKind::TorchCpu, &[42]).randn(&[2, 2, 4]).to_vec();
        let expected = [1.926_915_3, 0.678_418_46, -0.752_135_3, -0.727_881_3];
        let next = [1.487_284_1, -1.234_544_9, 1.648_723, -0.559_430_2];
        for (x, e) in x.iter().zip(expected.into_iter().chain(next)) {
            assert!((x - e).abs() < 1e-6, "{x} is not {e}");
        }
    }

    /// np.random.RandomState(42).normal(size=(1, 2, 2, 4)).astype(np.float32)[0, 0].ravel().
    #[test]
    fn drawn_channels_last_with_numpy() {
        let x = noise(RngKind::Numpy, &[42]).randn(&[2, 2, 4]).to_vec();
        let expected = [
            0.496_714_14,
            -0.138_264_3,
            0.647_688_57,
            1.523_029_8,
            -0.234_153_38,
            -0.234_136_95,
            1.579_212_8,
            0.767_434_7,
        ];
        assert_eq!(x[..8], expected);
    }

    #[test]
    fn a_seed_that_numpy_refuses() {
        let error = Noise::new(RngKind::Numpy, &[1, 1 << 32]).err();
        assert_eq!(error, Some(SeedTooLarge { seed: 1 << 32 }));
    }

    #[test]
    #[should_panic(expected = "noise of [2, 1, 1, 1] from 1 seeds")]
    fn more_pictures_than_seeds() {
        noise(RngKind::TorchCpu, &[1]).noise(&[2, 1, 1, 1]);
    }
}
