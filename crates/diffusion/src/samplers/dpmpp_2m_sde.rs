//! SDE-DPM-Solver++(2M): Lu et al. 2022 (arXiv:2211.01095), as Crowson's k-diffusion has it.

use aquatint_tensor::Tensor;

use super::exponential::{flow, time};
use super::walk::walk;
use crate::brownian::Brownian;
use crate::weighted::weighted;
use crate::{Denoiser, NoiseSource, Watch};

/// Section 5 of the paper, in its "midpoint" form, with k-diffusion's η for how much of the noise is
/// renewed: at η = 0 it is [`super::dpmpp_2m()`]. One call of the denoiser a step.
#[track_caller]
pub fn dpmpp_2m_sde(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    eta: f64,
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    let mut brownian = Brownian::new(noise, sigmas);
    let mut last: Option<(f64, Tensor)> = None; // (h, D)
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        if sigma_next == 0.0 {
            return (denoised.clone(), denoised);
        }
        let h = time(sigma_next) - time(sigma);
        let eta_h = eta * h;
        let mut next = flow(x, &denoised, h + eta_h);
        if let Some((h_last, old_denoised)) = &last {
            let r = h_last / h;
            let beyond = -0.5 * (-h - eta_h).exp_m1() / r;
            next = weighted([(1.0, &next), (beyond, &denoised), (-beyond, old_denoised)]);
        }
        if eta > 0.0 {
            let sigma_up = sigma_next * (-(-2.0 * eta_h).exp_m1()).sqrt();
            let z = brownian.noise(x.shape(), sigma, sigma_next);
            next = weighted([(1.0, &next), (sigma_up, &z)]);
        }
        last = Some((h, denoised.clone()));
        (next, denoised)
    })
}
