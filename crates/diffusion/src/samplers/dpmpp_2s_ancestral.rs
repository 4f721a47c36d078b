//! DPM-Solver++(2S) that goes too far down and is led up again by new noise: Lu et al. 2022
//! (arXiv:2211.01095) and Crowson's k-diffusion.

use aquatint_tensor::Tensor;

use super::euler_ancestral::{ancestral_step, renewed};
use super::exponential::{flow, sigma as sigma_of, time};
use super::walk::walk;
use crate::{Denoiser, NoiseSource, Watch};

/// Algorithm 1 of the paper with r = ½ down to σ_down, and noise of σ_up. Two calls of the denoiser
/// a step, but one for the step to 0.
#[track_caller]
pub fn dpmpp_2s_ancestral(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    eta: f64,
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        let (sigma_down, sigma_up) = ancestral_step(sigma, sigma_next, eta);
        if sigma_down == 0.0 {
            return (denoised.clone(), denoised);
        }
        let (t, t_next) = (time(sigma), time(sigma_down));
        let h = t_next - t;
        let s = t + h / 2.0;
        let x_2 = flow(x, &denoised, h / 2.0);
        let denoised_2 = denoiser.denoise(&x_2, sigma_of(s));
        (renewed(flow(x, &denoised_2, h), sigma_up, noise), denoised)
    })
}
