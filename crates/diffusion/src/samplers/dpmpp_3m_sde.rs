//! SDE-DPM-Solver++(3M): Crowson's k-diffusion, after Lu et al. 2022 (arXiv:2211.01095).

use aquatint_tensor::Tensor;

use super::exponential::{flow, time};
use super::walk::walk;
use crate::brownian::Brownian;
use crate::weighted::weighted;
use crate::{Denoiser, NoiseSource, Watch};

/// [`super::dpmpp_2m_sde()`] with a parabola through three values of D instead of a line through
/// two. It wants many steps. One call of the denoiser a step.
///
/// As in all published code, the parabola bends half as much as it would have to: with 2 φ3 for φ3
/// the method were of third order at η = 0. Pictures are to be those that others make.
#[track_caller]
pub fn dpmpp_3m_sde(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    eta: f64,
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    let mut brownian = Brownian::new(noise, sigmas);
    let mut seen: Vec<(f64, Tensor)> = Vec::new(); // (h, D), newest first
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        if sigma_next == 0.0 {
            return (denoised.clone(), denoised);
        }
        let h = time(sigma_next) - time(sigma);
        let h_eta = h * (eta + 1.0);
        let phi_2 = (-h_eta).exp_m1() / h_eta + 1.0;
        let phi_3 = phi_2 / h_eta - 0.5;
        // Divided differences of D, of first and second order.
        let d = |newer: &Tensor, older: &Tensor, r: f64| newer.sub(older).scale((1.0 / r) as f32);
        let mut next = flow(x, &denoised, h_eta);
        match &seen[..] {
            [(h_1, denoised_1), (h_2, denoised_2)] => {
                let (r0, r1) = (h_1 / h, h_2 / h);
                let d1_0 = d(&denoised, denoised_1, r0);
                let d1_1 = d(denoised_1, denoised_2, r1);
                let d2 = d(&d1_0, &d1_1, r0 + r1);
                let d1 = weighted([(1.0, &d1_0), (r0, &d2)]);
                next = weighted([(1.0, &next), (phi_2, &d1), (-phi_3, &d2)]);
            }
            [(h_1, denoised_1)] => {
                next = weighted([(1.0, &next), (phi_2, &d(&denoised, denoised_1, h_1 / h))]);
            }
            _ => {}
        }
        if eta > 0.0 {
            let sigma_up = sigma_next * (-(-2.0 * h * eta).exp_m1()).sqrt();
            let z = brownian.noise(x.shape(), sigma, sigma_next);
            next = weighted([(1.0, &next), (sigma_up, &z)]);
        }
        seen.insert(0, (h, denoised.clone()));
        seen.truncate(2);
        (next, denoised)
    })
}
