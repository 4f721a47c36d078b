//! What the samplers of the DPM-Solver family share: time is t = −ln σ, and h = t' − t.

use aquatint_tensor::Tensor;

use crate::weighted::weighted;

/// k-diffusion's `t_fn`: t = −ln σ, half the logarithm of the signal-to-noise ratio. ∞ at σ = 0.
pub(super) fn time(sigma: f64) -> f64 {
    -sigma.ln()
}

/// k-diffusion's `sigma_fn`: σ = e^−t.
pub(super) fn sigma(t: f64) -> f64 {
    (-t).exp()
}

/// e^−h x + (1 − e^−h) D: the probability flow over h, exact if D did not change on the way; Lu et
/// al. 2022 (arXiv:2211.01095), Proposition 4.1. It is a step of Euler's in σ.
#[track_caller]
pub(super) fn flow(x: &Tensor, denoised: &Tensor, h: f64) -> Tensor {
    weighted([((-h).exp(), x), (-(-h).exp_m1(), denoised)])
}
