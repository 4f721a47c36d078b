//! Pseudo linear multistep, PNDM without its Runge-Kutta start: Liu et al. 2022 (arXiv:2202.09778).

use aquatint_tensor::Tensor;

use super::euler::slope;
use super::walk::walk;
use crate::weighted::combined;
use crate::{Denoiser, Watch};

/// The linear multistep of section 3: DDIM's step with ε of four steps, in the weights that Adams and Bashforth
/// found for even steps. It begins as latent diffusion's PLMS does, with a step of Heun's, and
/// then has one call of the denoiser a step.
///
/// The steps are seldom even in σ, which is why this is of second order whatever the weights are.
#[track_caller]
pub fn plms(denoiser: &dyn Denoiser, x: Tensor, sigmas: &[f64], watch: &mut dyn Watch) -> Tensor {
    let mut eps: Vec<Tensor> = Vec::new(); // newest first
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let step = sigma_next - sigma;
        let denoised = denoiser.denoise(x, sigma);
        eps.insert(0, slope(x, &denoised, sigma));
        eps.truncate(4);
        let next = |weights: &[f64]| {
            let terms = weights.iter().map(|w| step * w).zip(&eps);
            combined(&[(1.0, x)].into_iter().chain(terms).collect::<Vec<_>>())
        };
        let next = match eps.len() {
            1 => {
                let euler = next(&[1.0]);
                if sigma_next == 0.0 {
                    return (euler, denoised);
                }
                let eps_next = slope(&euler, &denoiser.denoise(&euler, sigma_next), sigma_next);
                combined(&[(1.0, x), (step / 2.0, &eps[0]), (step / 2.0, &eps_next)])
            }
            2 => next(&[3.0, -1.0].map(|w| w / 2.0)),
            3 => next(&[23.0, -16.0, 5.0].map(|w| w / 12.0)),
            _ => next(&[55.0, -59.0, 37.0, -9.0].map(|w| w / 24.0)),
        };
        (next, denoised)
    })
}
