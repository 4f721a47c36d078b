//! Every form gives the numbers of the plain product.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::prepare::LARGEST;
use super::*;
use crate::bf16::pack;
use crate::elementwise::{self, Unary};
use crate::int8::LONGEST;
use crate::microkernel::Kernels;
use crate::scratch::as_words_mut;
use crate::testing::{assert_close_together, random};
use crate::{Nonlinearity, gemm, widen};

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Every way to store the numbers gives the bits of the plain product of the same numbers.
#[test]
fn a_prepared_weight_gives_the_same_bits() {
    for isa in cpu::available() {
        for precision in [Precision::F32, Precision::Bf16] {
            for [m, k, n] in [[1, 1, 1], [3, 5, 33], [230, 7, 70], [500, 64, 31], [2, 0, 3]] {
                let (x, w, b) = (random(1, m * k), random(2, n * k), random(3, n));
                let halves: Vec<f16> = w.iter().map(|&w| f16::from_f32(w)).collect();
                let uppers: Vec<bf16> = w.iter().map(|&w| bf16::from_f32(w)).collect();
                for numbers in [Numbers::F32(&w), Numbers::F16(&halves), Numbers::Bf16(&uppers)] {
                    let mut plain = vec![0.0; n * k];
                    numbers.widen(0..n * k, &mut plain);
                    let packed = Packed::new(isa, precision, numbers, [n, k, 1]);
                    let (mut y, mut expected) = (vec![7.0; m * n], vec![7.0; m * n]);
                    let size = [m, k, n];
                    linear::forward_with(isa, precision, &x, &packed, Some(&b), &mut y, size);
                    linear::forward(isa, precision, &x, &plain, Some(&b), &mut expected, size);
                    assert_eq!(bits(&y), bits(&expected), "{isa:?} {precision:?} {size:?}");
                }
            }
        }
    }
}

/// One pass gives the bits of one operation after the other.
#[test]
fn an_epilogue_is_what_would_follow() {
    for isa in cpu::available() {
        for (precision, [m, k, n]) in [Precision::F32, Precision::Bf16]
            .into_iter()
            .flat_map(|p| [[1, 1, 2], [3, 5, 34], [230, 7, 70], [500, 64, 96]].map(|s| (p, s)))
        {
            let what = format!("{isa:?} {precision:?} {m} {k} {n}");
            let (x, w, b) = (random(1, m * k), random(2, n * k), random(3, n));
            let x: Vec<f32> = x.iter().map(|x| 3.0 * x).collect();
            let plain = Packed::new(isa, precision, Numbers::F32(&w), [n, k, 1]);
            let gated = Packed::gated(isa, precision, Numbers::F32(&w), [n, k]);
            let mut sums = vec![7.0; m * n];
            linear::forward_with(isa, precision, &x, &plain, Some(&b), &mut sums, [m, k, n]);
            for (nonlinearity, op) in [
                (Nonlinearity::None, None),
                (Nonlinearity::Silu, Some(Unary::Silu)),
                (Nonlinearity::Gelu, Some(Unary::Gelu)),
                (Nonlinearity::QuickGelu, Some(Unary::QuickGelu)),
                (Nonlinearity::Geglu, None),
            ] {
                let geglu = nonlinearity == Nonlinearity::Geglu;
                let (packed, n) = if geglu { (&gated, n / 2) } else { (&plain, n) };
                let mut expected = sums.clone();
                if let Some(op) = op {
                    elementwise::unary(op, &sums, &mut expected);
                } else if geglu {
                    expected.truncate(m * n);
                    elementwise::geglu(&sums, &mut expected, [m, n]);
                }
                let residual = random(4, m * n);
                for residual in [None, Some(&residual[..])] {
                    if let Some(residual) = residual {
                        elementwise::add_assign(&mut expected, residual);
                    }
                    let epilogue = Epilogue { bias: Some(&b), nonlinearity, residual };
                    let mut out = vec![f32::NAN; m * n];
                    let to = ActivationsMut::F32(&mut out);
                    linear::forward_to(packed, Activations::F32(&x), &epilogue, to, m);
                    assert!(bits(&out) == bits(&expected), "{what} {nonlinearity:?}");
                    if !Kernels::select(isa, precision).pairs {
                        continue;
                    }
                    let rounded = |x: &[f32], row: usize| {
                        let mut out = vec![0.0; x.len() / row * row.div_ceil(2)];
                        for (x, out) in x.chunks(row).zip(out.chunks_mut(row.div_ceil(2))) {
                            pack(isa, x, as_words_mut(out));
                        }
                        out
                    };
                    let x = rounded(&x, k);
                    let mut out = vec![f32::NAN; m * n.div_ceil(2)];
                    let to = ActivationsMut::Bf16(&mut out);
                    linear::forward_to(packed, Activations::Bf16(&x), &epilogue, to, m);
                    if geglu {
                        let mut wide = vec![7.0; m * n];
                        widen(&out, n, &mut wide);
                        assert_close_together(&wide, &expected, 4e-3, &what);
                        continue;
                    }
                    assert!(bits(&out) == bits(&rounded(&expected, n)), "{what} rounded");
                }
            }
        }
    }
}

