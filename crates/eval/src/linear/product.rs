//! Products of matrices.

use rayon::prelude::*;

/// Rows of a result that are computed together, and the sizes of the part of the right side that
/// they share: 256 KiB, which stays in a core's cache.
const ROWS: usize = 16;
const DEEP: usize = 64;
const WIDE: usize = 512;

/// a `[m, k]` · b `[k, n]` → `[m, n]`.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn product(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    assert_eq!([a.len(), b.len()], [m * k, k * n], "product of [{m}, {k}] and [{k}, {n}]");
    let mut out = vec![0.0; m * n];
    if out.is_empty() || k == 0 {
        return out;
    }
    let tasks = out.par_chunks_mut(ROWS * n).zip(a.par_chunks(ROWS * k));
    tasks.for_each(|(out, a)| {
        for left in (0..n).step_by(WIDE) {
            let width = WIDE.min(n - left);
            for top in (0..k).step_by(DEEP) {
                for (out, a) in out.chunks_exact_mut(n).zip(a.chunks_exact(k)) {
                    let rows = top..(top + DEEP).min(k);
                    let out = &mut out[left..left + width];
                    add_rows(out, &a[rows.clone()], rows.map(|r| &b[r * n + left..][..width]));
                }
            }
        }
    });
    out
}

/// out `[n]` += Σ factor·row, four rows at a time.
fn add_rows<'a>(out: &mut [f64], factors: &[f64], rows: impl Iterator<Item = &'a [f64]>) {
    let mut rows = rows.zip(factors);
    while let Some((a, &fa)) = rows.next() {
        match (rows.next(), rows.next(), rows.next()) {
            (Some((b, &fb)), Some((c, &fc)), Some((d, &fd))) => {
                for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    *out += fa * a + fb * b + (fc * c + fd * d);
                }
            }
            (second, third, _) => {
                for (row, factor) in [Some((a, &fa)), second, third].into_iter().flatten() {
                    out.iter_mut().zip(row).for_each(|(out, x)| *out += factor * x);
                }
            }
        }
    }
}

/// out `[n, n]` += xᵀ·x for x `[rows, n]`: only what is on and above the diagonal.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn add_outer_products(out: &mut [f64], x: &[f64], n: usize) {
    assert!(n > 0 && out.len() == n * n && x.len().is_multiple_of(n), "outer products of {n}");
    out.par_chunks_mut(n).enumerate().for_each(|(i, out)| {
        let column: Vec<f64> = x.chunks_exact(n).map(|row| row[i]).collect();
        add_rows(&mut out[i..], &column, x.chunks_exact(n).map(|row| &row[i..]));
    });
}

/// a `[m, n]` → `[n, m]`.
pub fn transposed(a: &[f64], [m, n]: [usize; 2]) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    out.par_chunks_mut(m.max(1)).enumerate().for_each(|(column, out)| {
        for (row, out) in out.iter_mut().enumerate() {
            *out = a[row * n + column];
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_sums_of_products() {
        let value = |i: usize| ((i * 7919) % 23) as f64 - 11.0;
        for [m, k, n] in [[1, 1, 1], [3, 5, 7], [17, 66, 130], [5, 3, 600]] {
            let a: Vec<f64> = (0..m * k).map(value).collect();
            let b: Vec<f64> = (0..k * n).map(|i| value(i + 5)).collect();
            let sum = |i: usize| (0..k).map(|j| a[i / n * k + j] * b[j * n + i % n]).sum::<f64>();
            assert_eq!(product(&a, &b, [m, k, n]), (0..m * n).map(sum).collect::<Vec<_>>());
            let t = transposed(&a, [m, k]);
            let mut outer = vec![0.0; k * k];
            add_outer_products(&mut outer, &a, k);
            let full = product(&t, &a, [k, m, k]);
            for i in 0..k * k {
                assert_eq!(outer[i], if i % k >= i / k { full[i] } else { 0.0 });
            }
        }
    }
}
