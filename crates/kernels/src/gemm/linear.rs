//! `linear` and its gradients through the micro-kernels of any instruction set.

use super::Isa;
use super::operand::Operand;
use super::outer::{OuterProduct, Runs};
use super::packed::Packed;
use super::panels::{Straight, Transposed};
use super::rows::{LeftRows, RightPanels, RowsProduct};
use crate::epilogue::{Epilogue, Nonlinearity, Writer};
use crate::microkernel::{Kernels, Run};
use crate::{Activations, ActivationsMut, Precision};

/// The rows of a matrix and of the result, both with constant strides.
struct MatrixRows {
    x: *const u32,
    x_stride: usize,
    out: *mut f32,
    out_stride: usize,
}

// SAFETY: only addresses are computed from the pointers; `RowsProduct` writes each row once.
unsafe impl Sync for MatrixRows {}

impl LeftRows for MatrixRows {
    fn locate(&self, first: usize, rows: &mut [*const u32], outs: &mut [*mut f32]) {
        for (i, (row, out)) in rows.iter_mut().zip(outs).enumerate() {
            *row = self.x.wrapping_add((first + i) * self.x_stride);
            *out = self.out.wrapping_add((first + i) * self.out_stride);
        }
    }
}

/// `out[m, n] = x[m, k] · w[n, k]ᵀ + bias[n]`.
pub(crate) fn forward(
    isa: Isa,
    precision: Precision,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
    shape @ [_, k, n]: [usize; 3],
) {
    assert_eq!(w.len(), n * k);
    forward_with(isa, precision, x, &Transposed { w, k }, bias, out, shape);
}

/// `out[m, n] = x[m, k] · right[k, n] + bias[n]`.
pub(crate) fn forward_with(
    isa: Isa,
    precision: Precision,
    x: &[f32],
    right: &dyn RightPanels,
    bias: Option<&[f32]>,
    out: &mut [f32],
    [m, k, n]: [usize; 3],
) {
    assert_eq!([x.len(), out.len()], [m * k, m * n]);
    let x = Operand::rows(isa, precision, x, k);
    let left =
        MatrixRows { x: x.as_ptr(), x_stride: x.stride(), out: out.as_mut_ptr(), out_stride: n };
    let product = RowsProduct { isa, precision, rows: m, cols: n, taps: 1, merged: 1, k, bias };
    // SAFETY: `x` has m rows of k elements, `out` m rows of n.
    unsafe { product.run(&left, right) };
}

/// What `epilogue` makes of `x[m, k] · wᵀ`, to `out` `[m, n]`: see [`Epilogue`].
#[track_caller]
pub(crate) fn forward_to(
    packed: &Packed,
    x: Activations,
    epilogue: &Epilogue,
    mut out: ActivationsMut,
    m: usize,
) {
    let Packed { isa, precision, shape: [rows, k, taps], gated, .. } = *packed;
    assert_eq!(taps, 1, "a linear layer");
    assert_eq!(gated, epilogue.nonlinearity == Nonlinearity::Geglu, "a weight packed for GEGLU");
    assert_eq!(x.elements().len(), m * x.held(k), "elements of x [{m}, {k}]");
    let n = if gated { rows / 2 } else { rows };
    let writer = Writer::new(isa, epilogue, &mut out, [m, n]);
    let x = Operand::of(isa, precision, x, k);
    let out = std::ptr::null_mut();
    let left = MatrixRows { x: x.as_ptr(), x_stride: x.stride(), out, out_stride: 0 };
    let cols = packed.columns();
    let product = RowsProduct { isa, precision, rows: m, cols, taps: 1, merged: 1, k, bias: None };
    // SAFETY: `x` has m rows of k elements; the writer borrows the result.
    unsafe { product.run_to(&left, packed, &writer) };
}

/// `dx[m, k] = dy[m, n] · w[n, k]`.
pub(super) fn input_grad(
    isa: Isa,
    precision: Precision,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
    [m, k, n]: [usize; 3],
) {
    assert_eq!([dy.len(), w.len(), dx.len()], [m * n, n * k, m * k]);
    let dy = Operand::rows(isa, precision, dy, n);
    let left =
        MatrixRows { x: dy.as_ptr(), x_stride: dy.stride(), out: dx.as_mut_ptr(), out_stride: k };
    let product =
        RowsProduct { isa, precision, rows: m, cols: k, taps: 1, merged: 1, k: n, bias: None };
    // SAFETY: `dy` has m rows of n elements, `dx` m rows of k.
    unsafe { product.run(&left, &Straight { w, n: k }) };
}

/// Rows that are not cut in the sum of a weight gradient.
const UNIT: usize = 32;

/// Consecutive rows of two matrices.
struct MatrixRuns {
    a: *const u32,
    b: *const u32,
    a_stride: usize,
    b_stride: usize,
    rows: usize,
}

// SAFETY: the pointers are only read through.
unsafe impl Sync for MatrixRuns {}

impl Runs for MatrixRuns {
    fn runs(&self, _: usize, first: usize, end: usize, runs: &mut Vec<Run>) {
        let (first, end) = (first * UNIT, (end * UNIT).min(self.rows));
        runs.push(Run {
            a: self.a.wrapping_add(first * self.a_stride),
            b: self.b.wrapping_add(first * self.b_stride),
            len: end - first,
        });
    }
}

