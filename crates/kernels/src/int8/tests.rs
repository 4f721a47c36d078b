//! Every variant against the plain loops, to the bit.

use super::*;
use crate::testing::random;
use crate::{Numbers, cpu};
use half::{bf16, f16};

pub fn conv(n: usize, [h, w]: [usize; 2], [c, o]: [usize; 2]) -> Conv2dShape {
    Conv2dShape { n, h, w, c, o, kernel: [3, 3], stride: 1, padding: [1; 4] }
}

pub fn rows([m, k, n]: [usize; 3]) -> Conv2dShape {
    Conv2dShape { n: m, h: 1, w: 1, c: k, o: n, kernel: [1, 1], stride: 1, padding: [0; 4] }
}

fn shapes() -> Vec<Conv2dShape> {
    let mut shapes = vec![];
    for m in [1, 14, 15, 29] {
        for k in [0, 1, 3, 4, 5, 64, 71] {
            shapes.extend([1, 8, 16, 17, 32, 33, 70].map(|n| rows([m, k, n])));
        }
    }
    shapes.extend([[0, 3, 4], [3, 4, 0], [500, 24, 40], [3, 1024, 20], [230, 7, 3]].map(rows));
    let base = conv(2, [9, 8], [5, 6]);
    shapes.extend([
        base,
        conv(2, [5, 7], [3, 20]),
        conv(1, [9, 4], [16, 3]),
        conv(3, [20, 18], [8, 33]),
        conv(1, [1, 1], [1, 1]),
        Conv2dShape { stride: 2, ..base },
        Conv2dShape { stride: 2, h: 37, padding: [0, 1, 0, 1], ..base },
        Conv2dShape { stride: 3, padding: [2, 0, 1, 3], ..base },
        Conv2dShape { kernel: [1, 1], padding: [0; 4], stride: 2, ..base },
        Conv2dShape { kernel: [1, 1], padding: [1; 4], ..base },
        Conv2dShape { kernel: [2, 5], padding: [0, 1, 4, 0], ..base },
        Conv2dShape { padding: [3; 4], h: 2, w: 1, ..base },
        Conv2dShape { padding: [12; 4], h: 2, w: 1, ..base },
        Conv2dShape { padding: [0; 4], ..base },
    ]);
    shapes
}

pub fn lengths(s: &Conv2dShape) -> [usize; 3] {
    let [oh, ow] = s.output();
    [s.n * s.h * s.w * s.c, s.o * s.c * s.kernel[0] * s.kernel[1], s.n * oh * ow * s.o]
}

pub fn weight(s: &Conv2dShape, w: &[f32]) -> Int8Weight {
    Int8Weight::conv2d(Numbers::F32(w), [s.o, s.c, s.kernel[0], s.kernel[1]])
}

fn bits(y: &[f32]) -> Vec<u32> {
    // All NaN count as one.
    y.iter().map(|y| if y.is_nan() { f32::NAN.to_bits() } else { y.to_bits() }).collect()
}

/// Panics unless all instruction sets give the bits of the plain loops; returns the result.
pub fn check(s: &Conv2dShape, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let packed = weight(s, w);
    let mut expected = vec![7.0; lengths(s)[2]];
    reference::conv2d(s, x, w, bias, &mut expected);
    for isa in cpu::available() {
        let mut y = vec![9.0; expected.len()];
        run(isa, &packed, s, x, bias, &mut y);
        assert!(bits(&y) == bits(&expected), "{isa:?} {s:?}");
    }
    expected
}

#[test]
fn every_variant_gives_the_bits_of_the_reference() {
    for s in shapes() {
        let [x, w, _] = lengths(&s);
        let (x, w, bias) = (random(1, x), random(2, w), random(3, s.o));
        check(&s, &x, &w, Some(&bias));
        check(&s, &x.iter().map(|x| x + 0.8).collect::<Vec<_>>(), &w, None);
    }
}

