//! Depthwise 2-D convolution: every channel with a kernel of its own (Sifre 2014; Howard et al.,
//! arXiv:1704.04861), channels-last. It reads more than it multiplies, so plain vector loops do.

use crate::conv2d::Conv2dShape;
use crate::cpu::{Isa, isa};
use crate::math::per_isa;
use crate::parallel;
use crate::reduce::add_up_rows;
use crate::watch;

/// How many partial sums the gradient of a weight has at most.
const PARTS: usize = 64;

/// `y[n, i, j, c] = bias[c] + Σ x[n, .., c] w[c, ..]`: x `[n, h, w, c]`, w `[c, 1, kh, kw]`, y
/// `[n, oh, ow, c]`. Of the shape, `o` is `c`.
///
/// # Panics
/// If a slice has another length than its shape, or `o` is not `c`.
#[track_caller]
pub fn depthwise(s: &Conv2dShape, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    check(s, [x.len(), w.len(), y.len()]);
    assert!(bias.is_none_or(|bias| bias.len() == s.c), "elements of the bias for {s:?}");
    let _call = watch::elements("depthwise", [s.n, s.h, s.w, s.c], x.len() + y.len());
    depthwise_on(isa(), s, x, w, bias, y);
}

/// The gradient of x `[n, h, w, c]` from that of y.
///
/// # Panics
/// As [`depthwise`].
#[track_caller]
pub fn depthwise_input_grad(s: &Conv2dShape, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check(s, [dx.len(), w.len(), dy.len()]);
    input_grad_on(isa(), s, dy, w, dx);
}

/// The gradient of w `[c, 1, kh, kw]` from that of y.
///
/// # Panics
/// As [`depthwise`].
#[track_caller]
pub fn depthwise_weight_grad(s: &Conv2dShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    check(s, [x.len(), dw.len(), dy.len()]);
    weight_grad_on(isa(), s, x, dy, dw);
}

#[track_caller]
fn check(s: &Conv2dShape, lengths: [usize; 3]) {
    assert_eq!(s.o, s.c, "a depthwise convolution keeps the channels: {s:?}");
    let [oh, ow] = s.output();
    let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |a, &b| a.checked_mul(b));
    let wanted = [&[s.n, s.h, s.w, s.c][..], &[s.c, s.kernel[0], s.kernel[1]], &[s.n, oh, ow, s.c]]
        .map(|sizes| product(sizes).unwrap_or_else(|| panic!("too many elements: {s:?}")));
    assert_eq!(lengths, wanted, "elements of x, w, y for {s:?}");
    assert!(s.c > 0 && s.stride > 0, "no channels or no step: {s:?}");
}

/// `[c, taps]` ↔ `[taps, c]`.
fn transposed(w: &[f32], rows: usize) -> Vec<f32> {
    let columns = w.len() / rows;
    (0..w.len()).map(|i| w[i % rows * columns + i / rows]).collect()
}

fn depthwise_on(
    isa: Isa,
    s: &Conv2dShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let [oh, ow] = s.output();
    let (w, picture) = (transposed(w, s.c), s.h * s.w * s.c);
    parallel::chunks(y, ow * s.c, |row, y| {
        match bias {
            Some(bias) => y.chunks_exact_mut(s.c).for_each(|y| y.copy_from_slice(bias)),
            None => y.fill(0.0),
        }
        let x = &x[row / oh * picture..][..picture];
        forward_row(isa, s, x, &w, row % oh, y);
    });
}

fn input_grad_on(isa: Isa, s: &Conv2dShape, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let [oh, ow] = s.output();
    let (w, picture) = (transposed(w, s.c), oh * ow * s.c);
    parallel::chunks(dx, s.w * s.c, |row, dx| {
        dx.fill(0.0);
        let dy = &dy[row / s.h * picture..][..picture];
        input_grad_row(isa, s, dy, &w, row % s.h, dx);
    });
}

