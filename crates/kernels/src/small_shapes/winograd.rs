//! Winograd convolutions, plain and with everything fused, and their gradients.

use super::{edges, everywhere, pairs};
use crate::Precision;
use crate::conv2d::{
    Activation, Conv2dShape, Fusion, Tile, WinogradWeight, conv2d_winograd, conv2d_winograd_fused,
    winograd_input_grad, winograd_once, winograd_weight_grad,
};
use crate::math::silu;
use crate::oracle::{self, Tolerance, assert_near};

fn shapes() -> Vec<Conv2dShape> {
    let (edges, channels) = (edges(14, &[20]), edges(20, &[31, 32, 33]));
    let pictures = pairs(&edges, &edges).into_iter().map(|hw| (hw, [2, 3]));
    let channels = pairs(&channels, &channels).into_iter().map(|co| ([3, 5], co));
    let shape = |([h, w], [c, o]): ([usize; 2], [usize; 2])| Conv2dShape {
        n: 1 + h % 2,
        h,
        w,
        c,
        o,
        kernel: [3, 3],
        stride: 1,
        padding: [1; 4],
    };
    // Miri sees a small picture and one of several tiles.
    pictures.chain(channels).step_by(if cfg!(miri) { 3 } else { 1 }).map(shape).collect()
}

#[test]
fn winograd_convolutions() {
    everywhere(|place| {
        for s in shapes() {
            let pixels = s.n * s.h * s.w;
            let (x, w) = (place.input(1, pixels * s.c), place.input(2, s.o * s.c * 9));
            let (bias, residual) = (place.input(3, s.o), place.input(4, pixels * s.o));
            let per_picture = place.input(5, s.n * s.o);
            let [mean, scale, shift] = [8, 6, 7].map(|seed| place.input(seed, s.n * s.c));
            let channel = |i: usize| i / (s.h * s.w * s.c) * s.c + i % s.c;
            let activated: Vec<f32> = (x.iter().enumerate())
                .map(|(i, x)| silu((x - mean[channel(i)]) * scale[channel(i)] + shift[channel(i)]))
                .collect();
            let dy = vec![0.0; pixels * s.o];
            let [plain, ..] = oracle::conv2d(Precision::F32, &s, [&x, &w, &dy], Some(&bias));
            let [mut all, ..] =
                oracle::conv2d(Precision::F32, &s, [&activated, &w, &dy], Some(&bias));
            for (i, sum) in all.iter_mut().enumerate() {
                sum.add(residual[i].into());
                sum.add(per_picture[i / (s.h * s.w * s.o) * s.o + i % s.o].into());
            }
            let fusion = Fusion {
                activation: Some(Activation { mean: &mean, scale: &scale, shift: &shift }),
                upsample: false,
                bias: Some(&bias),
                per_picture: Some(&per_picture),
                residual: Some(&residual),
            };
            for tile in [Tile::F2, Tile::F4x2, Tile::F4] {
                let what = format_args!("{place:?} {tile:?} {s:?}");
                // A patch is a sum of inputs around the pixel that the terms do not have.
                let tolerance = match tile.precision() {
                    Precision::F32 => Tolerance { relative: 1e-5, absolute: 1e-4 },
                    Precision::Bf16 => Tolerance { relative: 4e-2, absolute: 4e-2 },
                };
                let weight = WinogradWeight::new(tile, &w, s.o, s.c);
                let mut y = place.output(pixels * s.o);
                conv2d_winograd(&weight, &s, &x, Some(&bias), &mut y);
                assert_near(&y, &plain, tolerance, what);
                y.fill(f32::NAN);
                winograd_once(place.isa, tile, &s, &x, &w, Some(&bias), &mut y);
                assert_near(&y, &plain, tolerance, what);
                y.fill(f32::NAN);
                conv2d_winograd_fused(&weight, &s, &x, &fusion, &mut y);
                assert_near(&y, &all, tolerance, what);
            }
        }
    });
}

#[test]
fn gradients_of_winograd_convolutions() {
    // A patch is a sum of inputs around the pixel that the terms do not have.
    let tolerance = Tolerance { relative: 4e-2, absolute: 8e-2 };
    everywhere(|place| {
        for s in shapes() {
            let pixels = s.n * s.h * s.w;
            let (x, w) = (place.input(1, pixels * s.c), place.input(2, s.o * s.c * 9));
            let dy = place.input(3, pixels * s.o);
            let [_, want_x, want_w] = oracle::conv2d(Precision::F32, &s, [&x, &w, &dy], None);
            for tile in [Tile::F2, Tile::F4x2] {
                let what = format_args!("{place:?} {tile:?} {s:?}");
                let (mut dx, mut dw) = (place.output(x.len()), place.output(w.len()));
                winograd_input_grad(place.isa, tile, &s, &dy, &w, &mut dx);
                assert_near(&dx, &want_x, tolerance, what);
                winograd_weight_grad(place.isa, tile, &s, &x, &dy, &mut dw);
                assert_near(&dw, &want_w, tolerance, what);
            }
        }
    });
}