#[test]
fn public_functions_agree_with_the_reference() {
    let (s, bias) = (conv(2, [6, 5], [6, 9]), random(3, 9));
    let pixels = Conv2dShape { kernel: [1, 1], padding: [0; 4], ..s };
    for s in [s, pixels] {
        let [x, w, y] = lengths(&s).map(|len| random(4, len));
        let (mut got, mut want) = (y.clone(), y);
        conv2d(cpu::isa(), &weight(&s, &w), &s, &x, Some(&bias), &mut got);
        // Pixels of their own are rows of a linear layer.
        let as_rows = if s == pixels { rows([60, 6, 9]) } else { s };
        reference::conv2d(&as_rows, &x, &w, Some(&bias), &mut want);
        assert_eq!(bits(&got), bits(&want));
        if s == pixels {
            let weight = Int8Weight::linear(Numbers::F32(&w), [9, 6]);
            linear(cpu::isa(), &weight, &x, Some(&bias), &mut got);
            assert_eq!(bits(&got), bits(&want));
        }
    }
}

#[test]
fn the_longest_sums_of_the_largest_products_fit() {
    let s = rows([3, LONGEST, 2]);
    // Differences of 255 from the zero point in the first row, of either sign in the others.
    let mut x = vec![1.0; 3 * LONGEST];
    x[LONGEST..].fill(-1.0);
    x[2 * LONGEST..].iter_mut().step_by(2).for_each(|x| *x = 1.0);
    let mut w = vec![1.0; 2 * LONGEST];
    w[LONGEST..].fill(-1.0);
    let weight = weight(&s, &w);
    for isa in cpu::available() {
        let mut y = [0.0; 6];
        run(isa, &weight, &s, &x, None, &mut y);
        let sum = LONGEST as f32;
        for (y, want) in y.into_iter().zip([sum, -sum, -sum, sum, 0.0, 0.0]) {
            assert!((y - want).abs() <= 3e-7 * sum, "{isa:?} {y}, not {want}");
        }
    }
}

#[test]
#[should_panic(expected = "could overflow")]
fn longer_sums_are_refused() {
    Int8Weight::linear(Numbers::F32(&vec![0.0; LONGEST + 1]), [1, LONGEST + 1]);
}

#[test]
fn extreme_values_and_zeros() {
    let s = rows([6, 40, 35]);
    let mut x = random(1, 6 * 40);
    let mut w = random(2, 35 * 40);
    x[..40].fill(0.0);
    x[40..80].iter_mut().for_each(|x| *x *= 3e38);
    x[80..120].iter_mut().for_each(|x| *x *= 1e-40);
    x[120..160].fill(5.0);
    w[..40].fill(0.0);
    w[40..80].iter_mut().for_each(|w| *w *= 1e-42);
    w[80..120].iter_mut().for_each(|w| *w *= 3e38);
    let y = check(&s, &x, &w, None);
    assert!(y[..35].iter().all(|&y| y == 0.0), "a row of zeros");
    assert!(y.chunks(35).all(|y| y[0] == 0.0), "a column of zeros");
    assert!(y.iter().all(|y| !y.is_nan()));
}

#[test]
fn what_is_not_finite_reaches_what_shares_its_scale() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let s = rows([16, 5, 35]);
        let (mut x, mut w) = (random(1, 16 * 5), random(2, 35 * 5));
        x[3 * 5 + 2] = bad;
        w[7 * 5 + 1] = bad;
        let y = check(&s, &x, &w, None);
        assert!(y.iter().enumerate().all(|(i, y)| y.is_nan() == (i / 35 == 3 || i % 35 == 7)));
        let s = conv(2, [20, 6], [3, 2]);
        let [x, w, _] = lengths(&s);
        let (mut x, w) = (random(1, x), random(2, w));
        // Row 8 of the second picture, which the first two bands see.
        x[(20 + 8) * 6 * 3] = bad;
        let y = check(&s, &x, &w, None);
        let row = |i: usize| i / (6 * 2);
        assert!(y.iter().enumerate().all(|(i, y)| y.is_nan() == (20..36).contains(&row(i))));
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    for s in [conv(3, [33, 32], [20, 40]), rows([2100, 40, 70]), rows([5, 700, 900])] {
        let [x, w, y] = lengths(&s);
        let (x, w) = (random(1, x), random(2, w));
        crate::testing::assert_same_on_any_number_of_threads(|| {
            let mut y = vec![0.0; y];
            run(cpu::isa(), &weight(&s, &w), &s, &x, None, &mut y);
            y
        });
    }
}

