//! The Fréchet distance of two Gaussians, of which the Fréchet Inception distance is one (Heusel et
//! al. 2017, equation 6; Dowson and Landau 1982):
//!
//! d² = ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2·(Σ₁·Σ₂)^½)

use crate::linear::{eigenvalues, low_rank_factor, product, transposed};
use crate::statistics::Statistics;

/// d², at least 0.
///
/// The trace of the root is taken without a root of a matrix that is not symmetric: with Σ₁ = L·Lᵀ,
/// Σ₁·Σ₂ has the eigenvalues of the symmetric Lᵀ·Σ₂·L, and zeros. None of these is negative but
/// for rounding. With fewer pictures than dimensions L has fewer columns, and those zeros are left
/// out instead of adding up the roots of rounding errors.
///
/// # Panics
/// If the two are of different sizes.
#[track_caller]
pub fn frechet_distance(a: &Statistics, b: &Statistics) -> f64 {
    let n = a.mean.len();
    assert_eq!(n, b.mean.len(), "statistics of different features");
    if a == b {
        return 0.0;
    }
    let apart: f64 = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b) * (a - b)).sum();
    let trace = |s: &Statistics| s.covariance.iter().step_by(n + 1).sum::<f64>();
    let (l, rank) = low_rank_factor(&a.covariance, n);
    let right = product(&b.covariance, &l, [n, n, rank]);
    let middle = product(&transposed(&l, [n, rank]), &right, [rank, n, rank]);
    let roots: f64 = eigenvalues(middle, rank).into_iter().map(|x| x.max(0.0).sqrt()).sum();
    (apart + trace(a) + trace(b) - 2.0 * roots).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaussians_of_one_dimension() {
        // (μ₁ − μ₂)² + (σ₁ − σ₂)²
        let one = |mean: f64, sd: f64| Statistics { mean: vec![mean], covariance: vec![sd * sd] };
        assert!((frechet_distance(&one(1.0, 2.0), &one(4.0, 0.5)) - (9.0 + 2.25)).abs() < 1e-12);
        assert_eq!(frechet_distance(&one(1.0, 0.0), &one(1.0, 0.0)), 0.0);
        assert!((frechet_distance(&one(1.0, 0.0), &one(1.0, 3.0)) - 9.0).abs() < 1e-12);
    }

    #[test]
    fn nearly_equal_statistics_are_near() {
        let n = 40;
        // Of rank 3.
        let x = |i: usize, k: usize| ((i * 13 + k * 7 + i * k) % 11) as f64 - 5.0;
        let entry = |i: usize| (0..3).map(|k| x(i / n, k) * x(i % n, k)).sum::<f64>();
        let a = Statistics { mean: vec![0.5; n], covariance: (0..n * n).map(entry).collect() };
        assert_eq!(frechet_distance(&a, &a.clone()), 0.0);
        let mut b = a.clone();
        b.covariance.iter_mut().for_each(|x| *x *= 1.0 + 1e-13);
        let distance = frechet_distance(&a, &b);
        assert!(distance < 1e-9, "{distance}");
    }
}
