//! Denoising Diffusion Implicit Models, Song, Meng and Ermon 2020 (arXiv:2010.02502).
//!
//! The paper writes αt for what is ᾱt everywhere else; so do the names in this file.

use aquatint_tensor::Tensor;

use super::euler::slope;
use super::walk::walk;
use crate::schedule::alpha_bar;
use crate::weighted::weighted;
use crate::{Denoiser, NoiseSource, Watch};

/// Eq. 12 for every step: η = 0 draws nothing and is DDIM, η = 1 is DDPM; between, eq. 16.
#[track_caller]
pub fn ddim(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    eta: f64,
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let (alpha, alpha_next) = (alpha_bar(sigma), alpha_bar(sigma_next));
        let x0 = denoiser.denoise(x, sigma); //                      "predicted x0", eq. 9
        let eps = slope(x, &x0, sigma);
        let renewed = eta * sigma_tau(alpha, alpha_next);
        let direction = (1.0 - alpha_next - renewed * renewed).max(0.0).sqrt();
        // The three terms of eq. 12: predicted x0, direction pointing to xt, random noise.
        let mut next = weighted([(alpha_next.sqrt(), &x0), (direction, &eps)]);
        if renewed > 0.0 {
            next = weighted([(1.0, &next), (renewed, &noise.noise(x.shape()))]);
        }
        (next.scale((1.0 / alpha_next.sqrt()) as f32), x0)
    })
}

/// Eq. 16 with η = 1: √((1 − α') / (1 − α)) · √(1 − α / α').
fn sigma_tau(alpha: f64, alpha_next: f64) -> f64 {
    ((1.0 - alpha_next) / (1.0 - alpha)).sqrt() * (1.0 - alpha / alpha_next).max(0.0).sqrt()
}
