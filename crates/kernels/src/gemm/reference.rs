//! Plain loops that define the operations.

use super::MatRef;

/// `out[m, n] = x[m, k] · w[n, k]ᵀ + bias[n]`.
pub fn linear(x: &[f32], w: &[f32], bias: Option<&[f32]>, out: &mut [f32], [m, k, n]: [usize; 3]) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0;
            for l in 0..k {
                sum += x[i * k + l] * w[j * k + l];
            }
            out[i * n + j] = sum + bias.map_or(0.0, |b| b[j]);
        }
    }
}

/// `dx[m, k] = dy[m, n] · w[n, k]`.
pub fn linear_input_grad(dy: &[f32], w: &[f32], dx: &mut [f32], [m, k, n]: [usize; 3]) {
    for i in 0..m {
        for l in 0..k {
            dx[i * k + l] = (0..n).map(|j| dy[i * n + j] * w[j * k + l]).sum();
        }
    }
}

/// `dw[n, k] = dy[m, n]ᵀ · x[m, k]`.
pub fn linear_weight_grad(x: &[f32], dy: &[f32], dw: &mut [f32], [m, k, n]: [usize; 3]) {
    for j in 0..n {
        for l in 0..k {
            dw[j * k + l] = (0..m).map(|i| dy[i * n + j] * x[i * k + l]).sum();
        }
    }
}

/// `out = scale · a · b`, added to what `out` holds if `accumulate`.
pub fn matmul_single(
    a: MatRef,
    b: MatRef,
    out: &mut [f32],
    out_row_stride: usize,
    accumulate: bool,
    scale: f32,
) {
    for i in 0..a.rows {
        for j in 0..b.cols {
            let sum: f32 = (0..a.cols).map(|l| a.at(i, l) * b.at(l, j)).sum();
            let out = &mut out[i * out_row_stride + j];
            *out = if accumulate { *out + scale * sum } else { scale * sum };
        }
    }
}
