//! DPM-Solver++ with noise at both stages of a step: Crowson's k-diffusion, after Lu et al. 2022
//! (arXiv:2211.01095).

use aquatint_tensor::Tensor;

use super::euler_ancestral::ancestral_step;
use super::exponential::{flow, sigma as sigma_of, time};
use super::walk::walk;
use crate::brownian::Brownian;
use crate::weighted::weighted;
use crate::{Denoiser, NoiseSource, Watch};

/// To the middle of the step in t = −ln σ, and from its start again all the way with what the
/// denoiser sees there. The noise of both is one Brownian motion's. Two calls of the denoiser a
/// step, but one for the step to 0.
#[track_caller]
pub fn dpmpp_sde(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    eta: f64,
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    let mut brownian = Brownian::new(noise, sigmas);
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let mut stage = |denoised: &Tensor, sigma_to: f64| {
            let (sigma_down, sigma_up) = ancestral_step(sigma, sigma_to, eta);
            let down = flow(x, denoised, time(sigma_down) - time(sigma));
            if sigma_up == 0.0 {
                return down;
            }
            let z = brownian.noise(x.shape(), sigma, sigma_to);
            weighted([(1.0, &down), (sigma_up, &z)])
        };
        let denoised = denoiser.denoise(x, sigma);
        if sigma_next == 0.0 {
            return (denoised.clone(), denoised);
        }
        let sigma_mid = sigma_of((time(sigma) + time(sigma_next)) / 2.0);
        let x_2 = stage(&denoised, sigma_mid);
        let denoised_2 = denoiser.denoise(&x_2, sigma_mid);
        (stage(&denoised_2, sigma_next), denoised)
    })
}
