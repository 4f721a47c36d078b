//! Timesteps by a beta distribution, dense at both ends: Lee et al. 2024 (arXiv:2407.12173).

use crate::Schedule;

/// Both parameters of the distribution: the paper's recommendation.
const SHAPE: f64 = 0.6;

/// σ at the `steps` timesteps that are the quantiles 1, 1 − 1/n, …, 1/n of the distribution,
/// rounded to whole ones, and then 0. diffusers' `use_beta_sigmas` takes quantiles of σ instead,
/// which is not what the paper says.
pub fn beta(schedule: &Schedule, steps: usize) -> Vec<f64> {
    let last = (schedule.len() - 1) as f64;
    let timestep = |i: usize| {
        let quantile = quantile(1.0 - i as f64 / steps as f64);
        (quantile * last).round_ties_even() as usize
    };
    (0..steps).map(|i| schedule.sigma(timestep(i))).chain([0.0]).collect()
}

/// x with I(x) = `probability`, by halving.
fn quantile(probability: f64) -> f64 {
    if probability > 0.5 {
        return 1.0 - quantile(1.0 - probability);
    }
    if probability == 0.5 {
        return 0.5;
    }
    let (mut low, mut high) = (0.0, 0.5);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if incomplete(middle) < 2.0 * incomplete(0.5) * probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// B(x; a, a) = x^a Σ (1 − a)(2 − a)⋯(n − a) / n! · x^n / (a + n), for x ≤ ½. The whole
/// B(1; a, a) is twice that of ½.
fn incomplete(x: f64) -> f64 {
    let mut term = x.powf(SHAPE);
    let mut sum = 0.0;
    for n in 0..60 {
        sum += term / (SHAPE + n as f64);
        term *= x * (n as f64 + 1.0 - SHAPE) / (n as f64 + 1.0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.beta.ppf(p, 0.6, 0.6).
    #[test]
    fn quantiles() {
        for (p, expected) in [
            (0.02, 0.002732982024577027),
            (0.1, 0.03958440558878085),
            (0.5, 0.5000000000000001),
            (0.75, 0.824319621347305),
            (0.98, 0.9972670179754229),
        ] {
            assert!((quantile(p) - expected).abs() < 1e-12, "{} at {p}", quantile(p));
        }
    }
}
