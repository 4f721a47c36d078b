//! The levels that are best if the data were one Gaussian: Sabour et al. 2024 (arXiv:2404.14507).

use super::evenly;

/// `steps` noise levels from `sigma_max` down to `sigma_min`, and then 0, evenly spaced in
/// arctan σ: Theorem 3.1 of the paper.
pub fn kl_optimal(sigma_min: f64, sigma_max: f64, steps: usize) -> Vec<f64> {
    evenly(sigma_max.atan(), sigma_min.atan(), steps).map(f64::tan).chain([0.0]).collect()
}
