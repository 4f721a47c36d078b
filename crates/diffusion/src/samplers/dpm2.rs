//! DPM-Solver-2: Lu et al. 2022 (arXiv:2206.00927), as Crowson's k-diffusion has it.

use aquatint_tensor::Tensor;

use super::euler::slope;
use super::walk::walk;
use crate::weighted::weighted;
use crate::{Denoiser, Watch};

/// Algorithm 1 of the paper with r = ½: a step of Euler's to the middle in ln σ, whose slope then
/// leads all the way. Two calls of the denoiser a step, but one for the step to 0; second order.
#[track_caller]
pub fn dpm2(denoiser: &dyn Denoiser, x: Tensor, sigmas: &[f64], watch: &mut dyn Watch) -> Tensor {
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        (midpoint_step(denoiser, x, &denoised, sigma, sigma_next), denoised)
    })
}

/// From x at σ, where the denoiser saw `denoised`, to σ'.
#[track_caller]
pub(super) fn midpoint_step(
    denoiser: &dyn Denoiser,
    x: &Tensor,
    denoised: &Tensor,
    sigma: f64,
    sigma_next: f64,
) -> Tensor {
    let d = slope(x, denoised, sigma);
    let sigma_mid = (sigma * sigma_next).sqrt();
    if sigma_mid == 0.0 {
        return weighted([(1.0, x), (-sigma, &d)]);
    }
    let x_2 = weighted([(1.0, x), (sigma_mid - sigma, &d)]);
    let d_2 = slope(&x_2, &denoiser.denoise(&x_2, sigma_mid), sigma_mid);
    weighted([(1.0, x), (sigma_next - sigma, &d_2)])
}
