//! The kernel Inception distance (Bińkowski et al. 2018, section 4): the squared maximum mean
//! discrepancy of features under the kernel k(x, y) = (x·y/n + 1)³, by its unbiased estimate.

use aquatint_tensor::Tensor;
use aquatint_tensor::rng::Numpy;

/// How it is estimated; the defaults are torch-fidelity's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelOptions {
    /// Estimates that are averaged.
    pub subsets: usize,
    /// Pictures of each set in each of them; fewer if there are fewer.
    pub size: usize,
    /// Which pictures these are.
    pub seed: u32,
}

impl Default for KernelOptions {
    fn default() -> Self {
        Self { subsets: 100, size: 1000, seed: 2020 }
    }
}

/// Mean and standard deviation of the estimates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelDistance {
    /// Their mean. Unbiased, so it may be a little less than 0.
    pub mean: f64,
    /// Their standard deviation, divided by their number.
    pub std: f64,
    /// Pictures of each set in each of them.
    pub size: usize,
}

/// The distance of features `[N, n]` and `[M, n]`.
///
/// # Panics
/// If a set has fewer than two pictures, or there is to be no estimate.
#[track_caller]
pub fn kernel_distance(a: &[f32], b: &[f32], n: usize, options: KernelOptions) -> KernelDistance {
    let (count_a, count_b) = (a.len() / n, b.len() / n);
    let size = options.size.min(count_a).min(count_b);
    assert!(size > 1 && options.subsets > 0, "{options:?} of {count_a} and {count_b} pictures");
    let mut rng = Numpy::new(options.seed);
    let mut some = |all: &[f32], count: usize| {
        let order = rng.permutation(count);
        let rows = order[..size].iter().flat_map(|&i| &all[i * n..][..n]).copied();
        Tensor::new(rows.collect(), &[size, n])
    };
    let estimates: Vec<f64> = (0..options.subsets)
        .map(|_| {
            let (x, y) = (some(a, count_a), some(b, count_b));
            let [xx, yy, xy] =
                [(&x, &x, false), (&y, &y, false), (&x, &y, true)].map(|(x, y, diagonal)| {
                    let sum = kernel_sum(x, y, diagonal);
                    sum / (size * if diagonal { size } else { size - 1 }) as f64
                });
            xx + yy - 2.0 * xy
        })
        .collect();
    let mean = estimates.iter().sum::<f64>() / estimates.len() as f64;
    let squares = estimates.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    KernelDistance { mean, std: (squares / estimates.len() as f64).sqrt(), size }
}

/// The sum of the kernel over all pairs, with or without those of equal places.
fn kernel_sum(x: &Tensor, y: &Tensor, diagonal: bool) -> f64 {
    let (size, n) = (x.dim(0), x.dim(1) as f64);
    let products = x.linear(y, None).to_vec();
    let kernels = products.iter().enumerate().map(|(i, &xy)| {
        if !diagonal && i / size == i % size { 0.0 } else { (f64::from(xy) / n + 1.0).powi(3) }
    });
    kernels.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_points_each() {
        // n = 1, x = {0, 1}, y = {2, 3}: k(0, 1) = 1; k(2, 3) = 343; k(0, ·) = 1, k(1, 2) = 27,
        // k(1, 3) = 64.
        let options = KernelOptions { subsets: 1, ..Default::default() };
        let found = kernel_distance(&[0.0, 1.0], &[2.0, 3.0], 1, options);
        assert_eq!(found.mean, 1.0 + 343.0 - 2.0 * (1.0 + 1.0 + 27.0 + 64.0) / 4.0);
        assert_eq!(found.size, 2);
    }
}