/// Rows that lie a power of two apart are copied, rounded or not.
#[test]
fn long_rounded_rows_give_the_same_bits() {
    let [m, k, n] = [20, 2048, 34];
    let (x, w) = (random(1, m * k), random(2, n * k));
    let weight = Weight::linear(Precision::Bf16, Numbers::F32(&w), [n, k]);
    if !weight.reads_pairs() {
        return;
    }
    let mut pairs = vec![0.0; m * k / 2];
    pack(cpu::isa(), &x, as_words_mut(&mut pairs));
    let of = |x| {
        let mut y = vec![7.0; m * n];
        weight.apply(x, &Epilogue::default(), ActivationsMut::F32(&mut y), m);
        bits(&y)
    };
    assert!(of(Activations::F32(&x)) == of(Activations::Bf16(&pairs)));
}

#[test]
fn a_prepared_convolution_gives_the_same_bits() {
    for precision in [Precision::F32, Precision::Bf16] {
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (1, 1, 0), (2, 1, 0)] {
            let kernel = [kernel; 2];
            let s = Conv2dShape {
                n: 2,
                h: 9,
                w: 8,
                c: 5,
                o: 35,
                kernel,
                stride,
                padding: [padding; 4],
            };
            let [oh, ow] = s.output();
            let (x, b) = (random(1, 2 * 9 * 8 * 5), random(3, 35));
            let w = random(2, 35 * 5 * kernel[0] * kernel[1]);
            let mut halves = vec![f16::ZERO; w.len()];
            halves.convert_from_f32_slice(&w);
            for numbers in [Numbers::F32(&w), Numbers::F16(&halves)] {
                let mut plain = vec![0.0; w.len()];
                numbers.widen(0..w.len(), &mut plain);
                let mut y = vec![7.0; 2 * oh * ow * 35];
                let mut expected = y.clone();
                let shape = [35, 5, kernel[0], kernel[1]];
                Weight::conv2d(precision, numbers, shape).apply_conv2d(&s, &x, Some(&b), &mut y);
                conv2d::conv2d(precision, &s, &x, &plain, Some(&b), &mut expected);
                assert_eq!(bits(&y), bits(&expected), "{precision:?} {s:?}");
            }
        }
    }
}

/// A convolution that keeps the size, with and without the transform, small and large.
#[test]
fn a_transformed_weight_gives_the_same_numbers() {
    for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 2e-2)] {
        for h in [7, 33] {
            let [c, o, w] = [64, 70, 33];
            let kernel = [3, 3];
            let s = Conv2dShape { n: 1, h, w, c, o, kernel, stride: 1, padding: [1; 4] };
            let (x, b) = (random(1, h * w * c), random(3, o));
            let weight = random(2, o * c * 9);
            let halves: Vec<f16> = weight.iter().map(|&w| f16::from_f32(w)).collect();
            let exact: Vec<f32> = halves.iter().map(|w| w.to_f32()).collect();
            let mut expected = vec![0.0; h * w * o];
            conv2d::conv2d(Precision::F32, &s, &x, &exact, Some(&b), &mut expected);
            let of = |numbers| {
                let mut y = vec![7.0; h * w * o];
                let weight = Weight::conv2d_same(precision, numbers, [o, c, 3, 3]);
                weight.apply_conv2d(&s, &x, Some(&b), &mut y);
                y
            };
            let y = of(Numbers::F16(&halves));
            assert_close_together(&y, &expected, tolerance, &format!("{precision:?} {h}"));
            assert_eq!(bits(&y), bits(&of(Numbers::F32(&exact))));
        }
    }
}

