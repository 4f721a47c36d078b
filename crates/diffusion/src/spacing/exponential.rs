//! Levels that fall by the same factor at every step: Crowson's k-diffusion.

use super::evenly;

/// `steps` noise levels from `sigma_max` down to `sigma_min`, and then 0, evenly spaced in ln σ:
/// the limit of [`super::karras`] as ρ → ∞.
pub fn exponential(sigma_min: f64, sigma_max: f64, steps: usize) -> Vec<f64> {
    evenly(sigma_max.ln(), sigma_min.ln(), steps).map(f64::exp).chain([0.0]).collect()
}
