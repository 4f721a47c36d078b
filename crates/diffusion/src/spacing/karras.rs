//! The levels of Karras et al. 2022 (arXiv:2206.00364).

use super::evenly;

/// `steps` noise levels from `sigma_max` down to `sigma_min`, and then 0, evenly spaced in σ^(1/ρ):
/// eq. 5. The paper recommends `rho` = 7.
///
/// # Panics
/// If there are no steps or not 0 < `sigma_min` ≤ `sigma_max`.
#[track_caller]
pub fn karras(sigma_min: f64, sigma_max: f64, steps: usize, rho: f64) -> Vec<f64> {
    assert!(steps > 0, "a run of no steps");
    assert!(0.0 < sigma_min && sigma_min <= sigma_max, "σ from {sigma_max} down to {sigma_min}");
    let roots = evenly(sigma_max.powf(1.0 / rho), sigma_min.powf(1.0 / rho), steps);
    roots.map(|root| root.powf(rho)).chain([0.0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn karras_of_the_paper() {
        let sigmas = karras(0.002, 80.0, 5, 7.0);
        assert_eq!(sigmas.len(), 6);
        assert_eq!(sigmas[5], 0.0);
        // (80^(1/7) + i/4 (0.002^(1/7) − 80^(1/7)))⁷ for i = 0, 1, 2.
        for (sigma, expected) in sigmas.iter().zip([80.0, 17.527_831_96, 2.515_218_98]) {
            assert!((sigma / expected - 1.0).abs() < 1e-6, "{sigma} is not {expected}");
        }
        assert!((sigmas[4] - 0.002).abs() < 1e-12);
    }
}
