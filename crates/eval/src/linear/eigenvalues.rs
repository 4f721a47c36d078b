//! The eigenvalues of a symmetric matrix: to three diagonals by reflections (Householder 1958), and
//! from there by QL steps with implicit shifts (Martin and Wilkinson 1968). Golub and Van Loan,
//! "Matrix computations", sections 8.3.1 and 8.3.3.

use rayon::prelude::*;

use super::dot;

/// QL steps that an eigenvalue may take; two are usual.
const MOST_STEPS: usize = 60;

/// The eigenvalues of a `[n, n]`, smallest first. A large matrix takes n³·8/3 operations; 2048
/// rows, some seconds.
///
/// # Panics
/// If `a` has another length. Of NaN, NaN is what comes back.
#[track_caller]
pub fn eigenvalues(a: Vec<f64>, n: usize) -> Vec<f64> {
    assert_eq!(a.len(), n * n, "a square matrix of {n}");
    let (mut diagonal, mut beside) = tridiagonal(a, n);
    ql(&mut diagonal, &mut beside);
    diagonal.sort_by(f64::total_cmp);
    diagonal
}

/// The diagonal of a similar matrix with three, and what is beside it, followed by a zero.
///
/// Every step reads and writes what is left of the matrix once: the two vectors of the last
/// reflection are taken from a row right before that row is multiplied with the next one's.
fn tridiagonal(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n]);
    // a − v·wᵀ − w·vᵀ is what is meant by `a` from here on.
    let (mut v, mut w) = (vec![0.0; n], vec![0.0; n]);
    for k in 0..n {
        let row = &mut a[k * n..][..n];
        for j in k..n {
            row[j] -= v[k] * w[j] + w[k] * v[j];
        }
        diagonal[k] = row[k];
        let Some(below) = row.get(k + 1..).filter(|below| !below.is_empty()) else { break };
        // The reflection that makes all of it but the first zero: 1 − τ·u·uᵀ.
        let mut u = vec![0.0; n];
        u[k + 1..].copy_from_slice(below);
        let scale = below.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let mut tau = 0.0;
        if scale > 0.0 {
            u[k + 1..].iter_mut().for_each(|x| *x /= scale);
            let length = dot(&u[k + 1..], &u[k + 1..]).sqrt();
            let alpha = if u[k + 1] > 0.0 { -length } else { length };
            tau = 1.0 / (alpha * (alpha - u[k + 1]));
            u[k + 1] -= alpha;
            beside[k] = alpha * scale;
        }
        let mut p = vec![0.0; n];
        let first = k + 1;
        let rows = a[first * n..].par_chunks_mut(n).zip(p[first..].par_iter_mut()).enumerate();
        rows.with_min_len(32).for_each(|(i, (row, p))| {
            let (row, vi, wi) = (&mut row[first..], v[first + i], w[first + i]);
            for ((x, v), w) in row.iter_mut().zip(&v[first..]).zip(&w[first..]) {
                *x -= vi * w + wi * v;
            }
            *p = tau * dot(row, &u[first..]);
        });
        let half = tau / 2.0 * dot(&p, &u);
        p.iter_mut().zip(&u).for_each(|(p, u)| *p -= half * u);
        (v, w) = (u, p);
    }
    (diagonal, beside)
}

/// Makes what is beside the diagonal vanish; the diagonal is then the eigenvalues.
fn ql(d: &mut [f64], e: &mut [f64]) {
    for l in 0..d.len() {
        for _ in 0..MOST_STEPS {
            let small = |m: &usize| {
                let around = d[*m].abs() + d[*m + 1].abs();
                e[*m].abs() <= f64::EPSILON * around
            };
            let m = (l..d.len() - 1).find(small).unwrap_or(d.len() - 1);
            if m == l {
                break;
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let r = g.hypot(1.0);
            let mut g = d[m] - d[l] + e[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    // The matrix falls apart here.
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    split = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
            }
            if !split {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], wanted: &[f64]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-12, "{found}, not {wanted}");
        }
    }

    #[test]
    fn known_matrices() {
        close(&eigenvalues(vec![], 0), &[]);
        close(&eigenvalues(vec![-3.0], 1), &[-3.0]);
        close(&eigenvalues(vec![2.0, 1.0, 1.0, 2.0], 2), &[1.0, 3.0]);
        close(&eigenvalues(vec![0.0; 16], 4), &[0.0; 4]);
        close(&eigenvalues(vec![1.0; 16], 4), &[0.0, 0.0, 0.0, 4.0]);
        // The second difference: 2 − 2·cos(kπ/(n + 1)).
        let n = 50;
        let a = |i: usize| match (i / n).abs_diff(i % n) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        };
        let angle = |k: usize| (k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
        let wanted: Vec<f64> = (0..n).map(|k| 2.0 - 2.0 * angle(k).cos()).collect();
        close(&eigenvalues((0..n * n).map(a).collect(), n), &wanted);
    }

    /// The sums of the eigenvalues, of their squares and of their cubes are traces.
    #[test]
    fn traces() {
        let n = 70;
        let value = |i: usize, j: usize| ((i * j * 31 + i + j) % 17) as f64 / 17.0 - 0.5;
        let a: Vec<f64> = (0..n * n).map(|i| value(i / n, i % n)).collect();
        let squared = crate::linear::product(&a, &a, [n, n, n]);
        let found = eigenvalues(a.clone(), n);
        let sum = |power: i32| found.iter().map(|x| x.powi(power)).sum::<f64>();
        let trace: f64 = (0..n).map(|i| a[i * n + i]).sum();
        close(&[sum(1)], &[trace]);
        assert!((sum(2) - dot(&a, &a)).abs() < 1e-10);
        assert!((sum(3) - dot(&a, &squared)).abs() < 1e-9);
    }

    #[test]
    fn nan_ends() {
        assert!(eigenvalues(vec![f64::NAN; 9], 3).iter().all(|x| x.is_nan()));
    }
}
