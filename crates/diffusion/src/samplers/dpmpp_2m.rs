//! DPM-Solver++(2M): Lu et al. 2022 (arXiv:2211.01095).

use aquatint_tensor::Tensor;

use super::exponential::{flow, time};
use super::walk::walk;
use crate::weighted::weighted;
use crate::{Denoiser, Watch};

/// Algorithm 2 of the paper: D is followed along the line through its last two values. One call
/// of the denoiser a step; second order.
#[track_caller]
pub fn dpmpp_2m(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    watch: &mut dyn Watch,
) -> Tensor {
    let mut last: Option<(f64, Tensor)> = None; // (h, D)
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        let h = time(sigma_next) - time(sigma);
        let denoised_d = match &last {
            Some((h_last, old_denoised)) if sigma_next > 0.0 => {
                let r = h_last / h;
                let beyond = 1.0 / (2.0 * r);
                weighted([(1.0 + beyond, &denoised), (-beyond, old_denoised)])
            }
            _ => denoised.clone(),
        };
        let next = flow(x, &denoised_d, h);
        last = Some((h, denoised.clone()));
        (next, denoised)
    })
}
