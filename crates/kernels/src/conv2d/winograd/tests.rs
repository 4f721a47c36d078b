//! Every tile on every instruction set against the plain loops, and in f64.

use super::*;
use crate::Numbers;
use crate::conv2d::{self, Activation, reference};
use crate::cpu::{self, Isa};
use crate::testing::{
    assert_close_together, assert_same_on_any_number_of_threads, random as values,
};

const TILES: [Tile; 3] = [Tile::F2, Tile::F4x2, Tile::F4];

fn shape(n: usize, [h, w]: [usize; 2], [c, o]: [usize; 2]) -> Conv2dShape {
    Conv2dShape { n, h, w, c, o, kernel: [3, 3], stride: 1, padding: [1; 4] }
}

/// Input, weight and bias.
fn inputs(s: &Conv2dShape) -> [Vec<f32>; 3] {
    [values(1, s.n * s.h * s.w * s.c), values(2, s.o * s.c * 9), values(3, s.o)]
}

fn winograd(isa: Isa, tile: Tile, s: &Conv2dShape, [x, w, bias]: &[Vec<f32>; 3]) -> Vec<f32> {
    let weight = WinogradWeight::with_isa(isa, tile, w, s.o, s.c);
    let mut y = vec![7.0; s.n * s.h * s.w * s.o];
    conv2d_winograd(&weight, s, x, Some(bias), &mut y);
    y
}

fn packed(isa: Isa, precision: Precision, s: &Conv2dShape, w: &[f32]) -> Packed {
    Packed::new(isa, precision, Numbers::F32(w), [s.o, s.c, 9])
}

fn direct(s: &Conv2dShape, [x, w, bias]: &[Vec<f32>; 3]) -> Vec<f32> {
    let mut y = vec![0.0; s.n * s.h * s.w * s.o];
    reference::conv2d(s, x, w, Some(bias), &mut y);
    y
}

/// Every tile on every instruction set.
fn variants() -> impl Iterator<Item = (Isa, Tile)> {
    cpu::available().flat_map(|isa| TILES.map(|tile| (isa, tile)))
}

fn check(s: &Conv2dShape) {
    let inputs = inputs(s);
    let expected = direct(s, &inputs);
    for (isa, tile) in variants() {
        let tolerance = if tile.precision() == Precision::F32 { 2e-5 } else { 5e-2 };
        let what = format!("{isa:?} {tile:?} {s:?}");
        assert_close_together(&winograd(isa, tile, s, &inputs), &expected, tolerance, &what);
    }
}

#[test]
fn every_variant_agrees_with_the_reference() {
    for (n, size) in [(1, [1, 1]), (2, [2, 3]), (2, [5, 7]), (1, [8, 4])] {
        for c in [1, 3, 17, 64] {
            for o in [1, 5, 33, 64] {
                check(&shape(n, size, [c, o]));
            }
        }
    }
}

#[test]
fn every_plan_agrees_with_the_reference() {
    // One task for each stretch of tiles; one stretch for all tasks; several stretches.
    check(&shape(2, [66, 63], [6, 40]));
    check(&shape(1, [12, 16], [1100, 35]));
    check(&shape(1, [44, 45], [550, 3]));
}

#[test]
fn what_is_fused_equals_passes_of_their_own() {
    for s in [shape(2, [5, 7], [17, 33]), shape(2, [66, 63], [6, 40])] {
        let [x, w, bias] = inputs(&s);
        let (per_picture, residual) = (values(4, s.n * s.o), values(5, s.n * s.h * s.w * s.o));
        let [mean, scale, shift] = [6, 7, 8].map(|seed| values(seed, s.n * s.c));
        let (pixels_in, pixels_out) = (s.h * s.w * s.c, s.h * s.w * s.o);
        let activated: Vec<f32> = (0..x.len())
            .map(|i| (x[i], i / pixels_in * s.c + i % s.c))
            .map(|(x, channel)| {
                crate::math::silu((x - mean[channel]) * scale[channel] + shift[channel])
            })
            .collect();
        let mut expected = direct(&s, &[activated, w.clone(), bias.clone()]);
        for (i, y) in expected.iter_mut().enumerate() {
            *y += per_picture[i / pixels_out * s.o + i % s.o] + residual[i];
        }
        let fusion = Fusion {
            activation: Some(Activation { mean: &mean, scale: &scale, shift: &shift }),
            upsample: false,
            bias: Some(&bias),
            per_picture: Some(&per_picture),
            residual: Some(&residual),
        };
        for (isa, tile) in variants() {
            let tolerance = if tile.precision() == Precision::F32 { 2e-5 } else { 5e-2 };
            let weight = WinogradWeight::with_isa(isa, tile, &w, s.o, s.c);
            let mut y = vec![7.0; residual.len()];
            conv2d_winograd_fused(&weight, &s, &x, &fusion, &mut y);
            assert_close_together(&y, &expected, tolerance, &format!("{isa:?} {tile:?} {s:?}"));
            let packed = packed(isa, tile.precision(), &s, &w);
            conv2d::conv2d_packed(&packed, &s, &x, &fusion, &mut y);
            assert_close_together(&y, &expected, tolerance, &format!("{isa:?} packed {s:?}"));
        }
    }
}

