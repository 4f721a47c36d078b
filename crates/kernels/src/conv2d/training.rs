//! Convolutions whose weight changes with every step, and their gradients.
//!
//! In bf16 most of those with 3×3 kernels are Winograd's F(4×2), both ways, 3 times fewer
//! multiplications each: the weight is transformed in every call, which takes far less than that
//! saves. Each has 2.9 times the rounding errors of the direct sums in bf16, which is little beside
//! what all the other roundings do: at its initial weights and for one batch of eight, the gradient of
//! the U-Net of `seven-styles` was off by 0.80 % in place of 0.63 %, while that of another batch
//! differed by 64 %. Everything else is the direct
//! algorithm of [`conv2d`](super::conv2d()).

use super::{Conv2dShape, Tile, winograd};
use crate::cpu;
use crate::{Precision, has_pairs, watch};

/// With fewer channels the transforms take longer than the products.
const FEW_CHANNELS: usize = 32;

/// With fewer pixels the transform of the weight does.
const FEW_PIXELS: usize = 256;

/// The tile by which a convolution is computed, or none for the direct algorithm.
fn tile(precision: Precision, s: &Conv2dShape) -> Option<Tile> {
    let same = s.kernel == [3, 3] && s.stride == 1 && s.padding == [1; 4];
    let large = s.c.min(s.o) >= FEW_CHANNELS && s.n * s.h * s.w >= FEW_PIXELS;
    (precision == Precision::Bf16 && has_pairs(precision) && same && large).then_some(Tile::F4x2)
}

/// `y = conv2d(x, w) + bias`.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn conv2d_trained(
    precision: Precision,
    s: &Conv2dShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let Some(tile) = tile(precision, s) else {
        return super::conv2d(precision, s, x, w, bias, y);
    };
    s.check([x.len(), w.len(), y.len()]);
    let _call = watch::call(|| s.call("convolution F(4x2)", precision.into()));
    winograd::once(cpu::isa(), tile, s, x, w, bias, y);
}

/// The gradient of the input, from that of the output.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn conv2d_trained_input_grad(
    precision: Precision,
    s: &Conv2dShape,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    let Some(tile) = tile(precision, s) else {
        return super::conv2d_input_grad(precision, s, dy, w, dx);
    };
    s.check([dx.len(), w.len(), dy.len()]);
    winograd::input_grad(cpu::isa(), tile, s, dy, w, dx);
}

/// The gradient of the weight `[o, c, 3, 3]`, from that of the output.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn conv2d_trained_weight_grad(
    precision: Precision,
    s: &Conv2dShape,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    let Some(tile) = tile(precision, s) else {
        return super::conv2d_weight_grad(precision, s, x, dy, dw);
    };
    winograd::weight_grad(cpu::isa(), tile, s, x, dy, dw);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv2d::reference;
    use crate::testing::random as values;

    /// `[y, dx, dw]`.
    fn all(precision: Precision, s: &Conv2dShape) -> [Vec<f32>; 3] {
        let [x_len, w_len, y_len] = s.lengths();
        let (x, w, dy) = (values(1, x_len), values(2, w_len), values(3, y_len));
        let [mut y, mut dx, mut dw] = [y_len, x_len, w_len].map(|len| vec![7.0; len]);
        conv2d_trained(precision, s, &x, &w, Some(&values(4, s.o)), &mut y);
        conv2d_trained_input_grad(precision, s, &dy, &w, &mut dx);
        conv2d_trained_weight_grad(precision, s, &x, &dy, &mut dw);
        [y, dx, dw]
    }

    #[test]
    fn near_the_plain_loops_in_bf16_and_very_near_in_f32() {
        let same = Conv2dShape {
            n: 4,
            h: 8,
            w: 9,
            c: 32,
            o: 40,
            kernel: [3, 3],
            stride: 1,
            padding: [1; 4],
        };
        let shapes = [
            same,
            Conv2dShape { c: 31, ..same },
            Conv2dShape { n: 1, ..same },
            Conv2dShape { stride: 2, ..same },
            Conv2dShape { kernel: [1, 1], padding: [0; 4], ..same },
        ];
        for s in shapes {
            assert_eq!(tile(Precision::F32, &s), None);
            let wanted = has_pairs(Precision::Bf16) && s == same;
            assert_eq!(tile(Precision::Bf16, &s).is_some(), wanted, "{s:?}");
            let [x_len, w_len, y_len] = s.lengths();
            let (x, w, dy) = (values(1, x_len), values(2, w_len), values(3, y_len));
            let [mut y, mut dx, mut dw] = [y_len, x_len, w_len].map(|len| vec![0.0; len]);
            reference::conv2d(&s, &x, &w, Some(&values(4, s.o)), &mut y);
            reference::conv2d_input_grad(&s, &dy, &w, &mut dx);
            reference::conv2d_weight_grad(&s, &x, &dy, &mut dw);
            for (precision, most) in [(Precision::F32, 1e-6), (Precision::Bf16, 1e-2)] {
                for (got, want) in all(precision, &s).iter().zip([&y, &dx, &dw]) {
                    let error: f32 = got.iter().zip(want).map(|(a, b)| (a - b).powi(2)).sum();
                    let error = (error / want.iter().map(|x| x * x).sum::<f32>()).sqrt();
                    assert!(error < most, "{precision:?} {s:?}: {error}");
                }
            }
        }
    }
}
