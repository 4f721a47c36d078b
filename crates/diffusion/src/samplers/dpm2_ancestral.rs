//! DPM-Solver-2 that goes too far down and is led up again by new noise: Crowson's k-diffusion.

use aquatint_tensor::Tensor;

use super::dpm2::midpoint_step;
use super::euler_ancestral::{ancestral_step, renewed};
use super::walk::walk;
use crate::{Denoiser, NoiseSource, Watch};

/// [`super::euler_ancestral()`] with the step down of [`super::dpm2()`], which it is at η = 0.
#[track_caller]
pub fn dpm2_ancestral(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    eta: f64,
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let (sigma_down, sigma_up) = ancestral_step(sigma, sigma_next, eta);
        let denoised = denoiser.denoise(x, sigma);
        let down = midpoint_step(denoiser, x, &denoised, sigma, sigma_down);
        (renewed(down, sigma_up, noise), denoised)
    })
}
