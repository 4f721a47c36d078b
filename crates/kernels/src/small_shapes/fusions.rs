//! Convolutions with everything fused into them: a group norm with SiLU and an upsampling before, a
//! bias, the time embedding and a residual after; with weights of every kind.

use super::{Place, edges, everywhere, pairs};
use crate::conv2d::{
    Activation, Conv2dShape, Fusion, Tile, WinogradWeight, conv2d_winograd_fused,
    conv2d_winograd_packed,
};
use crate::gemm::packed::Packed;
use crate::group_norm::{Affine, GroupNormShape, group_norm_affine};
use crate::oracle::{self, Exact, Tolerance, assert_near};
use crate::testing::random;
use crate::{Numbers, Precision, Weight, has_pairs};

/// Shapes, and which of the things before and after there are.
fn shapes() -> Vec<(Conv2dShape, usize)> {
    let shape = |n, [h, w]: [usize; 2], [c, o]: [usize; 2]| Conv2dShape {
        n,
        h,
        w,
        c,
        o,
        kernel: [3, 3],
        stride: 1,
        padding: [1; 4],
    };
    let (sides, channels) = (edges(7, &[]), edges(5, &[15, 16, 17, 20, 31, 32, 33]));
    let pictures = pairs(&sides, &sides).into_iter().map(|hw| shape(1 + hw[0] % 2, hw, [2, 3]));
    let channels = pairs(&channels, &channels).into_iter().map(|co| shape(1, [3, 5], co));
    let all = pictures.flat_map(|s| (0..8).map(move |parts| (s, parts)));
    let rows = channels.enumerate().flat_map(|(i, s)| [(s, 7), (s, i % 7)]);
    // So long that a packed weight is transformed in two parts.
    let long = [(shape(1, [3, 2], [261, 33]), 5)];
    let long = long.into_iter().take(if cfg!(miri) { 0 } else { 1 });
    // Miri sees all parts, if not with every size.
    all.chain(rows).step_by(if cfg!(miri) { 3 } else { 1 }).chain(long).collect()
}

/// What the convolution sees, in f64, rounded: x normalised in groups, activated and upsampled.
fn seen(
    s: &Conv2dShape,
    x: &[f32],
    norm: Option<&GroupNormShape>,
    [weight, bias]: [&[f32]; 2],
    upsampled: bool,
) -> Vec<f32> {
    let x = match norm {
        None => x.to_vec(),
        Some(norm) => {
            let dy = vec![0.0; x.len()];
            let [out, ..] = oracle::group_norm(norm, x, [weight, bias], &dy);
            out.iter().map(|y| y.value as f32).collect()
        }
    };
    if !upsampled {
        return x;
    }
    let [h, w] = [s.h, s.w].map(|size| size.div_ceil(2));
    let from = |i: usize| {
        let (n, row, column) = (i / (s.h * s.w), i / s.w % s.h, i % s.w);
        (n * h + row / 2) * w + column / 2
    };
    (0..s.n * s.h * s.w).flat_map(|i| x[from(i) * s.c..][..s.c].to_vec()).collect()
}

#[test]
fn what_is_fused_into_a_convolution() {
    everywhere(|place| shapes().into_iter().for_each(|(s, parts)| check(place, s, parts)));
}

