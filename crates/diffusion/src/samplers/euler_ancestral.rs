//! Euler steps that go too far down and are led up again by new noise: Crowson's k-diffusion.

use aquatint_tensor::Tensor;

use super::euler::slope;
use super::walk::walk;
use crate::weighted::weighted;
use crate::{Denoiser, NoiseSource, Watch};

/// From σ to σ' by an Euler step to σ_down and noise of σ_up, where σ_down² + σ_up² = σ'². At
/// η = 0 this is [`super::euler()`], at η = 1 it is [`super::ddpm()`] in other words.
#[track_caller]
pub fn euler_ancestral(
    denoiser: &dyn Denoiser,
    x: Tensor,
    sigmas: &[f64],
    eta: f64,
    noise: &mut dyn NoiseSource,
    watch: &mut dyn Watch,
) -> Tensor {
    walk(x, sigmas, watch, |x, sigma, sigma_next| {
        let denoised = denoiser.denoise(x, sigma);
        let d = slope(x, &denoised, sigma);
        let (sigma_down, sigma_up) = ancestral_step(sigma, sigma_next, eta);
        let down = weighted([(1.0, x), (sigma_down - sigma, &d)]);
        (renewed(down, sigma_up, noise), denoised)
    })
}

/// (σ_down, σ_up) of the step from σ to σ'. At η = 1, σ_up² is the variance that q(x' | x, x0)
/// has: of the noise at σ', the part σ'²/σ² is known from x, and the rest is renewed.
pub(super) fn ancestral_step(sigma: f64, sigma_next: f64, eta: f64) -> (f64, f64) {
    let renewed = 1.0 - (sigma_next / sigma).powi(2);
    let sigma_up = eta * sigma_next * renewed.sqrt();
    ((sigma_next * sigma_next - sigma_up * sigma_up).sqrt(), sigma_up)
}

/// x with new noise of σ_up, which is not drawn where there is none.
#[track_caller]
pub(super) fn renewed(x: Tensor, sigma_up: f64, noise: &mut dyn NoiseSource) -> Tensor {
    if sigma_up == 0.0 {
        return x;
    }
    weighted([(1.0, &x), (sigma_up, &noise.noise(x.shape()))])
}

#[cfg(test)]
mod tests {
    use super::ancestral_step;

    #[test]
    fn noise_down_and_up() {
        assert_eq!(ancestral_step(5.0, 3.0, 0.0), (3.0, 0.0));
        // 3·√(1 − 9/25) = 2.4 up, √(9 − 5.76) = 1.8 down.
        let (down, up) = ancestral_step(5.0, 3.0, 1.0);
        assert!((down - 1.8).abs() < 1e-12 && (up - 2.4).abs() < 1e-12, "{down}, {up}");
        assert_eq!(ancestral_step(5.0, 0.0, 1.0), (0.0, 0.0));
    }
}
