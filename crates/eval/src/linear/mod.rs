//! As much linear algebra in f64 as a distance of Gaussians needs. Matrices are slices, row by row.
//!
//! Sums are ordered by sizes alone, so results have the same bits for any number of threads.

mod cholesky;
mod eigenvalues;
mod product;

pub use cholesky::low_rank_factor;
pub use eigenvalues::eigenvalues;
pub use product::{add_outer_products, product, transposed};

/// Numbers that are summed side by side.
const LANES: usize = 8;

/// The sum of products.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, last_a), (b, last_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f64 = last_a.iter().zip(last_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}