/// A weight that is transformed on the way, in several parts of its rows.
#[test]
fn a_packed_weight_gives_the_same() {
    for isa in cpu::available().filter(|&isa| isa == Isa::Avx512Bf16) {
        for s in [shape(2, [3, 5], [7, 33]), shape(1, [9, 16], [530, 70])] {
            let [x, w, bias] = inputs(&s);
            // Numbers that bf16 holds, so that both are transforms of the same.
            let w: Vec<f32> = w.iter().map(|w| f32::from_bits(w.to_bits() & 0xffff_0000)).collect();
            let packed = packed(isa, Precision::Bf16, &s, &w);
            let fusion = Fusion { bias: Some(&bias), ..Fusion::default() };
            for tile in [Tile::F2, Tile::F4x2] {
                let expected = winograd(isa, tile, &s, &[x.clone(), w.clone(), bias.clone()]);
                let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
                let of_packed = || {
                    let mut y = vec![7.0; expected.len()];
                    conv2d_winograd_packed(tile, &packed, &s, &x, &fusion, &mut y);
                    y
                };
                // The transform is rounded to f32 before it is to bf16: rarely to another one.
                let error = relative_error(&of_packed(), &expected);
                assert!(error < 1e-3, "{tile:?} {s:?}: {error:e}");
                assert_same_on_any_number_of_threads(of_packed);
            }
        }
    }
}

#[test]
fn the_input_may_be_upsampled_on_the_way() {
    for [h, w] in [[10, 14], [9, 13], [1, 2]] {
        let s = shape(2, [h, w], [17, 33]);
        let (height, width) = (h.div_ceil(2), w.div_ceil(2));
        let [_, weight, bias] = inputs(&s);
        let x = values(9, 2 * height * width * 17);
        let [mean, scale, shift] = [6, 7, 8].map(|seed| values(seed, 2 * 17));
        let enlarged: Vec<f32> = (0..2 * h * w * 17)
            .map(|i| (i / 17 / w / h, i / 17 / w % h, i / 17 % w, i % 17))
            .map(|(n, y, column, c)| x[((n * height + y / 2) * width + column / 2) * 17 + c])
            .collect();
        let activation = Some(Activation { mean: &mean, scale: &scale, shift: &shift });
        for activation in [None, activation] {
            let plain = Fusion { activation, bias: Some(&bias), ..Fusion::default() };
            let fusion = Fusion { upsample: true, ..plain };
            for (isa, tile) in variants() {
                let transformed = WinogradWeight::with_isa(isa, tile, &weight, s.o, s.c);
                let mut y = vec![7.0; s.n * h * w * s.o];
                let mut expected = y.clone();
                conv2d_winograd_fused(&transformed, &s, &enlarged, &plain, &mut expected);
                conv2d_winograd_fused(&transformed, &s, &x, &fusion, &mut y);
                assert_eq!(y, expected, "{isa:?} {tile:?} {s:?}");
                let packed = packed(isa, tile.precision(), &s, &weight);
                conv2d::conv2d_packed(&packed, &s, &enlarged, &plain, &mut expected);
                conv2d::conv2d_packed(&packed, &s, &x, &fusion, &mut y);
                assert_eq!(y, expected, "{isa:?} packed {s:?}");
            }
        }
    }
}

#[test]
fn without_channels_there_is_the_bias() {
    for (isa, tile) in variants() {
        let s = shape(1, [3, 2], [0, 5]);
        let y = winograd(isa, tile, &s, &inputs(&s));
        assert!(y.chunks_exact(5).all(|y| y == values(3, 5)), "{isa:?} {tile:?}");
        let s = shape(0, [3, 2], [2, 5]);
        assert!(winograd(isa, tile, &s, &inputs(&s)).is_empty());
    }
}

