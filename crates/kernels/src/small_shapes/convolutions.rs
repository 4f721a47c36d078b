//! Convolutions with their gradients, and with prepared weights.

use super::{edges, everywhere, pairs};
use crate::conv2d::{Conv2dShape, conv2d, conv2d_input_grad, conv2d_weight_grad};
use crate::oracle::{self, Tolerance, assert_near};
use crate::{Numbers, Precision, Weight};

fn with_kernels(n: usize, [h, w]: [usize; 2], [c, o]: [usize; 2]) -> Vec<Conv2dShape> {
    let same = Conv2dShape { n, h, w, c, o, kernel: [3, 3], stride: 1, padding: [1; 4] };
    let shapes = [
        same,
        Conv2dShape { stride: 2, padding: [0, 1, 0, 1], ..same },
        Conv2dShape { stride: 2, ..same },
        Conv2dShape { kernel: [1, 1], padding: [0; 4], ..same },
        Conv2dShape { kernel: [1, 1], padding: [0; 4], stride: 2, ..same },
        Conv2dShape { kernel: [2, 5], padding: [0, 1, 4, 0], ..same },
        Conv2dShape { padding: [0; 4], ..same },
    ];
    let fits = |s: &Conv2dShape| {
        s.h + s.padding[0] + s.padding[1] >= s.kernel[0]
            && s.w + s.padding[2] + s.padding[3] >= s.kernel[1]
    };
    shapes.into_iter().filter(fits).collect()
}

/// Sizes of pictures with few channels, and numbers of channels of small pictures.
fn shapes() -> Vec<Conv2dShape> {
    let (edges, channels) = (edges(12, &[17, 20]), edges(20, &[33]));
    let pictures = pairs(&edges, &edges).into_iter().map(|hw| (hw, [2, 3]));
    let channels = pairs(&channels, &channels).into_iter().map(|co| ([3, 4], co));
    let shapes = pictures.chain(channels);
    let shapes = shapes.flat_map(|(hw, co)| with_kernels(1 + hw[0] % 2, hw, co));
    // Miri sees every kernel, if not with every size.
    shapes.step_by(if cfg!(miri) { 4 } else { 1 }).collect()
}

#[test]
fn convolutions_and_their_gradients() {
    everywhere(|place| {
        for s in shapes() {
            let ([oh, ow], [kh, kw]) = (s.output(), s.kernel);
            let lengths = [s.n * s.h * s.w * s.c, s.o * s.c * kh * kw, s.n * oh * ow * s.o];
            let mut seed = 0;
            let [x, w, dy] = lengths.map(|len| {
                seed += 1;
                place.input(seed, len)
            });
            let bias = place.input(4, s.o);
            for precision in [Precision::F32, Precision::Bf16] {
                let [mut dx, mut dw, mut y] = lengths.map(|len| place.output(len));
                let mut prepared = place.output(y.len());
                conv2d(precision, &s, &x, &w, Some(&bias), &mut y);
                let weight = Weight::conv2d(precision, Numbers::F32(&w), [s.o, s.c, kh, kw]);
                weight.apply_conv2d(&s, &x, Some(&bias), &mut prepared);
                conv2d_input_grad(precision, &s, &dy, &w, &mut dx);
                conv2d_weight_grad(precision, &s, &x, &dy, &mut dw);
                let what = format_args!("{place:?} {precision:?} {s:?}");
                assert!(*y == *prepared, "a prepared weight: {what}");
                let want = oracle::conv2d(precision, &s, [&x, &w, &dy], Some(&bias));
                let terms = [s.c * kh * kw, s.o * kh * kw, s.n * oh * ow];
                for ((got, want), terms) in [y, dx, dw].iter().zip(&want).zip(terms) {
                    assert_near(got, want, Tolerance::of_sum(terms), what);
                }
            }
        }
    });
}