fn weight_grad_on(isa: Isa, s: &Conv2dShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let [oh, ow] = s.output();
    let (rows, picture) = (s.n * oh, s.h * s.w * s.c);
    let together = rows.div_ceil(PARTS).max(1);
    let mut parts = vec![0.0; rows.div_ceil(together) * dw.len()];
    parallel::chunks(&mut parts, dw.len(), |part, dw| {
        for row in part * together..((part + 1) * together).min(rows) {
            let x = &x[row / oh * picture..][..picture];
            weight_grad_row(isa, s, x, &dy[row * ow * s.c..][..ow * s.c], row % oh, dw);
        }
    });
    let mut sum = vec![0.0; dw.len()];
    add_up_rows(&parts, &mut sum);
    dw.copy_from_slice(&transposed(&sum, s.kernel[0] * s.kernel[1]));
}

/// Where tap `k` of the output at `o` reads, if that is inside.
#[inline(always)]
fn read_at(o: usize, stride: usize, k: usize, before: usize, size: usize) -> Option<usize> {
    (o * stride + k).checked_sub(before).filter(|&i| i < size)
}

#[inline(always)]
fn add_products(out: &mut [f32], a: &[f32], b: &[f32]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out += a * b;
    }
}

per_isa! {
    fn forward_row(s: &Conv2dShape, x: &[f32], w: &[f32], oy: usize, y: &mut [f32]) {
        let (&[kh, kw], c) = (&s.kernel, s.c);
        for ky in 0..kh {
            let Some(iy) = read_at(oy, s.stride, ky, s.padding[0], s.h) else { continue };
            for (ox, y) in y.chunks_exact_mut(c).enumerate() {
                for kx in 0..kw {
                    let Some(ix) = read_at(ox, s.stride, kx, s.padding[2], s.w) else { continue };
                    add_products(y, &x[(iy * s.w + ix) * c..][..c], &w[(ky * kw + kx) * c..][..c]);
                }
            }
        }
    }

    fn input_grad_row(s: &Conv2dShape, dy: &[f32], w: &[f32], iy: usize, dx: &mut [f32]) {
        let (&[kh, kw], c, [oh, ow]) = (&s.kernel, s.c, s.output());
        for ky in 0..kh {
            let Some(oy) = (iy + s.padding[0]).checked_sub(ky) else { continue };
            if oy % s.stride != 0 || oy / s.stride >= oh {
                continue;
            }
            for ox in 0..ow {
                let dy = &dy[(oy / s.stride * ow + ox) * c..][..c];
                for kx in 0..kw {
                    let Some(ix) = read_at(ox, s.stride, kx, s.padding[2], s.w) else { continue };
                    add_products(&mut dx[ix * c..][..c], dy, &w[(ky * kw + kx) * c..][..c]);
                }
            }
        }
    }

    /// Adds what one row of the output says to dw `[taps, c]`.
    fn weight_grad_row(s: &Conv2dShape, x: &[f32], dy: &[f32], oy: usize, dw: &mut [f32]) {
        let (&[kh, kw], c) = (&s.kernel, s.c);
        for ky in 0..kh {
            let Some(iy) = read_at(oy, s.stride, ky, s.padding[0], s.h) else { continue };
            for (ox, dy) in dy.chunks_exact(c).enumerate() {
                for kx in 0..kw {
                    let Some(ix) = read_at(ox, s.stride, kx, s.padding[2], s.w) else { continue };
                    let dw = &mut dw[(ky * kw + kx) * c..][..c];
                    add_products(dw, dy, &x[(iy * s.w + ix) * c..][..c]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::available;
    use crate::testing::{
        assert_close, assert_gradient, assert_same_on_any_number_of_threads, random, wide,
    };

    fn shape(
        [n, h, w, c]: [usize; 4],
        kernel: [usize; 2],
        stride: usize,
        padding: [usize; 4],
    ) -> Conv2dShape {
        Conv2dShape { n, h, w, c, o: c, kernel, stride, padding }
    }

    fn shapes() -> Vec<Conv2dShape> {
        vec![
            shape([1, 1, 1, 1], [1, 1], 1, [0; 4]),
            shape([2, 5, 6, 3], [3, 3], 1, [1; 4]),
            shape([1, 8, 7, 33], [3, 3], 2, [0, 1, 0, 1]),
            shape([2, 6, 6, 16], [5, 5], 2, [1, 2, 1, 2]),
            shape([1, 3, 9, 2], [2, 4], 3, [0, 2, 3, 1]),
            shape([70, 2, 2, 5], [3, 3], 1, [1; 4]),
        ]
    }

    /// The definition.
    fn reference(s: &Conv2dShape, x: &[f64], w: &[f64]) -> Vec<f64> {
        let ([oh, ow], [kh, kw], c) = (s.output(), s.kernel, s.c);
        let at = |i: usize| {
            let (n, oy, ox) = (i / c / ow / oh, i / c / ow % oh, i / c % ow);
            let mut sum = 0.0;
            for tap in 0..kh * kw {
                let iy = (oy * s.stride + tap / kw) as isize - s.padding[0] as isize;
                let ix = (ox * s.stride + tap % kw) as isize - s.padding[2] as isize;
                if (0..s.h as isize).contains(&iy) && (0..s.w as isize).contains(&ix) {
                    let pixel = (n * s.h + iy as usize) * s.w + ix as usize;
                    sum += x[pixel * c + i % c] * w[i % c * kh * kw + tap];
                }
            }
            sum
        };
        (0..s.n * oh * ow * c).map(at).collect()
    }

    /// y, dx, dw for random numbers.
    fn run(isa: Isa, s: &Conv2dShape) -> [Vec<f32>; 3] {
        let [x, w, bias, dy] = numbers(s);
        let nan = |len| vec![f32::NAN; len];
        let (mut y, mut dx, mut dw) = (nan(dy.len()), nan(x.len()), nan(w.len()));
        depthwise_on(isa, s, &x, &w, Some(&bias), &mut y);
        input_grad_on(isa, s, &dy, &w, &mut dx);
        weight_grad_on(isa, s, &x, &dy, &mut dw);
        [y, dx, dw]
    }

    /// x, w, bias, dy.
    fn numbers(s: &Conv2dShape) -> [Vec<f32>; 4] {
        let [oh, ow] = s.output();
        let taps = s.kernel[0] * s.kernel[1];
        let lengths = [s.n * s.h * s.w * s.c, taps * s.c, s.c, s.n * oh * ow * s.c];
        [0, 1, 2, 3].map(|i| random(i as u64, lengths[i]))
    }

    #[test]
    fn result_and_gradients_equal_the_reference() {
        for s in shapes() {
            let [x, w, bias, dy] = numbers(&s);
            let [y, dx, dw] = run(isa(), &s);
            let (x, w) = (wide(&x), wide(&w));
            let mut want = reference(&s, &x, &w);
            want.iter_mut().enumerate().for_each(|(i, y)| *y += f64::from(bias[i % s.c]));
            assert_close(&y, &want, 1e-5);
            let objective = |x: &[f64], w: &[f64]| -> f64 {
                reference(&s, x, w).iter().zip(&dy).map(|(y, &dy)| y * f64::from(dy)).sum()
            };
            assert_gradient(&x, &dx, 1e-5, |x| objective(x, &w));
            assert_gradient(&w, &dw, 1e-5, |w| objective(&x, w));
        }
    }

    #[test]
    fn instruction_sets_and_threads_give_the_same_bits() {
        for s in shapes() {
            let want = run(Isa::Portable, &s);
            assert!(available().all(|isa| run(isa, &s) == want), "{s:?}");
        }
        let s = &shapes()[5];
        assert_same_on_any_number_of_threads(|| run(isa(), s).concat());
    }
}
