//! Convolutions whose weight changes with every step: large enough for Winograd's algorithm.

use super::everywhere;
use crate::Precision;
use crate::conv2d::{
    Conv2dShape, conv2d_trained, conv2d_trained_input_grad, conv2d_trained_weight_grad,
};
use crate::oracle::{self, Tolerance, assert_near};
use crate::testing::random;

#[test]
fn trained_convolutions_and_their_gradients() {
    let same = Conv2dShape {
        n: 1,
        h: 16,
        w: 17,
        c: 33,
        o: 35,
        kernel: [3, 3],
        stride: 1,
        padding: [1; 4],
    };
    let all = [
        same,
        Conv2dShape { n: 2, h: 13, w: 12, c: 32, o: 48, ..same },
        Conv2dShape { h: 5, w: 4, ..same },
    ];
    let few = [Conv2dShape { h: 3, w: 4, c: 2, o: 5, ..same }];
    for s in if cfg!(miri) { &few[..] } else { &all[..] } {
        let pixels = s.n * s.h * s.w;
        let lengths = [pixels * s.c, s.o * s.c * 9, pixels * s.o];
        let [x, w, dy] = [1, 2, 3].map(|i| random(i, lengths[i as usize - 1]));
        let bias = random(4, s.o);
        let want = oracle::conv2d(Precision::F32, s, [&x, &w, &dy], Some(&bias));
        everywhere(|place| {
            let [x, w, dy] = [&x, &w, &dy].map(|x| place.copy(x));
            let bias = place.copy(&bias);
            // Sums in bf16 of a thousand terms and more: see `winograd`.
            let in_bf16 = Tolerance { relative: 1e-2, absolute: 1e-1 };
            for (precision, tolerance) in [
                (Precision::F32, Tolerance { relative: 1e-5, absolute: 0.0 }),
                (Precision::Bf16, in_bf16),
            ] {
                let [mut dx, mut dw, mut y] = lengths.map(|len| place.output(len));
                conv2d_trained(precision, s, &x, &w, Some(&bias), &mut y);
                conv2d_trained_input_grad(precision, s, &dy, &w, &mut dx);
                conv2d_trained_weight_grad(precision, s, &x, &dy, &mut dw);
                for (got, want) in [y, dx, dw].iter().zip(&want) {
                    assert_near(
                        got,
                        want,
                        tolerance,
                        format_args!("{place:?} {precision:?} {s:?}"),
                    );
                }
            }
        });
    }
}
