//! Heun's method on the probability flow: Karras et al. 2022 (arXiv:2206.00364).

use aquatint_tensor::Tensor;

use super::euler::slope;
use super::walk::walk;
use crate::weighted::weighted;
use crate::{Denoiser, Watch};

/// Algorithm 1 of the paper with σ(t) = t and s(t) = 1. Two calls of the denoiser a step, but one
/// for the step to 0; second order.
#[track_caller]
pub fn heun(denoiser: &dyn Denoiser, x: Tensor, sigmas: &[f64], watch: &mut dyn Watch) -> Tensor {
    walk(x, sigmas, watch, |x, sigma, sigma_next| heun_step(denoiser, x, sigma, sigma_next))
}

/// Lines 4–8: the next x, and what the denoiser saw at σ.
#[track_caller]
pub(super) fn heun_step(
    denoiser: &dyn Denoiser,
    x: &Tensor,
    sigma: f64,
    sigma_next: f64,
) -> (Tensor, Tensor) {
    let denoised = denoiser.denoise(x, sigma);
    let d = slope(x, &denoised, sigma); //                       line 4
    let step = sigma_next - sigma;
    let euler = weighted([(1.0, x), (step, &d)]); //             line 5
    if sigma_next == 0.0 {
        return (euler, denoised); //                             line 6
    }
    let denoised_next = denoiser.denoise(&euler, sigma_next);
    let d_next = slope(&euler, &denoised_next, sigma_next); //   line 7
    (weighted([(1.0, x), (step / 2.0, &d), (step / 2.0, &d_next)]), denoised) // line 8
}
