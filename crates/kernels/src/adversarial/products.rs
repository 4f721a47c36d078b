//! Matrix products and convolutions.

use super::{FINITE, KINDS, Kind, for_all, largest};
use crate::conv2d::{
    Conv2dShape, Tile, WinogradWeight, conv2d, conv2d_input_grad, conv2d_trained,
    conv2d_trained_input_grad, conv2d_trained_weight_grad, conv2d_weight_grad, conv2d_winograd,
};
use crate::gemm::{MatRef, linear, linear_input_grad, linear_weight_grad, matmul_single};
use crate::oracle::{self, Exact, Tolerance, assert_near};
use crate::testing::on_every_isa;
use crate::{Numbers, Precision, Weight};

/// The least normal number: `vdpbf16ps` takes what is below as 0.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// What sums of `terms` products of `a` and `b` may be off by.
pub(super) fn tolerance(precision: Precision, terms: usize, a: &[f32], b: &[f32]) -> Tolerance {
    let flushed = terms as f64 * LEAST * (1.0 + largest(a) + largest(b));
    Tolerance::of_sum(terms).or(if precision == Precision::Bf16 { flushed } else { 0.0 })
}

#[test]
fn linear_layers() {
    on_every_isa(|isa| {
        let sizes = (0..40_usize, 0..70_usize, 0..80_usize);
        let kinds = (0..KINDS.len(), 0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(150, (sizes, kinds), |((m, k, n), (of_x, of_w, seed))| {
            let (of_x, of_w, shape) = (KINDS[of_x], KINDS[of_w], [m, k, n]);
            let x = of_x.numbers(seed, m * k);
            let w = of_w.numbers(seed + 1, n * k);
            let dy = of_x.numbers(seed + 2, m * n);
            let bias = of_w.numbers(seed + 3, n);
            for precision in [Precision::F32, Precision::Bf16] {
                if let (Precision::Bf16, Kind::Infinite, Kind::Denormal)
                | (Precision::Bf16, Kind::Denormal, Kind::Infinite) = (precision, of_x, of_w)
                {
                    // Infinite or, where the denormal is taken as 0, NaN.
                    continue;
                }
                let nan = f32::NAN;
                let [mut y, mut dx, mut dw] = [m * n, m * k, n * k].map(|len| vec![nan; len]);
                linear(precision, &x, &w, Some(&bias), &mut y, shape);
                linear_input_grad(precision, &dy, &w, &mut dx, shape);
                linear_weight_grad(precision, &x, &dy, &mut dw, shape);
                let want = oracle::linear(precision, [&x, &w, &dy], Some(&bias), shape);
                let what = format_args!("{isa:?} {precision:?} {shape:?} {of_x:?} {of_w:?}");
                let wx = tolerance(precision, k, &x, &w);
                assert_near(&y, &want[0], wx, format_args!("y: {what}"));
                let wy = tolerance(precision, n, &dy, &w);
                assert_near(&dx, &want[1], wy, format_args!("dx: {what}"));
                let xy = tolerance(precision, m, &dy, &x);
                assert_near(&dw, &want[2], xy, format_args!("dw: {what}"));
                let prepared = Weight::linear(precision, Numbers::F32(&w), [n, k]);
                prepared.apply_linear(&x, Some(&bias), &mut y, m);
                assert_near(&y, &want[0], wx, format_args!("prepared: {what}"));
            }
        });
    });
}

#[test]
fn convolutions() {
    on_every_isa(|isa| {
        let sizes = (1..3_usize, 1..9_usize, 1..9_usize, 1..20_usize, 1..20_usize);
        let kinds = (0..KINDS.len(), 0..FINITE, 1..4_usize, 1..3_usize, 0..u64::from(u32::MAX));
        for_all(100, (sizes, kinds), |((n, h, w, c, o), (of_x, of_w, kernel, stride, seed))| {
            let s = Conv2dShape {
                n,
                h,
                w,
                c,
                o,
                kernel: [kernel; 2],
                stride,
                padding: [kernel / 2; 4],
            };
            let [oh, ow] = s.output();
            let (of_x, of_w) = (KINDS[of_x], KINDS[of_w]);
            let x = of_x.numbers(seed, n * h * w * c);
            let weight = of_w.numbers(seed + 1, o * c * kernel * kernel);
            let dy = of_x.numbers(seed + 2, n * oh * ow * o);
            for precision in [Precision::F32, Precision::Bf16] {
                let [mut y, mut dx, mut dw] =
                    [dy.len(), x.len(), weight.len()].map(|len| vec![f32::NAN; len]);
                conv2d(precision, &s, &x, &weight, None, &mut y);
                conv2d_input_grad(precision, &s, &dy, &weight, &mut dx);
                conv2d_weight_grad(precision, &s, &x, &dy, &mut dw);
                let what = format_args!("{isa:?} {precision:?} {s:?} {of_x:?} {of_w:?}");
                let want = oracle::conv2d(precision, &s, [&x, &weight, &dy], None);
                let taps = kernel * kernel;
                let near = tolerance(precision, c * taps, &x, &weight);
                assert_near(&y, &want[0], near, format_args!("y: {what}"));
                let near = tolerance(precision, o * taps, &dy, &weight);
                assert_near(&dx, &want[1], near, format_args!("dx: {what}"));
                if of_x as usize >= FINITE && precision == Precision::Bf16 {
                    // Pixels are paired, and what lies outside the picture is a zero there, which
                    // the infinite makes NaN.
                    continue;
                }
                let near = tolerance(precision, n * oh * ow, &dy, &x);
                assert_near(&dw, &want[2], near, format_args!("dw: {what}"));
            }
        });
    });
}

/// Winograd's sums have terms that cancel, so errors are relative to the largest input.
#[test]
fn winograd_convolutions_of_any_size() {
    on_every_isa(|isa| {
        let sizes = (1..9_usize, 1..9_usize, 1..20_usize, 1..40_usize);
        let scales = (-30..30_i32, -30..30_i32, 0..u64::from(u32::MAX));
        for_all(60, (sizes, scales), |((h, w, c, o), (of_x, of_w, seed))| {
            let s = Conv2dShape { n: 1, h, w, c, o, kernel: [3, 3], stride: 1, padding: [1; 4] };
            let scaled = |seed, len, scale: i32| -> Vec<f32> {
                let x = Kind::Plain.numbers(seed, len);
                x.into_iter().map(|x| x * (scale as f32).exp2()).collect()
            };
            let x = scaled(seed, h * w * c, of_x);
            let weight = scaled(seed + 1, o * c * 9, of_w);
            let dy = vec![0.0; h * w * o];
            let [want, ..] = oracle::conv2d(Precision::F32, &s, [&x, &weight, &dy], None);
            let size = largest(&x) * largest(&weight) * (9 * c) as f64;
            let want: Vec<Exact> = want.iter().map(|y| Exact::of_size(y.value, size)).collect();
            for (tile, relative) in [(Tile::F2, 1e-2), (Tile::F4x2, 2e-2), (Tile::F4, 2e-6)] {
                let mut y = vec![f32::NAN; want.len()];
                let weight = WinogradWeight::new(tile, &weight, o, c);
                conv2d_winograd(&weight, &s, &x, None, &mut y);
                let what = format_args!("{isa:?} {tile:?} {s:?}");
                assert_near(&y, &want, Tolerance { relative, absolute: 1e-37 }, what);
            }
        });
    });
}

#[test]
fn products_on_one_thread() {
    on_every_isa(|isa| {
        let sizes = (1..30_usize, 0..40_usize, 1..50_usize, proptest::bool::ANY);
        let kinds = (0..KINDS.len(), 0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(100, (sizes, kinds), |((m, k, n, accumulate), (of_a, of_b, seed))| {
            let (a, b) = (KINDS[of_a].numbers(seed, m * k), KINDS[of_b].numbers(seed + 1, k * n));
            let before = Kind::Plain.numbers(seed + 2, m * n);
            let mut out = before.clone();
            let matrix = |data, [rows, cols]: [usize; 2]| MatRef {
                data,
                rows,
                cols,
                row_stride: cols,
                transposed: false,
            };
            let (left, right) = (matrix(&a, [m, k]), matrix(&b, [k, n]));
            matmul_single(left, right, &mut out, n, accumulate, 0.5);
            let l = |i: usize, l: usize| 0.5 * f64::from(a[i * k + l]);
            let r = |l: usize, j: usize| f64::from(b[l * n + j]);
            let mut want = oracle::product([m, k, n], l, r, None);
            for (want, before) in want.iter_mut().zip(before) {
                want.add(if accumulate { before.into() } else { 0.0 });
            }
            let what = format_args!("{isa:?} {m} {k} {n} {of_a} {of_b}");
            assert_near(&out, &want, tolerance(Precision::F32, k, &a, &b).or(1e-37), what);
        });
    });
}

/// In bf16 by Winograd's algorithm, and so are the gradients: their errors too are relative to the
/// largest numbers.
#[test]
fn trained_convolutions_of_any_size() {
    on_every_isa(|isa| {
        let sizes = (15..18_usize, 17..19_usize, 32..36_usize, 32..36_usize);
        let scales = (-30..30_i32, -30..30_i32, 0..u64::from(u32::MAX));
        for_all(4, (sizes, scales), |((h, w, c, o), (of_x, of_w, seed))| {
            let s = Conv2dShape { n: 1, h, w, c, o, kernel: [3, 3], stride: 1, padding: [1; 4] };
            let scaled = |seed, len, scale: i32| -> Vec<f32> {
                let x = Kind::Plain.numbers(seed, len);
                x.into_iter().map(|x| x * (scale as f32).exp2()).collect()
            };
            let x = scaled(seed, h * w * c, of_x);
            let weight = scaled(seed + 1, o * c * 9, of_w);
            let dy = scaled(seed + 2, h * w * o, of_w);
            let want = oracle::conv2d(Precision::F32, &s, [&x, &weight, &dy], None);
            let [x_most, w_most, dy_most] = [&x, &weight, &dy].map(|x| largest(x));
            let sizes = [
                x_most * w_most * (9 * c) as f64,
                dy_most * w_most * (9 * o) as f64,
                x_most * dy_most * (h * w) as f64,
            ];
            for (precision, relative) in [(Precision::F32, 1e-5), (Precision::Bf16, 2e-2)] {
                let [mut dx, mut dw, mut y] =
                    [&x, &weight, &dy].map(|like| vec![f32::NAN; like.len()]);
                conv2d_trained(precision, &s, &x, &weight, None, &mut y);
                conv2d_trained_input_grad(precision, &s, &dy, &weight, &mut dx);
                conv2d_trained_weight_grad(precision, &s, &x, &dy, &mut dw);
                for ((got, want), size) in [y, dx, dw].iter().zip(&want).zip(sizes) {
                    let want: Vec<Exact> =
                        want.iter().map(|y| Exact::of_size(y.value, size)).collect();
                    let what = format_args!("{isa:?} {precision:?} {s:?}");
                    assert_near(got, &want, Tolerance { relative, absolute: 1e-37 }, what);
                }
            }
        });
    });
}
