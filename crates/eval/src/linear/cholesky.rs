//! A covariance as a product, with no more columns than its rank (Higham 2002, "Accuracy and
//! stability of numerical algorithms", section 10.3: Cholesky with complete pivoting).

use rayon::prelude::*;

use super::dot;

/// l `[n, rank]` with l·lᵀ = a, and the rank, for a positive semidefinite `[n, n]`. What is below
/// rounding errors counts as zero, so fewer pictures than dimensions give as many columns as there
/// are differences between them.
///
/// # Panics
/// If `a` has another length.
#[track_caller]
pub fn low_rank_factor(a: &[f64], n: usize) -> (Vec<f64>, usize) {
    assert_eq!(a.len(), n * n, "a square matrix of {n}");
    // What is left of the diagonal; of rows that are done nothing is.
    let mut left: Vec<f64> = (0..n).map(|i| a[i * n + i].max(0.0)).collect();
    let largest = left.iter().copied().fold(0.0, f64::max);
    let least = n as f64 * f64::EPSILON * largest;
    let mut l = vec![0.0; n * n];
    let mut rank = 0;
    while rank < n {
        let pivot = (0..n).max_by(|&i, &j| left[i].total_cmp(&left[j])).expect("n > rank");
        if left[pivot] <= least {
            break;
        }
        let root = left[pivot].sqrt();
        let row: Vec<f64> = l[pivot * n..][..rank].to_vec();
        let rows = l.par_chunks_mut(n).zip(left.par_iter_mut()).enumerate();
        rows.with_min_len(64).for_each(|(i, (l, left))| {
            if i == pivot {
                (l[rank], *left) = (root, 0.0);
            } else if *left > 0.0 {
                l[rank] = (a[i * n + pivot] - dot(&l[..rank], &row)) / root;
                *left = (*left - l[rank] * l[rank]).max(0.0);
            }
        });
        rank += 1;
    }
    let narrow = l.chunks_exact(n.max(1)).flat_map(|row| &row[..rank]).copied().collect();
    (narrow, rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::{product, transposed};

    #[test]
    fn the_rank_is_found_and_the_product_is_the_matrix() {
        for (n, rank) in [(1, 1), (6, 6), (30, 4), (200, 150)] {
            let x = crate::common::u("cholesky", n * rank);
            let a = product(&x, &transposed(&x, [n, rank]), [n, rank, n]);
            let (l, found) = low_rank_factor(&a, n);
            assert_eq!(found, rank, "{n}");
            let again = product(&l, &transposed(&l, [n, found]), [n, found, n]);
            let worst = a.iter().zip(&again).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-12 * n as f64, "{n}, {rank}: {worst}");
        }
        assert_eq!(low_rank_factor(&[0.0; 9], 3), (vec![], 0));
    }
}