fn check(place: Place, s: Conv2dShape, parts: usize) {
    let [normed, upsample, added] = [1, 2, 4].map(|bit| parts & bit > 0);
    let [h, w] = [s.h, s.w].map(|size| if upsample { size.div_ceil(2) } else { size });
    let x = place.input(1, s.n * h * w * s.c);
    let weight = place.input(2, s.o * s.c * 9);
    let (bias, per_picture) = (place.input(3, s.o), place.input(4, s.n * s.o));
    let residual = place.input(5, s.n * s.h * s.w * s.o);
    let (norm_weight, norm_bias) = (place.input(6, s.c), place.input(7, s.c));
    let groups = if s.c.is_multiple_of(2) { 2 } else { 1 };
    let norm = GroupNormShape { n: s.n, pixels: h * w, c: s.c, groups, eps: 1e-2, silu: true };
    let Affine { mean, scale, shift } = group_norm_affine(&norm, &x, &norm_weight, &norm_bias);
    let [mean, scale, shift] = [mean, scale, shift].map(|row| place.copy(&row));
    let fusion = Fusion {
        activation: normed.then_some(Activation { mean: &mean, scale: &scale, shift: &shift }),
        upsample,
        bias: added.then_some(&bias),
        per_picture: added.then_some(&per_picture),
        residual: added.then_some(&residual),
    };

    let seen = seen(&s, &x, normed.then_some(&norm), [&norm_weight, &norm_bias], upsample);
    let most = seen.iter().fold(0.0, |most: f64, x| most.max(x.abs().into()));
    let want = |precision| -> Vec<Exact> {
        let dy = vec![0.0; residual.len()];
        let [mut y, ..] = oracle::conv2d(precision, &s, [&seen, &weight, &dy], fusion.bias);
        let after = fusion.per_picture.into_iter().zip(fusion.residual);
        for (per_picture, residual) in after {
            for (i, y) in y.iter_mut().enumerate() {
                y.add(per_picture[i / (s.h * s.w * s.o) * s.o + i % s.o].into());
                y.add(residual[i].into());
            }
        }
        y
    };
    let exact = want(Precision::F32);
    let what = format_args!("{place:?} {s:?} {parts}");
    let ([o, c], numbers) = ([s.o, s.c], Numbers::F32(&weight));
    let run = |kind: &str, [relative, absolute]: [f64; 2], convolve: &dyn Fn(&mut [f32])| {
        let mut y = place.output(residual.len());
        convolve(&mut y);
        let tolerance = Tolerance { relative, absolute: absolute * most + 1e-5 };
        assert_near(&y, &exact, tolerance, format_args!("{kind}: {what}"));
    };
    let shape = [o, c, 3, 3];
    for (kind, weight, tolerance) in [
        ("f32", Weight::conv2d(Precision::F32, numbers, shape), [2e-5, 0.0]),
        ("bf16", Weight::conv2d(Precision::Bf16, numbers, shape), [6e-3, 0.0]),
        // Half a step of x, of a range of two of the largest, and half of one of w, of 127.
        ("bytes", Weight::conv2d_int8(numbers, shape), [0.0, 9.0 * c as f64 / 120.0]),
    ] {
        run(kind, tolerance, &|y| weight.apply_conv2d_fused(&s, &x, &fusion, y));
    }
    for tile in [Tile::F2, Tile::F4x2, Tile::F4] {
        // A patch is a sum of inputs around the pixel that the terms do not have.
        let tolerance = if tile == Tile::F4 { [2e-5, 1e-4] } else { [4e-2, 4e-2] };
        let transformed = WinogradWeight::new(tile, &weight, o, c);
        run(tile.name(), tolerance, &|y| conv2d_winograd_fused(&transformed, &s, &x, &fusion, y));
        if has_pairs(tile.precision()) {
            let packed = Packed::new(place.isa, tile.precision(), numbers, [o, c, 9]);
            run("packed", tolerance, &|y| {
                conv2d_winograd_packed(tile, &packed, &s, &x, &fusion, y);
            });
        }
    }
}

/// Weights choose the direct sum or Winograd's by their channels, some in each convolution anew.
#[test]
fn weights_of_convolutions_that_keep_the_size() {
    let sizes = if cfg!(miri) { [[1, 2, 3], [3, 4, 5]] } else { [[64, 5, 3], [64, 32, 33]] };
    for [c, h, w] in sizes {
        let s = Conv2dShape { n: 1, h, w, c, o: c, kernel: [3, 3], stride: 1, padding: [1; 4] };
        let [x, weight] = [(1, h * w * c), (2, c * c * 9)].map(|(seed, len)| random(seed, len));
        let (bias, dy) = (random(3, c), vec![0.0; h * w * c]);
        let [want, ..] = oracle::conv2d(Precision::F32, &s, [&x, &weight, &dy], Some(&bias));
        everywhere(|place| {
            let (x, weight, bias) = (place.copy(&x), place.copy(&weight), place.copy(&bias));
            let numbers = Numbers::F32(&weight);
            let shape = [c, c, 3, 3];
            for (i, (weight, relative)) in [
                (Weight::conv2d_same(Precision::F32, numbers, shape), 2e-5),
                (Weight::conv2d_same(Precision::Bf16, numbers, shape), 2e-2),
                (Weight::conv2d_same_fine(Precision::Bf16, numbers, shape), 2e-2),
                (Weight::conv2d_same_int8(numbers, shape), 4e-2),
            ]
            .into_iter()
            .enumerate()
            {
                let mut y = place.output(want.len());
                weight.apply_conv2d(&s, &x, Some(&bias), &mut y);
                let what = format_args!("{place:?} {s:?} {i}");
                assert_near(&y, &want, Tolerance { relative, absolute: 0.1 * relative }, what);
            }
        });
    }
}
