//! What follows the sums of a linear layer.

use super::Exact;
use crate::{Epilogue, Nonlinearity};

/// The distribution function of the standard normal, by Marsaglia's series (2004): exact to 1e-15.
pub fn normal_cdf(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut sum, mut term, mut i) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        i += 2.0;
        term *= x * x / i;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// `x · Φ(x)`.
pub fn gelu(x: f64) -> f64 {
    x * normal_cdf(x)
}

/// `x · sigmoid(x)`.
pub fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// What `epilogue` makes of sums in rows, `n` results each; before a GEGLU they are twice as long.
pub fn epilogue(sums: &[Exact], epilogue: &Epilogue, n: usize) -> Vec<Exact> {
    let gated = epilogue.nonlinearity == Nonlinearity::Geglu;
    let row = if gated { 2 * n } else { n };
    let biased = |row: &[Exact], column: usize| {
        let mut sum = row[column];
        sum.add(epilogue.bias.map_or(0.0, |bias| bias[column].into()));
        sum
    };
    // No slope is larger than 1.2.
    let through = |x: Exact, f: fn(f64) -> f64| Exact::of_size(f(x.value), 1.2 * x.size);
    let finished = |row: &[Exact], j: usize| {
        let x = biased(row, j);
        match epilogue.nonlinearity {
            Nonlinearity::None => x,
            Nonlinearity::Silu => through(x, silu),
            Nonlinearity::Gelu => through(x, gelu),
            Nonlinearity::QuickGelu => through(x, |x| x / (1.0 + (-1.702 * x).exp())),
            Nonlinearity::Geglu => {
                let gate = through(biased(row, n + j), gelu);
                let size = x.size * gate.value.abs() + x.value.abs() * gate.size;
                Exact::of_size(x.value * gate.value, size)
            }
        }
    };
    let rows = sums.chunks_exact(row.max(1)).flat_map(|row| (0..n).map(|j| finished(row, j)));
    let mut results: Vec<Exact> = rows.collect();
    for (result, added) in results.iter_mut().zip(epilogue.residual.into_iter().flatten()) {
        result.add(f64::from(*added));
    }
    results
}
