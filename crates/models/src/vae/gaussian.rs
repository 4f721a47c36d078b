//! What the encoder answers: a Gaussian with its own mean and variance for every number.

use aquatint_tensor::{Rng, Tensor};

/// N(mean, exp(logvar)), every number independent.
#[derive(Clone, Debug)]
pub struct DiagonalGaussian {
    /// `[N, h, w, C]`
    pub mean: Tensor,
    /// Logarithm of the variance, between −30 and 20. `[N, h, w, C]`
    pub logvar: Tensor,
}

impl DiagonalGaussian {
    /// Mean and log-variance side by side in the channels: `[N, h, w, 2C]`.
    #[track_caller]
    pub fn from_moments(moments: &Tensor) -> Self {
        let channels = moments.channels() / 2;
        Self {
            mean: moments.narrow(0, channels),
            logvar: moments.narrow(channels, channels).clamp(-30.0, 20.0),
        }
    }

    /// A draw, `mean + std · ε` (the reparameterization of Kingma & Welling 2014, section 2.4):
    /// gradients flow to both moments.
    pub fn sample(&self, rng: &mut Rng) -> Tensor {
        self.at(&rng.randn(self.mean.shape()))
    }

    /// The draw of this noise ε, of the mean's shape.
    #[track_caller]
    pub fn at(&self, noise: &Tensor) -> Tensor {
        self.mean.add(&self.logvar.scale(0.5).exp().mul(noise))
    }

    /// The most probable latents: the mean.
    pub fn mode(&self) -> Tensor {
        self.mean.clone()
    }

    /// KL divergence from N(0, 1) in nats (Kingma & Welling 2014, appendix B): summed over a
    /// picture's latents, averaged over the pictures. One number.
    pub fn kl(&self) -> Tensor {
        let terms = self.mean.sqr().add(&self.logvar.exp()).sub(&self.logvar).add_scalar(-1.0);
        terms.sum().scale(0.5 / self.mean.dim(0) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kl_of_known_gaussians() {
        let shape = [2, 1, 1, 1];
        let standard =
            DiagonalGaussian { mean: Tensor::zeros(&shape), logvar: Tensor::zeros(&shape) };
        assert_eq!(standard.kl().item(), 0.0);
        // KL(N(3, e²)) = (9 + e² − 1 − 2)/2, KL(N(0, 1)) = 0, and the mean of both.
        let moments = Tensor::new(vec![3.0, 2.0, 0.0, 0.0], &[2, 1, 1, 2]);
        let expected = (9.0 + 2f32.exp() - 1.0 - 2.0) / 2.0 / 2.0;
        let kl = DiagonalGaussian::from_moments(&moments).kl().item();
        assert!((kl - expected).abs() < 1e-5, "{kl} {expected}");
    }

    #[test]
    fn samples_have_the_moments() {
        let n = 20_000;
        let mean = Tensor::full(&[n], 0.5);
        let gaussian = DiagonalGaussian { mean, logvar: Tensor::full(&[n], 4f32.ln()) };
        let x = gaussian.sample(&mut Rng::new(5));
        let mean = x.mean().item();
        let std = (x.sum_of_squares() / n as f64 - (mean as f64).powi(2)).sqrt();
        assert!((mean - 0.5).abs() < 0.06 && (std - 2.0).abs() < 0.05, "{mean} ± {std}");
        let extreme = Tensor::new(vec![1.0, 1e6], &[1, 1, 1, 2]);
        assert_eq!(DiagonalGaussian::from_moments(&extreme).logvar.item(), 20.0);
    }
}