/// Numbers that are nearly normally distributed: sums of twelve uniform ones.
fn normal(seed: u64, n: usize) -> Vec<f32> {
    values(seed, 12 * n).chunks_exact(12).map(|x| x.iter().sum::<f32>() / 2.0).collect()
}

/// `‖y - exact‖ / ‖exact‖`.
fn relative_error(y: &[f32], exact: &[f64]) -> f64 {
    let error: f64 = y.iter().zip(exact).map(|(y, e)| (f64::from(*y) - e).powi(2)).sum();
    (error / exact.iter().map(|e| e * e).sum::<f64>()).sqrt()
}

/// The convolution without bias in f64.
fn exact(s: &Conv2dShape, x: &[f32], w: &[f32]) -> Vec<f64> {
    let mut y = vec![0.0; s.n * s.h * s.w * s.o];
    for (i, y) in y.iter_mut().enumerate() {
        let (pixel, o) = (i / s.o, i % s.o);
        let (row, column) = (pixel / s.w, pixel % s.w);
        for tap in 0..9 {
            let (iy, ix) = (row + tap / 3, column + tap % 3);
            if (1..=s.h).contains(&iy) && (1..=s.w).contains(&ix) {
                let x = &x[((iy - 1) * s.w + ix - 1) * s.c..][..s.c];
                let w = w[o * s.c * 9 + tap..].iter().step_by(9);
                *y += x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>();
            }
        }
    }
    y
}

#[test]
fn errors_are_as_large_as_documented() {
    let s = shape(1, [20, 20], [96, 32]);
    let (x, w) = (normal(1, 400 * 96), normal(2, 32 * 96 * 9));
    let exact = exact(&s, &x, &w);
    let mut y = vec![0.0; 400 * 32];
    conv2d::conv2d(Precision::Bf16, &s, &x, &w, None, &mut y);
    let bf16 = relative_error(&y, &exact);
    assert!((2e-3..3e-3).contains(&bf16), "direct in bf16: {bf16:e}");
    for (isa, tile) in variants() {
        let weight = WinogradWeight::with_isa(isa, tile, &w, s.o, s.c);
        conv2d_winograd(&weight, &s, &x, None, &mut y);
        let error = relative_error(&y, &exact);
        let [least, most] = match tile {
            Tile::F2 => [1.4 * bf16, 1.8 * bf16],
            Tile::F4x2 => [2.3 * bf16, 3.0 * bf16],
            Tile::F4 => [1e-7, 1.5e-6],
        };
        assert!((least..most).contains(&error), "{isa:?} {tile:?}: {error:e}, direct {bf16:e}");
    }
}

