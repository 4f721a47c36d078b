//! Linear layers with their gradients, with prepared weights, and products of parts of matrices.

use super::{edges, everywhere, pairs, sizes};
use crate::gemm::{MatRef, linear, linear_input_grad, linear_weight_grad, matmul_single};
use crate::oracle::{self, Tolerance, assert_near};
use crate::testing::random;
use crate::{Numbers, Precision, Weight};
use half::{bf16, f16};

const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

fn shapes() -> Vec<[usize; 3]> {
    let depths = if cfg!(miri) { vec![0, 4] } else { vec![0, 1, 2, 3, 4, 7, 8, 9, 16, 17, 20] };
    let sides = pairs(&edges(20, &[29]), &sizes(20, &[31, 32, 33, 49]));
    sides.into_iter().flat_map(|[m, n]| depths.iter().map(move |&k| [m, k, n])).collect()
}

#[test]
fn linear_layers_and_their_gradients() {
    everywhere(|place| {
        for shape @ [m, k, n] in shapes() {
            let [x, w, dy] = [(1, m * k), (2, n * k), (3, m * n)].map(|(i, l)| place.input(i, l));
            let bias = place.input(4, n);
            for precision in PRECISIONS {
                let [mut y, mut dx, mut dw] = [m * n, m * k, n * k].map(|len| place.output(len));
                linear(precision, &x, &w, Some(&bias), &mut y, shape);
                linear_input_grad(precision, &dy, &w, &mut dx, shape);
                linear_weight_grad(precision, &x, &dy, &mut dw, shape);
                let want = oracle::linear(precision, [&x, &w, &dy], Some(&bias), shape);
                for (got, (want, len)) in [y, dx, dw].iter().zip(want.iter().zip([k, n, m])) {
                    let what = format_args!("{place:?} {precision:?} {shape:?}");
                    assert_near(got, want, Tolerance::of_sum(len), what);
                }
            }
        }
    });
}

#[test]
fn prepared_weights_of_every_type() {
    everywhere(|place| {
        for shape @ [m, k, n] in shapes().into_iter().filter(|[m, ..]| [1, 3, 6, 7, 15].contains(m))
        {
            let (x, w, bias) = (place.input(1, m * k), random(2, n * k), place.input(3, n));
            let halves: Vec<f16> = w.iter().map(|&w| f16::from_f32(w)).collect();
            let uppers: Vec<bf16> = w.iter().map(|&w| bf16::from_f32(w)).collect();
            for numbers in [Numbers::F32(&w), Numbers::F16(&halves), Numbers::Bf16(&uppers)] {
                let mut plain = vec![0.0; n * k];
                numbers.widen(0..n * k, &mut plain);
                for precision in PRECISIONS {
                    let mut y = place.output(m * n);
                    let weight = Weight::linear(precision, numbers, [n, k]);
                    weight.apply_linear(&x, Some(&bias), &mut y, m);
                    let dy = vec![0.0; m * n];
                    let [want, ..] =
                        oracle::linear(precision, [&x, &plain, &dy], Some(&bias), shape);
                    let what = format_args!("{place:?} {precision:?} {shape:?}");
                    assert_near(&y, &want, Tolerance::of_sum(k), what);
                }
            }
        }
    });
}

/// Whose last row ends where the slice does, however far apart rows are.
fn matrix(data: &[f32], size: [usize; 2], transposed: bool) -> MatRef<'_> {
    let [rows, cols] = size;
    let stored = if transposed { [cols, rows] } else { size };
    let row_stride = (data.len() - stored[1]) / (stored[0] - 1).max(1);
    MatRef { data, rows, cols, row_stride: row_stride.max(stored[1]), transposed }
}

#[test]
fn products_of_parts_of_matrices() {
    everywhere(|place| {
        for [m, k, n] in shapes().into_iter().filter(|&[_, k, _]| [1, 4, 17].contains(&k)) {
            for case in 0..8 {
                let [ta, tb, accumulate] = [case & 1 > 0, case & 2 > 0, case & 4 > 0];
                let len = |[rows, cols]: [usize; 2], transposed: bool| {
                    let [rows, cols] = if transposed { [cols, rows] } else { [rows, cols] };
                    (rows - 1) * (cols + 3) + cols
                };
                let a = place.input(1, len([m, k], ta));
                let b = place.input(2, len([k, n], tb));
                let (a, b) = (matrix(&a, [m, k], ta), matrix(&b, [k, n], tb));
                let mut out = place.input(3, (m - 1) * (n + 2) + n);
                let before: Vec<f32> = out.to_vec();
                matmul_single(a, b, &mut out, n + 2, accumulate, 0.5);
                let mut want = oracle::product(
                    [m, k, n],
                    |i, l| f64::from(a.at(i, l)) * 0.5,
                    |l, j| b.at(l, j).into(),
                    None,
                );
                for (i, want) in want.iter_mut().enumerate() {
                    want.add(if accumulate { before[i / n * (n + 2) + i % n].into() } else { 0.0 });
                }
                let got: Vec<f32> = (0..m * n).map(|i| out[i / n * (n + 2) + i % n]).collect();
                let what = format_args!("{place:?} {:?} {case}", [m, k, n]);
                assert_near(&got, &want, Tolerance::of_sum(k), what);
                for (i, (after, before)) in out.iter().zip(&before).enumerate() {
                    assert!(i % (n + 2) < n || after == before, "between rows: {what}");
                }
            }
        }
    });
}
