//! Multistep consistency sampling: Song et al. 2023 (arXiv:2303.01469), Algorithm 1; latent
//! consistency models: Luo et al. 2023 (arXiv:2310.04378), Algorithm 3.

use aquatint_tensor::Tensor;

use super::walk::walk;
use crate::weighted::weighted;
use crate::{Denoiser, NoiseSource, Watch};

/// x' = f(x; σ) + σ' ε for a denoiser f that answers where the probability flow ends, as models
/// distilled for it do: four steps instead of fifty. Nothing is added after the last step.
///
/// The authors multiply with c_skip(t) and c_out(t) so that f is the identity at t = 0. At the
/// timesteps that such models are asked for these are 0 and 1 up to 7·10⁻⁶, and so they are here.
#[track_caller]
pub fn lcm(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    let end = sigmas.last().copied();
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        if end == Some(sigma_next) {
            return (denoised.clone(), denoised);
        }
        let z = noise.noise(x.shape());
        (weighted([(1.0, &denoised), (sigma_next, &z)]), denoised)
    })
}