#[test]
fn a_weight_takes_a_byte_for_each_element_and_little_more() {
    let weight = Int8Weight::conv2d(Numbers::F32(&random(1, 320 * 320 * 9)), [320, 320, 3, 3]);
    assert_eq!(weight.bytes(), 320 * 320 * 9 + 8 * 320);
    assert_eq!(weight.shape(), [320, 320, 3, 3]);
}

#[test]
fn sixteen_bits_give_the_bits_of_the_same_numbers() {
    let s = conv(1, [5, 6], [7, 35]);
    let [x, w, y] = lengths(&s);
    let (x, halves) = (random(1, x), random(2, w).into_iter().map(f16::from_f32));
    let halves: Vec<f16> = halves.collect();
    let exact: Vec<f32> = halves.iter().map(|w| w.to_f32()).collect();
    let narrow = Int8Weight::conv2d(Numbers::F16(&halves), [s.o, s.c, 3, 3]);
    let [mut one, mut two] = [vec![7.0; y], vec![8.0; y]];
    run(cpu::isa(), &narrow, &s, &x, None, &mut one);
    run(cpu::isa(), &weight(&s, &exact), &s, &x, None, &mut two);
    assert_eq!(bits(&one), bits(&two));
}

#[test]
#[should_panic(expected = "elements of x")]
fn a_wrong_length_is_refused() {
    let weight = Int8Weight::linear(Numbers::F32(&[0.0; 6]), [2, 3]);
    linear(cpu::isa(), &weight, &[0.0; 7], None, &mut [0.0; 4]);
}

/// What comes after the sums is what it would be after the layer.
#[test]
fn epilogues_follow_the_sums() {
    for [m, k, n] in [[1, 5, 2], [15, 64, 34], [29, 71, 64], [3, 0, 4], [0, 3, 4]] {
        let x = random(1, m * k);
        let (w, bias) = (random(2, n * k), random(3, n));
        for isa in cpu::available() {
            let mut plain = vec![7.0; m * n];
            if k > 0 {
                run(
                    isa,
                    &weight(&rows([m, k, n]), &w),
                    &rows([m, k, n]),
                    &x,
                    Some(&bias),
                    &mut plain,
                );
            } else {
                plain.chunks_exact_mut(n).for_each(|row| row.copy_from_slice(&bias));
            }
            let of = |nonlinearity, x: Activations, residual: Option<&[f32]>| {
                let gated = nonlinearity == Nonlinearity::Geglu;
                let wide = if gated { n / 2 } else { n };
                let weight = match gated {
                    true => Int8Weight::gated(Numbers::F32(&w), [n, k]),
                    false => Int8Weight::linear(Numbers::F32(&w), [n, k]),
                };
                let mut y = vec![9.0; m * wide];
                let epilogue = Epilogue { bias: Some(&bias), nonlinearity, residual };
                linear_to(isa, &weight, x, &epilogue, ActivationsMut::F32(&mut y), m);
                y
            };
            let f32s = Activations::F32(&x);
            assert_eq!(bits(&of(Nonlinearity::None, f32s, None)), bits(&plain), "{isa:?}");
            let added = of(Nonlinearity::None, f32s, Some(&plain));
            assert_eq!(added, plain.iter().map(|y| y + y).collect::<Vec<_>>());
            let gated = of(Nonlinearity::Geglu, f32s, None);
            for (y, plain) in gated.chunks(n / 2).zip(plain.chunks(n)) {
                for (j, y) in y.iter().enumerate() {
                    let want = plain[j] * crate::math::gelu(plain[n / 2 + j]);
                    assert!((y - want).abs() <= 1e-6 * want.abs().max(1e-3), "{isa:?} {y} {want}");
                }
            }
            // Rounded activations are their numbers.
            let held = k.div_ceil(2);
            let mut pairs = vec![0.0; m * held];
            let mut numbers = x.clone();
            for (i, number) in numbers.iter_mut().enumerate() {
                *number = bf16::from_f32(*number).to_f32();
                let (pair, half) = (&mut pairs[i / k * held + i % k / 2], i % k % 2);
                *pair = f32::from_bits(f32::to_bits(*pair) | number.to_bits() >> (16 * (1 - half)));
            }
            let rounded = of(Nonlinearity::None, Activations::Bf16(&pairs), None);
            let want = of(Nonlinearity::None, Activations::F32(&numbers), None);
            assert_eq!(bits(&rounded), bits(&want), "{isa:?}");
        }
    }
}
