//! Ancestral sampling over fewer steps than training had: Algorithm 2 of Ho et al. 2020
//! (arXiv:2006.11239), respaced as in Nichol and Dhariwal 2021 (arXiv:2102.09672), section 4.

use aquatint_tensor::Tensor;

use super::euler::slope;
use super::walk::walk;
use crate::schedule::alpha_bar;
use crate::weighted::weighted;
use crate::{Denoiser, NoiseSource, Watch};

/// Algorithm 2 where one step goes from ᾱ to ᾱ', so that its α is ᾱ / ᾱ' (Nichol and Dhariwal,
/// eq. 19), with σt² = β̃t. Over all timesteps it is [`crate::ddpm::sample`].
#[track_caller]
pub fn ddpm(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let (alpha_bar, alpha_bar_next) = (alpha_bar(sigma), alpha_bar(sigma_next));
        let alpha = alpha_bar / alpha_bar_next;
        let beta = 1.0 - alpha;
        let beta_tilde = ((1.0 - alpha_bar_next) / (1.0 - alpha_bar) * beta).max(0.0);

        let denoised = denoiser.denoise(x, sigma);
        let eps = slope(x, &denoised, sigma); //                     εθ(xt, t)
        let xt = x.scale(alpha_bar.sqrt() as f32);
        let of_eps = beta / (1.0 - alpha_bar).sqrt();
        // Line 4: xt−1 = (xt − (1 − αt)/√(1 − ᾱt) εθ) / √αt + σt z, with z = 0 where σt is.
        let mut next = weighted([(1.0, &xt), (-of_eps, &eps)]).scale((1.0 / alpha.sqrt()) as f32);
        if beta_tilde > 0.0 {
            next = weighted([(1.0, &next), (beta_tilde.sqrt(), &noise.noise(x.shape()))]);
        }
        (next.scale((1.0 / alpha_bar_next.sqrt()) as f32), denoised)
    })
}
