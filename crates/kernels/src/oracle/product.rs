//! Matrix products.

use super::{Exact, operand};
use crate::Precision;

/// `Σ_l a(i, l) · b(l, j) + bias[j]` for every i and j.
pub fn product(
    [m, k, n]: [usize; 3],
    a: impl Fn(usize, usize) -> f64,
    b: impl Fn(usize, usize) -> f64,
    bias: Option<&[f32]>,
) -> Vec<Exact> {
    let mut out = vec![Exact::default(); m * n];
    for (i, out) in out.iter_mut().enumerate() {
        let (i, j) = (i / n, i % n);
        (0..k).for_each(|l| out.add(a(i, l) * b(l, j)));
        out.add(bias.map_or(0.0, |bias| bias[j].into()));
    }
    out
}

/// `[y, dx, dw]` of a linear layer, `x[m, k]`, `w[n, k]`, `dy[m, n]`.
pub fn linear(
    precision: Precision,
    [x, w, dy]: [&[f32]; 3],
    bias: Option<&[f32]>,
    [m, k, n]: [usize; 3],
) -> [Vec<Exact>; 3] {
    let [x, w, dy] = [x, w, dy].map(|x| operand(x, precision == Precision::Bf16));
    [
        product([m, k, n], |i, l| x[i * k + l], |l, j| w[j * k + l], bias),
        product([m, n, k], |i, l| dy[i * n + l], |l, j| w[l * k + j], None),
        product([n, m, k], |i, l| dy[l * n + i], |l, j| x[l * k + j], None),
    ]
}
