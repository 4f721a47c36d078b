//! Where samplers get their noise from.

use aquatint_tensor::{Rng, Tensor};

/// Gives standard normal noise of a shape `[N, ..]`, new at every call. An [`Rng`] is a source,
/// and so is a closure; [`Noise`] is the one for pictures.
pub trait NoiseSource {
    /// Noise of this shape.
    fn noise(&mut self, shape: &[usize]) -> Tensor;
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
    pictures: Vec<Rng>,
}

impl Noise {
    /// The source of as many pictures as there are seeds.
    pub fn new(seeds: &[u64]) -> Self {
        Self { pictures: seeds.iter().map(|&seed| Rng::new(seed)).collect() }
    }

    /// Noise `[N, H, W, C]` for pictures of shape `[H, W, C]`.
    ///
    /// The numbers are drawn in the order of the field's layout, `[C, H, W]`: this is what makes
    /// a seed name the same picture here as in PyTorch.
    #[track_caller]
    pub fn randn(&mut self, picture: &[usize]) -> Tensor {
        let &[h, w, c] = picture else { panic!("noise for pictures of shape {picture:?}") };
        let draws = self.pictures.iter_mut().map(|rng| rng.randn(&[c, h, w]).to_vec());
        let values = draws.flatten().collect();
        Tensor::new(values, &[self.pictures.len(), c, h, w]).from_nchw()
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_does_not_depend_on_its_batch() {
        let mut batch = Noise::new(&[5, 6]);
        let mut alone = Noise::new(&[6]);
        for _ in 0..2 {
            let batch = batch.noise(&[2, 3, 4, 2]);
            assert_eq!(
                batch.narrow_rows(1, 1).to_vec(),
                alone.noise(&[1, 3, 4, 2]).to_vec(),
                "the second of two is the same alone, at every draw"
            );
        }
    }

    /// torch.manual_seed(42); torch.randn(1, 4, 2, 2)[0, :, 0, 0] and [0, :, 0, 1].
    #[test]
    fn drawn_channels_first() {
        let x = Noise::new(&[42]).randn(&[2, 2, 4]).to_vec();
        let expected = [1.926_915_3, 0.678_418_46, -0.752_135_3, -0.727_881_3];
        let next = [1.487_284_1, -1.234_544_9, 1.648_723, -0.559_430_2];
        for (x, e) in x.iter().zip(expected.into_iter().chain(next)) {
            assert!((x - e).abs() < 1e-6, "{x} is not {e}");
        }
    }

    #[test]
    #[should_panic(expected = "noise of [2, 1, 1, 1] from 1 seeds")]
    fn more_pictures_than_seeds() {
        Noise::new(&[1]).noise(&[2, 1, 1, 1]);
    }
}
