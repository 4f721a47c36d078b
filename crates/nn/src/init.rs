//! Where weights begin.

use aquatint_tensor::{Rng, Tensor};

/// The distribution of a parameter before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// 0 everywhere.
    Zeros,
    /// 1 everywhere.
    Ones,
    /// Gaussian around 0 with this standard deviation.
    Normal(f32),
    /// Uniform between minus and plus this bound.
    Uniform(f32),
}

impl Init {
    /// PyTorch's default for `Linear` and `Conv2d`, weight and bias alike: uniform in
    /// ±1/√fan_in, which is He et al. 2015 (`kaiming_uniform_`) with a = √5.
    pub fn kaiming_uniform(fan_in: usize) -> Self {
        Self::Uniform(1.0 / (fan_in as f32).sqrt())
    }

    /// A tensor drawn from the distribution.
    pub fn draw(self, shape: &[usize], rng: &mut Rng) -> Tensor {
        match self {
            Self::Zeros => Tensor::zeros(shape),
            Self::Ones => Tensor::full(shape, 1.0),
            Self::Normal(std) => rng.randn(shape).scale(std),
            Self::Uniform(bound) => {
                Tensor::from_fn(shape, |_| ((2.0 * rng.uniform() - 1.0) * bound as f64) as f32)
            }
        }
    }
}
