//! The linear multistep method for uneven steps: Crowson's k-diffusion.

use aquatint_tensor::Tensor;

use super::adams;
use super::euler::slope;
use super::walk::walk;
use crate::weighted::combined;
use crate::{Denoiser, Watch};

/// The order that k-diffusion and diffusers have.
const ORDER: usize = 4;

/// Adams's and Bashforth's method in σ: the slope is the polynomial in σ through the slopes at the
/// last four levels. One call of the denoiser a step; it begins with lower orders.
#[track_caller]
pub fn lms(denoiser: &dyn Denoiser, x: Tensor, sigmas: &[f64], watch: &mut dyn Watch) -> Tensor {
    let (mut points, mut slopes) = (Vec::new(), Vec::new()); // newest first
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        points.insert(0, sigma);
        slopes.insert(0, slope(x, &denoised, sigma));
        points.truncate(ORDER);
        slopes.truncate(ORDER);
        let weights = adams::weights(&points, sigma, sigma_next, |_| 1.0);
        let terms: Vec<_> =
            [(1.0, x)].into_iter().chain(weights.into_iter().zip(&slopes)).collect();
        (combined(&terms), denoised)
    })
}
