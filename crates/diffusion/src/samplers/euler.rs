//! Euler's method on the probability flow: Karras et al. 2022 (arXiv:2206.00364).

use aquatint_tensor::Tensor;

use super::walk::walk;
use crate::weighted::weighted;
use crate::{Denoiser, Watch};

/// Algorithm 1 of the paper with σ(t) = t, s(t) = 1 and without the correction (lines 1–5).
/// One call of the denoiser a step; first order.
#[track_caller]
pub fn euler(denoiser: &dyn Denoiser, x: Tensor, sigmas: &[f64], watch: &mut dyn Watch) -> Tensor {
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        let d = slope(x, &denoised, sigma);
        (weighted([(1.0, x), (sigma_next - sigma, &d)]), denoised) // line 5
    })
}

/// dx/dσ = (x − D(x; σ)) / σ: eq. 3 and line 4. It is also the noise that the denoiser sees.
#[track_caller]
pub(super) fn slope(x: &Tensor, denoised: &Tensor, sigma: f64) -> Tensor {
    x.sub(denoised).scale((1.0 / sigma) as f32)
}