#[test]
fn nan_reaches_what_sees_it_and_no_other_tile() {
    let s = shape(1, [11, 13], [5, 20]);
    let [mut x, w, bias] = inputs(&s);
    // Row 4, column 6, channel 1.
    x[(4 * 13 + 6) * 5 + 1] = f32::NAN;
    let inputs = [x, w, bias];
    for (isa, tile) in variants() {
        let [down, across] = tile.outputs();
        let reached =
            |first: usize, len: usize, at: usize| (first..first + len + 2).contains(&(at + 1));
        for (i, y) in winograd(isa, tile, &s, &inputs).iter().enumerate() {
            let (row, column) = (i / 20 / 13, i / 20 % 13);
            if row.abs_diff(4) < 2 && column.abs_diff(6) < 2 {
                assert!(y.is_nan(), "{isa:?} {tile:?} {row} {column}");
            }
            let tile_sees =
                reached(row / down * down, down, 4) && reached(column / across * across, across, 6);
            assert!(tile_sees || !y.is_nan(), "{isa:?} {tile:?} {row} {column}");
        }
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    for s in [shape(2, [66, 63], [6, 40]), shape(1, [24, 30], [514, 40])] {
        let inputs = inputs(&s);
        for tile in TILES {
            assert_same_on_any_number_of_threads(|| winograd(cpu::isa(), tile, &s, &inputs));
        }
    }
}

#[test]
fn a_weight_knows_its_size() {
    let weight = WinogradWeight::new(Tile::F4, &[0.0; 64 * 7 * 9], 64, 7);
    assert_eq!(weight.bytes(), 36 * 64 * 7 * 4);
    assert_eq!((weight.tile(), weight.channels()), (Tile::F4, [64, 7]));
}

#[test]
#[should_panic(expected = "no Winograd convolution")]
fn another_stride_is_refused() {
    let weight = WinogradWeight::new(Tile::F2, &[0.0; 36], 2, 2);
    let s = Conv2dShape { stride: 2, ..shape(1, [4, 4], [2, 2]) };
    conv2d_winograd(&weight, &s, &[0.0; 32], None, &mut [0.0; 8]);
}

#[test]
#[should_panic(expected = "31 elements of the input")]
fn a_wrong_length_is_refused() {
    let weight = WinogradWeight::new(Tile::F2, &[0.0; 36], 2, 2);
    conv2d_winograd(&weight, &shape(1, [4, 4], [2, 2]), &[0.0; 31], None, &mut [0.0; 32]);
}

/// The gradients of input and weight.
fn gradients(isa: Isa, tile: Tile, s: &Conv2dShape, [x, w, dy]: [&[f32]; 3]) -> [Vec<f32>; 2] {
    let (mut dx, mut dw) = (vec![7.0; x.len()], vec![7.0; w.len()]);
    input_grad(isa, tile, s, dy, w, &mut dx);
    weight_grad(isa, tile, s, x, dy, &mut dw);
    [dx, dw]
}

#[test]
fn gradients_agree_with_the_reference() {
    let sizes = [(1, [1, 1]), (2, [2, 3]), (3, [5, 7]), (1, [8, 4]), (2, [16, 16])];
    for (n, size) in sizes {
        for co in [[1, 1], [3, 5], [17, 33], [64, 20], [20, 64]] {
            let s = shape(n, size, co);
            let [x, w, _] = inputs(&s);
            let dy = values(4, s.n * s.h * s.w * s.o);
            let (mut dx, mut dw) = (x.clone(), w.clone());
            reference::conv2d_input_grad(&s, &dy, &w, &mut dx);
            reference::conv2d_weight_grad(&s, &x, &dy, &mut dw);
            for (isa, tile) in variants().filter(|(_, tile)| *tile != Tile::F4) {
                let [got_x, got_w] = gradients(isa, tile, &s, [&x, &w, &dy]);
                let what = format!("{isa:?} {tile:?} {s:?}");
                assert_close_together(&got_x, &dx, 5e-2, &what);
                assert_close_together(&got_w, &dw, 5e-2, &what);
            }
        }
    }
}

#[test]
fn errors_of_gradients_are_as_large_as_documented() {
    let s = shape(2, [16, 18], [48, 64]);
    let pixels = s.n * s.h * s.w;
    let (x, w, dy) = (normal(1, pixels * 48), normal(2, 64 * 48 * 9), normal(3, pixels * 64));
    let [_, exact_x, exact_w] = crate::oracle::conv2d(Precision::F32, &s, [&x, &w, &dy], None);
    let exact = [exact_x, exact_w].map(|x| x.iter().map(|x| x.value).collect::<Vec<f64>>());
    let (mut dx, mut dw) = (x.clone(), w.clone());
    conv2d::conv2d_input_grad(Precision::Bf16, &s, &dy, &w, &mut dx);
    conv2d::conv2d_weight_grad(Precision::Bf16, &s, &x, &dy, &mut dw);
    let direct = [relative_error(&dx, &exact[0]), relative_error(&dw, &exact[1])];
    for (isa, tile) in variants().filter(|(_, tile)| *tile != Tile::F4) {
        let got = gradients(isa, tile, &s, [&x, &w, &dy]);
        for i in 0..2 {
            let ratio = relative_error(&got[i], &exact[i]) / direct[i];
            let range = if tile == Tile::F2 { 1.4..1.8 } else { 2.3..3.0 };
            assert!(range.contains(&ratio), "{isa:?} {tile:?}: {ratio} of {direct:?}");
        }
    }
}

#[test]
fn gradients_have_the_same_bits_on_any_number_of_threads() {
    let s = shape(3, [16, 15], [70, 40]);
    let [x, w, _] = inputs(&s);
    let dy = values(4, s.n * s.h * s.w * s.o);
    for tile in [Tile::F2, Tile::F4x2] {
        assert_same_on_any_number_of_threads(|| {
            gradients(cpu::isa(), tile, &s, [&x, &w, &dy]).concat()
        });
    }
}
