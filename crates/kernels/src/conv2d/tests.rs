//! Every variant against the plain loops, at awkward sizes.

use super::*;
use crate::testing::{assert_close_together as assert_close, random as values};

fn shape(n: usize, [h, w]: [usize; 2], [c, o]: [usize; 2]) -> Conv2dShape {
    Conv2dShape { n, h, w, c, o, kernel: [3, 3], stride: 1, padding: [1; 4] }
}

fn shapes() -> Vec<Conv2dShape> {
    let mut shapes = vec![
        shape(2, [5, 7], [3, 20]),
        shape(1, [9, 4], [16, 3]),
        shape(1, [8, 8], [20, 33]),
        shape(3, [4, 4], [5, 16]),
        shape(1, [1, 1], [1, 1]),
        shape(2, [17, 16], [4, 35]),
        // Large enough for bands of rows, and for some pictures at a time.
        shape(4, [66, 64], [34, 3]),
        Conv2dShape { stride: 2, padding: [0, 1, 0, 1], ..shape(4, [70, 71], [33, 4]) },
        shape(4, [65, 66], [2, 34]),
    ];
    let base = shape(2, [9, 8], [5, 6]);
    shapes.extend([
        Conv2dShape { stride: 2, ..base },
        Conv2dShape { stride: 2, padding: [0, 1, 0, 1], ..base },
        Conv2dShape { stride: 2, padding: [0, 1, 0, 1], h: 8, c: 16, o: 16, ..base },
        Conv2dShape { stride: 3, padding: [2, 0, 1, 3], ..base },
        Conv2dShape { kernel: [1, 1], padding: [0; 4], ..base },
        Conv2dShape { kernel: [1, 1], padding: [0; 4], stride: 2, ..base },
        Conv2dShape { kernel: [2, 5], padding: [0, 1, 4, 0], ..base },
        Conv2dShape { kernel: [4, 4], padding: [1; 4], stride: 2, ..base },
        Conv2dShape { padding: [3; 4], h: 2, w: 1, ..base },
        Conv2dShape { padding: [0; 4], ..base },
    ]);
    shapes
}

/// Forward and both gradients with `conv`'s functions, for one shape.
fn all(isa: Isa, precision: Precision, s: &Conv2dShape, [x, w, dy]: [&[f32]; 3]) -> [Vec<f32>; 3] {
    let bias = values(9, s.o);
    let [mut y, mut dx, mut dw] = [vec![7.0; dy.len()], vec![7.0; x.len()], vec![7.0; w.len()]];
    forward::run(isa, precision, s, x, w, Some(&bias), &mut y);
    input_grad::run(isa, precision, s, dy, w, &mut dx);
    weight_grad::run(isa, precision, s, x, dy, &mut dw);
    [y, dx, dw]
}

fn all_reference(s: &Conv2dShape, [x, w, dy]: [&[f32]; 3]) -> [Vec<f32>; 3] {
    let bias = values(9, s.o);
    let [mut y, mut dx, mut dw] = [vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]];
    reference::conv2d(s, x, w, Some(&bias), &mut y);
    reference::conv2d_input_grad(s, dy, w, &mut dx);
    reference::conv2d_weight_grad(s, x, dy, &mut dw);
    [y, dx, dw]
}

fn inputs(s: &Conv2dShape) -> [Vec<f32>; 3] {
    let [x, w, y] = s.lengths();
    [values(1, x), values(2, w), values(3, y)]
}

fn check(precision: Precision) {
    for s in shapes() {
        let inputs = inputs(&s);
        let mut rounded = inputs.clone();
        if precision == Precision::Bf16 {
            rounded.iter_mut().for_each(|x| crate::bf16::round_in_place(x));
        }
        let expected = all_reference(&s, rounded.each_ref().map(|x| &x[..]));
        for isa in cpu::available() {
            let actual = all(isa, precision, &s, inputs.each_ref().map(|x| &x[..]));
            for (i, what) in ["y", "dx", "dw"].into_iter().enumerate() {
                let what = format!("{isa:?} {precision:?} {what} {s:?}");
                assert_close(&actual[i], &expected[i], 1e-5, &what);
            }
        }
    }
}

#[test]
fn every_variant_agrees_with_the_reference() {
    check(Precision::F32);
}

#[test]
fn bf16_is_the_convolution_of_rounded_operands() {
    check(Precision::Bf16);
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let strided = Conv2dShape { stride: 2, ..shape(1, [24; 2], [64; 2]) };
    for s in [shape(3, [33, 32], [20, 40]), strided, shape(4, [66, 64], [34, 5])] {
        let inputs = inputs(&s);
        for precision in [Precision::F32, Precision::Bf16] {
            let results = [1, 2, 4].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let inputs = inputs.each_ref().map(|x| &x[..]);
                pool.install(|| all(cpu::isa(), precision, &s, inputs))
                    .map(|x| x.into_iter().map(f32::to_bits).collect::<Vec<_>>())
            });
            assert!(results[0] == results[1] && results[0] == results[2], "{precision:?} {s:?}");
        }
    }
}

#[test]
fn nan_reaches_what_it_should() {
    let s = shape(1, [6, 6], [5, 20]);
    for isa in cpu::available() {
        for precision in [Precision::F32, Precision::Bf16] {
            let [mut x, w, dy] = inputs(&s);
            // Pixel (2, 3), channel 1.
            x[(2 * 6 + 3) * 5 + 1] = f32::NAN;
            let [y, dx, dw] = all(isa, precision, &s, [&x, &w, &dy]);
            for (i, y) in y.iter().enumerate() {
                let (row, column) = (i / 20 / 6, i / 20 % 6);
                assert_eq!(
                    y.is_nan(),
                    row.abs_diff(2) < 2 && column.abs_diff(3) < 2,
                    "{isa:?} {i}"
                );
            }
            assert!(dx.iter().all(|d| !d.is_nan()));
            assert!(dw.iter().enumerate().all(|(i, d)| d.is_nan() == (i / 9 % 5 == 1)), "{isa:?}");
        }
    }
}

#[test]
#[should_panic(expected = "elements of x, w, y")]
fn a_wrong_length_is_refused() {
    let s = shape(1, [4, 4], [2, 2]);
    conv2d(Precision::F32, &s, &[0.0; 31], &[0.0; 36], None, &mut [0.0; 32]);
}
