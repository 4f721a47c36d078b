//! A stream of any kind.

use super::numpy::Numpy;
use super::torch_cuda::TorchCuda;
use super::{Rng, RngKind, SeedTooLarge};
use crate::Tensor;
use crate::pool::Buffer;

/// Standard normals as the original of an [`RngKind`] draws them.
#[derive(Clone)]
pub struct Stream(Generator);

#[derive(Clone)]
enum Generator {
    TorchCpu(Rng),
    TorchCuda(TorchCuda),
    Numpy(Numpy),
}

impl Stream {
    /// The stream that the original has after it was given this seed.
    ///
    /// # Errors
    /// If the original refuses the seed; see [`RngKind::check_seed`].
    pub fn new(kind: RngKind, seed: u64) -> Result<Self, SeedTooLarge> {
        kind.check_seed(seed)?;
        Ok(Self(match kind {
            RngKind::TorchCpu => Generator::TorchCpu(Rng::new(seed)),
            RngKind::TorchCuda => Generator::TorchCuda(TorchCuda::new(seed)),
            // The seed was checked: this cuts nothing off.
            RngKind::Numpy => Generator::Numpy(Numpy::new(seed as u32)),
        }))
    }

    /// Independent standard normals: one call of the original's `randn(shape)`. Numbers can depend
    /// on how many were asked for at once, as they do in PyTorch.
    pub fn randn(&mut self, shape: &[usize]) -> Tensor {
        let mut data = Buffer::stale(shape.iter().product());
        match &mut self.0 {
            Generator::TorchCpu(rng) => rng.fill_normal(&mut data),
            Generator::TorchCuda(rng) => rng.fill_normal(&mut data),
            Generator::Numpy(rng) => rng.fill_normal(&mut data),
        }
        Tensor::from_buffer(data, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// torch.manual_seed(seed); torch.randn(2) on a CPU and on a GPU (rounded), and
    /// np.random.seed(seed); np.random.randn(2), each for seed 42.
    #[test]
    fn every_kind_draws_its_own() {
        for (kind, expected) in [
            (RngKind::TorchCpu, [0.336_690_4, 0.128_809_42]),
            (RngKind::TorchCuda, [0.1940, 2.1614]),
            (RngKind::Numpy, [0.496_714_14, -0.138_264_3]),
        ] {
            let x = Stream::new(kind, 42).expect("a short seed").randn(&[2, 1]);
            assert_eq!(x.shape(), [2, 1]);
            for (x, e) in x.to_vec().iter().zip(expected) {
                assert!((x - e).abs() < 6e-5, "{kind}: {x} is not {e}");
            }
        }
    }

    /// torch.manual_seed(2**32 + 5); torch.randn(4) equals torch.manual_seed(5); torch.randn(4).
    #[test]
    fn torch_reads_32_bits_of_a_seed_on_a_cpu() {
        let first = |kind, seed| Stream::new(kind, seed).expect("any").randn(&[4]).to_vec();
        let (short, long) = (5, (1 << 32) + 5);
        assert_eq!(first(RngKind::TorchCpu, short), first(RngKind::TorchCpu, long));
        assert_ne!(first(RngKind::TorchCuda, short), first(RngKind::TorchCuda, long));
        assert!(Stream::new(RngKind::Numpy, long).is_err());
    }

    #[test]
    fn moments_of_normals() {
        for kind in RngKind::ALL {
            let x = Stream::new(kind, 1).expect("a short seed").randn(&[1 << 20]).to_vec();
            let moment = |k| x.iter().map(|&v| (v as f64).powi(k)).sum::<f64>() / x.len() as f64;
            for (k, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
                // Four standard errors: the variance of x⁴ is 96, of x³ 15.
                let error = 4.0 * [1.0, 2.0, 15.0, 96.0_f64][k as usize - 1].sqrt() / 1024.0;
                assert!((moment(k) - expected).abs() < error, "{kind}: {k} is {}", moment(k));
            }
        }
    }
}
