//! Trajectory consistency distillation: Zheng et al. 2024 (arXiv:2402.19159).

use aquatint_tensor::Tensor;

use super::euler::slope;
use super::walk::walk;
use crate::weighted::weighted;
use crate::{Denoiser, NoiseSource, Watch};

/// The paper's strategic stochastic sampling: along the trajectory from t down to s = (1 − γ) t',
/// and by noise up to t'. γ = 0 is [`super::euler()`], γ = 1 is [`super::lcm()`] up to the noise of
/// the first timestep. Nothing is added after the last step. For models distilled for it.
///
/// Timesteps are the denoiser's: [`Denoiser::schedule`]. Without one, time is σ.
#[track_caller]
pub fn tcd(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    gamma: f64,
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    let end = sigmas.last().copied();
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let sigma_s = match denoiser.schedule() {
            _ if end == Some(sigma_next) => sigma_next,
            Some(schedule) => {
                let s = ((1.0 - gamma) * schedule.t(sigma_next)).floor() as usize;
                schedule.sigma(s).min(sigma_next)
            }
            None => (1.0 - gamma) * sigma_next,
        };
        let denoised = denoiser.denoise(x, sigma);
        let eps = slope(x, &denoised, sigma);
        let mut next = weighted([(1.0, &denoised), (sigma_s, &eps)]);
        if sigma_s < sigma_next {
            let sigma_up = (sigma_next * sigma_next - sigma_s * sigma_s).sqrt();
            next = weighted([(1.0, &next), (sigma_up, &noise.noise(x.shape()))]);
        }
        (next, denoised)
    })
}