/// In a quarter of the memory or, where Winograd's algorithm in bf16 is faster, as in bf16.
#[test]
fn eight_bits_are_chosen_by_shape() {
    let (x, w, b) = (random(1, 30 * 64), random(2, 70 * 64), random(3, 70));
    let weight = Weight::linear_int8(Numbers::F32(&w), [70, 64]);
    assert!(weight.bytes() < 96 * (64 + 8) + 1);
    let (mut y, mut exact) = (vec![7.0; 30 * 70], vec![7.0; 30 * 70]);
    weight.apply_linear(&x, Some(&b), &mut y, 30);
    gemm::linear(Precision::F32, &x, &w, Some(&b), &mut exact, [30, 64, 70]);
    assert_close_together(&y, &exact, 0.02, "linear");
    for [c, o, h] in [[64, 64, 9], [48, 70, 9], [64, 19_300, 1]] {
        let s = Conv2dShape { n: 1, h, w: 8, c, o, kernel: [3; 2], stride: 1, padding: [1; 4] };
        let (x, w) = (random(1, h * 8 * c), random(2, o * c * 9));
        let numbers = Numbers::F32(&w);
        let weight = Weight::conv2d_same_int8(numbers, [o, c, 3, 3]);
        let bf16 = Weight::conv2d_same(Precision::Bf16, numbers, [o, c, 3, 3]);
        let (mut y, mut exact) = (vec![7.0; h * 8 * o], vec![7.0; h * 8 * o]);
        weight.apply_conv2d(&s, &x, None, &mut y);
        conv2d::conv2d(Precision::F32, &s, &x, &w, None, &mut exact);
        assert_close_together(&y, &exact, 0.03, &format!("{s:?}"));
        bf16.apply_conv2d(&s, &x, None, &mut y);
        assert_close_together(&y, &exact, 0.02, &format!("{s:?} in bf16"));
        let transforms = cpu::isa() == cpu::Isa::Avx512Bf16 && c.min(o) >= 64;
        let small = o * c <= LARGEST;
        let ratio = weight.bytes() as f64 / bf16.bytes() as f64;
        assert_eq!(ratio < 0.8, !(transforms && small), "{s:?}: {ratio}");
    }
}

#[test]
fn sums_too_long_for_eight_bits_are_of_bf16() {
    let w = vec![0.5; LONGEST + 1];
    let weight = Weight::linear_int8(Numbers::F32(&w), [1, LONGEST + 1]);
    let (x, mut y) = (vec![1.0; LONGEST + 1], [0.0]);
    weight.apply_linear(&x, None, &mut y, 1);
    assert_eq!(y, [32768.5]);
}

/// Alone a picture must be what it is in a batch, whose pixels together are many.
#[test]
fn a_picture_is_the_same_in_any_batch() {
    for (precision, [c, o, h, w]) in [
        (Precision::F32, [64, 64, 16, 16]),
        (Precision::Bf16, [64, 64, 16, 16]),
        (Precision::Bf16, [12400, 100, 5, 3]),
    ] {
        let (x, weight) = (random(1, 5 * h * w * c), random(2, o * c * 9));
        let weight = Weight::conv2d_same(precision, Numbers::F32(&weight), [o, c, 3, 3]);
        let of = |n: usize, x: &[f32]| {
            let kernel = [3, 3];
            let s = Conv2dShape { n, h, w, c, o, kernel, stride: 1, padding: [1; 4] };
            let mut y = vec![7.0; n * h * w * o];
            weight.apply_conv2d(&s, x, None, &mut y);
            bits(&y)
        };
        let alone = of(1, &x[..h * w * c]);
        assert!(alone == of(5, &x)[..h * w * o], "{precision:?}");
    }
}

#[test]
fn sixteen_bits_stay_sixteen() {
    let w = vec![f16::ONE; 64 * 96];
    for precision in [Precision::F32, Precision::Bf16] {
        let weight = Weight::linear(precision, Numbers::F16(&w), [96, 64]);
        let most = if cpu::isa() == cpu::Isa::Portable { 4 } else { 2 } * w.len();
        assert!(weight.bytes() <= most, "{precision:?}: {} bytes", weight.bytes());
    }
    let (x, mut y) = (vec![1.0; 64], vec![0.0; 96]);
    Weight::linear(Precision::F32, Numbers::F16(&w), [96, 64]).apply_linear(&x, None, &mut y, 1);
    let mut expected = vec![0.0; 96];
    gemm::linear(Precision::F32, &x, &vec![1.0; 64 * 96], None, &mut expected, [1, 64, 96]);
    assert_eq!(y, expected);
}
