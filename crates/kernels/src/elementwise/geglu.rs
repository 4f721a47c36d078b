//! The gated GELU of a transformer's feed-forward layer.

use super::broadcast::blocks;
use super::{assert_lengths, map2_slice};
use crate::cpu::{Isa, isa};
use crate::math::{self, per_isa};
use crate::parallel::{self, ELEMENTWISE_CHUNK};
use crate::watch;

/// `out[r, c] = x[r, c] · gelu(x[r, cols + c])` with x `[rows, 2 · cols]` (Shazeer 2020).
#[track_caller]
pub fn geglu(x: &[f32], out: &mut [f32], [rows, cols]: [usize; 2]) {
    let _call = watch::elements("GEGLU", [rows, cols], 3 * rows * cols);
    geglu_on(isa(), x, out, [rows, cols]);
}

/// The gradient of [`geglu`]: dy `[rows, cols]`, dx `[rows, 2 · cols]`.
#[track_caller]
pub fn geglu_grad(x: &[f32], dy: &[f32], dx: &mut [f32], [rows, cols]: [usize; 2]) {
    geglu_grad_on(isa(), x, dy, dx, [rows, cols]);
}

fn geglu_on(isa: Isa, x: &[f32], out: &mut [f32], [rows, cols]: [usize; 2]) {
    assert_lengths("geglu", [x.len(), out.len()], [2 * rows * cols, rows * cols]);
    blocks(out, cols, ELEMENTWISE_CHUNK, |row, start, out| {
        let (value, gate) = x[2 * row * cols..][..2 * cols].split_at(cols);
        let range = start..start + out.len();
        map2_slice(isa, &value[range.clone()], &gate[range], out, |value, gate| {
            value * math::gelu(gate)
        });
    });
}

fn geglu_grad_on(isa: Isa, x: &[f32], dy: &[f32], dx: &mut [f32], [rows, cols]: [usize; 2]) {
    let (half, all) = (rows * cols, 2 * rows * cols);
    assert_lengths("geglu_grad", [x.len(), dy.len(), dx.len()], [all, half, all]);
    if half == 0 {
        return;
    }
    let rows_in_task = (ELEMENTWISE_CHUNK / (2 * cols)).max(1);
    parallel::chunks(dx, rows_in_task * 2 * cols, |task, dx| {
        let first = task * rows_in_task;
        for (row, dx) in dx.chunks_exact_mut(2 * cols).enumerate() {
            let row = first + row;
            let (value, gate) = x[2 * row * cols..][..2 * cols].split_at(cols);
            let (dvalue, dgate) = dx.split_at_mut(cols);
            geglu_grad_slice(isa, value, gate, &dy[row * cols..][..cols], dvalue, dgate);
        }
    });
}

per_isa! {
    fn geglu_grad_slice(
        value: &[f32], gate: &[f32], dy: &[f32], dvalue: &mut [f32], dgate: &mut [f32],
    ) {
        for ((((dvalue, dgate), &dy), &value), &gate) in
            dvalue.iter_mut().zip(dgate).zip(dy).zip(value).zip(gate)
        {
            *dvalue = dy * math::gelu(gate);
            *dgate = dy * value * math::gelu_slope(gate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::unary::tests::{inputs, reference};
    use super::super::{Unary, unary};
    use super::*;
    use crate::cpu::available;
    use crate::testing::{assert_close, assert_gradient, random, wide};

    #[test]
    fn geglu_and_its_gradient_equal_the_reference() {
        for [rows, cols] in [[1, 1], [5, 7], [70, 1280], [2, 40_000]] {
            let (x, dy) = (inputs(rows * 2 * cols), random(10, rows * cols));
            let forward = |x: &[f64]| -> Vec<f64> {
                let row = |x: &[f64]| -> Vec<f64> {
                    (0..cols).map(|c| x[c] * reference(Unary::Gelu, x[cols + c])).collect()
                };
                x.chunks_exact(2 * cols).flat_map(row).collect()
            };
            let (mut out, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
            geglu(&x, &mut out, [rows, cols]);
            geglu_grad(&x, &dy, &mut dx, [rows, cols]);
            if rows * cols < 100 {
                assert_close(&out, &forward(&wide(&x)), 2e-6);
                assert_gradient(&wide(&x), &dx, 1e-5, |x| {
                    forward(x).iter().zip(&dy).map(|(out, &dy)| out * f64::from(dy)).sum()
                });
            }
            let run = |isa| {
                let (mut out, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
                geglu_on(isa, &x, &mut out, [rows, cols]);
                geglu_grad_on(isa, &x, &dy, &mut dx, [rows, cols]);
                (out, dx)
            };
            assert!(available().all(|isa| run(isa) == (out.clone(), dx.clone())));
            // Every element against the functions it is made of.
            let mut gate = vec![f32::NAN; x.len()];
            unary(Unary::Gelu, &x, &mut gate);
            for i in 0..rows * cols {
                let at = i / cols * 2 * cols + i % cols;
                assert_eq!(out[i], x[at] * gate[at + cols]);
                assert_eq!(dx[at], dy[i] * gate[at + cols]);
            }
        }
    }
}
