//! Diffusion Exponential Integrator Sampler: Zhang and Chen 2022 (arXiv:2204.13902).

use aquatint_tensor::Tensor;

use super::adams;
use super::euler::slope;
use super::walk::walk;
use crate::weighted::combined;
use crate::{Denoiser, Watch};

/// The order that diffusers has if none is set.
const ORDER: usize = 2;
/// Runs shorter than this end with a step of first order, as in diffusers.
const SHORT: usize = 15;

/// The paper's ρAB-DEIS, ρ being σ here: ε is the polynomial in ln ρ through the ε of the last two
/// levels, and ∫ ε dρ is taken exactly. [`super::lms()`] is the same with a polynomial in ρ. One
/// call of the denoiser a step.
#[track_caller]
pub fn deis(denoiser: &dyn Denoiser, x: Tensor, sigmas: &[f64], watch: &mut dyn Watch) -> Tensor {
    let (mut points, mut eps) = (Vec::new(), Vec::new()); // newest first
    let ends = if sigmas.len() <= SHORT { sigmas.last().copied() } else { None };
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        points.insert(0, sigma.ln());
        eps.insert(0, slope(x, &denoised, sigma));
        // There is no logarithm of the last σ, if that is 0.
        let order = if sigma_next == 0.0 || ends == Some(sigma_next) { 1 } else { ORDER };
        points.truncate(order);
        eps.truncate(order);
        let weights = match order {
            1 => vec![sigma_next - sigma],
            // dρ = ρ d ln ρ.
            _ => adams::weights(&points, sigma.ln(), sigma_next.ln(), f64::exp),
        };
        let terms: Vec<_> = [(1.0, x)].into_iter().chain(weights.into_iter().zip(&eps)).collect();
        (combined(&terms), denoised)
    })
}