/// `dw[n, k] = dy[m, n]ᵀ · x[m, k]`.
pub(super) fn weight_grad(
    isa: Isa,
    precision: Precision,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    [m, k, n]: [usize; 3],
) {
    assert_eq!([x.len(), dy.len(), dw.len()], [m * k, m * n, n * k]);
    let dy = Operand::columns(isa, precision, dy, n);
    let x = Operand::columns(isa, precision, x, k);
    let rows = Kernels::select(isa, precision).words(m);
    let (a_stride, b_stride) = (dy.stride(), x.stride());
    let runs = MatrixRuns { a: dy.as_ptr(), b: x.as_ptr(), a_stride, b_stride, rows };
    let product = OuterProduct {
        isa,
        precision,
        taps: 1,
        a_cols: n,
        b_cols: k,
        a_stride,
        b_stride,
        units: rows.div_ceil(UNIT),
        unit_rows: UNIT,
    };
    // SAFETY: both matrices have `rows` rows, of n and of k words.
    unsafe { product.run(&runs, dw) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu;
    use crate::gemm::reference;
    use crate::testing::{assert_close_together as assert_close, random as values};

    const SIZES: [[usize; 3]; 14] = [
        [1, 1, 1],
        [1, 7, 40],
        [14, 3, 32],
        [15, 4, 33],
        [13, 40, 17],
        [29, 33, 5],
        [40, 31, 39],
        [3, 5, 16],
        [7, 0, 3],
        [0, 3, 7],
        [231, 20, 70],
        [1100, 9, 21],
        [20, 2048, 3],
        [9, 2, 1024],
    ];

    /// In bf16 the reference gets operands that are rounded already.
    fn check(precision: Precision, tolerance: f32) {
        for isa in cpu::available() {
            for shape @ [m, k, n] in SIZES {
                let (mut x, mut w, b) = (values(1, m * k), values(2, n * k), values(3, n));
                let mut dy = values(4, m * n);
                let what = format!("{isa:?} {precision:?} {shape:?}");
                let bf16 = precision == Precision::Bf16;
                let round = |x: &[f32]| {
                    let mut x = x.to_vec();
                    if bf16 {
                        crate::bf16::round_in_place(&mut x);
                    }
                    x
                };
                let mut out =
                    [vec![7.0; m * n], vec![7.0; m * n], vec![7.0; m * k], vec![7.0; n * k]];
                forward(isa, precision, &x, &w, None, &mut out[0], shape);
                forward(isa, precision, &x, &w, Some(&b), &mut out[1], shape);
                input_grad(isa, precision, &dy, &w, &mut out[2], shape);
                weight_grad(isa, precision, &x, &dy, &mut out[3], shape);
                (x, w, dy) = (round(&x), round(&w), round(&dy));
                let mut expected = out.clone();
                reference::linear(&x, &w, None, &mut expected[0], shape);
                reference::linear(&x, &w, Some(&b), &mut expected[1], shape);
                reference::linear_input_grad(&dy, &w, &mut expected[2], shape);
                reference::linear_weight_grad(&x, &dy, &mut expected[3], shape);
                for (out, expected) in out.iter().zip(&expected) {
                    assert_close(out, expected, tolerance, &what);
                }
            }
        }
    }

    #[test]
    fn every_variant_agrees_with_the_reference() {
        check(Precision::F32, 1e-5);
    }

    #[test]
    fn bf16_is_the_product_of_rounded_operands() {
        check(Precision::Bf16, 1e-5);
    }

    #[test]
    fn the_same_bits_on_any_number_of_threads() {
        let shape @ [m, k, n] = [2100, 40, 70];
        let (x, w, dy) = (values(1, m * k), values(2, n * k), values(3, m * n));
        for precision in [Precision::F32, Precision::Bf16] {
            let results = [1, 2, 4].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let mut out = [vec![0.0; m * n], vec![0.0; m * k], vec![0.0; n * k]];
                    forward(cpu::isa(), precision, &x, &w, None, &mut out[0], shape);
                    input_grad(cpu::isa(), precision, &dy, &w, &mut out[1], shape);
                    weight_grad(cpu::isa(), precision, &x, &dy, &mut out[2], shape);
                    out.map(|x| x.into_iter().map(f32::to_bits).collect::<Vec<_>>())
                })
            });
            assert!(results[0] == results[1] && results[0] == results[2], "{precision:?}");
        }
    }

    #[test]
    fn nan_reaches_what_it_should() {
        let shape @ [m, k, n] = [17, 5, 35];
        for isa in cpu::available() {
            for precision in [Precision::F32, Precision::Bf16] {
                let (mut x, w) = (values(1, m * k), values(2, n * k));
                x[3 * k + 2] = f32::NAN;
                let mut out = vec![0.0; m * n];
                forward(isa, precision, &x, &w, None, &mut out, shape);
                for i in 0..m {
                    assert!(
                        out[i * n..][..n].iter().all(|y| y.is_nan() == (i == 3)),
                        "{isa:?} {i}"
                    );
                }
                let (dy, mut dw) = (values(3, m * n), vec![0.0; n * k]);
                weight_grad(isa, precision, &x, &dy, &mut dw, shape);
                assert!(dw.iter().enumerate().all(|(i, d)| d.is_nan() == (i % k == 2)), "{isa:?}");
            }
        }
    }
}
