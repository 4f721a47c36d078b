//! The weights of Adams and Bashforth for uneven steps: integrals of the polynomials of Lagrange.

/// Nodes and weights of Gauss and Legendre on [−1, 1], each for both signs: eight points, exact up
/// to degree 15.
const GAUSS: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

/// For each of the points u: ∫ L(u) density(u) du from `from` to `to`, where L is the polynomial
/// that is 1 at this point and 0 at all others. What has been seen at the points, summed with
/// these weights, is the integral of the polynomial through it.
pub(super) fn weights(points: &[f64], from: f64, to: f64, density: fn(f64) -> f64) -> Vec<f64> {
    let (middle, half) = ((from + to) / 2.0, (to - from) / 2.0);
    let weight = |j: usize| {
        let at = |u: f64| half * lagrange(points, j, u) * density(u);
        GAUSS.iter().map(|(u, w)| w * (at(middle - half * u) + at(middle + half * u))).sum()
    };
    (0..points.len()).map(weight).collect()
}

/// Π (u − points[k]) / (points[j] − points[k]) over all k ≠ j.
fn lagrange(points: &[f64], j: usize, u: f64) -> f64 {
    let others = points.iter().enumerate().filter(|(k, _)| *k != j);
    others.map(|(_, point)| (u - point) / (points[j] - point)).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_steps_have_the_weights_of_the_textbooks() {
        for (points, expected) in [
            (&[0.0][..], &[1.0][..]),
            (&[0.0, -1.0], &[1.5, -0.5]),
            (&[0.0, -1.0, -2.0, -3.0], &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0]),
        ] {
            for (w, e) in weights(points, 0.0, 1.0, |_| 1.0).iter().zip(expected) {
                assert!((w - e).abs() < 1e-13, "{w} is not {e}");
            }
        }
    }

    /// ∫ u e^u du = (u − 1) e^u, over as long a step as one that halves the noise five times.
    #[test]
    fn a_density_that_grows() {
        let (from, to) = (1.0, -2.5_f64);
        let points = [1.0, 1.7];
        let w = weights(&points, from, to, f64::exp);
        let integral = |u: f64| (u - 1.0) * u.exp();
        let sum = w[0] * points[0] + w[1] * points[1];
        assert!((sum - (integral(to) - integral(from))).abs() < 1e-11, "{sum}");
    }
}
