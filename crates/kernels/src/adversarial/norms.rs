//! Norms and the loss.

use super::{KINDS, Kind, for_all};
use crate::group_norm::{
    GroupMoments, GroupNormShape, group_norm, group_norm_affine, group_norm_band, group_norm_grad,
};
use crate::layer_norm::{layer_norm, layer_norm_grad, layer_norm_rounded};
use crate::loss::{cross_entropy, cross_entropy_grad, l2_normalize, l2_normalize_grad};
use crate::math;
use crate::oracle::{self, Exact, Tolerance, assert_near};
use crate::testing::on_every_isa;
use crate::{Precision, has_pairs, widen};

const TOLERANCE: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-5 };

/// What makes a norm's input hard, by number.
fn input(case: usize, seed: u64, len: usize) -> Vec<f32> {
    let plain = || Kind::Plain.numbers(seed, len).into_iter();
    match case {
        // All the same: no variance.
        0 => vec![-3.7; len],
        1 => vec![0.0; len],
        // A mean of a thousand deviations.
        2 => plain().map(|x| 1000.0 + x).collect(),
        // Squares are near the largest number, and below the least.
        3 => plain().map(|x| 1e15 * x).collect(),
        4 => plain().map(|x| 1e-30 * x).collect(),
        5 => Kind::Denormal.numbers(seed, len),
        6 => Kind::Nan.numbers(seed, len),
        7 => Kind::Infinite.numbers(seed, len),
        _ => plain().collect(),
    }
}

const CASES: usize = 9;

#[test]
fn group_norms() {
    on_every_isa(|isa| {
        let sizes = (1..3_usize, 1..40_usize, 1..9_usize, 1..5_usize, proptest::bool::ANY);
        for_all(200, (sizes, 0..CASES, 0..u64::from(u32::MAX)), |(sizes, case, seed)| {
            let (n, pixels, per_group, groups, silu) = sizes;
            let c = per_group * groups;
            let s = GroupNormShape { n, pixels, c, groups, eps: 1e-5, silu };
            let x = input(case, seed, n * pixels * c);
            let dy = Kind::Plain.numbers(seed + 1, x.len());
            let weight = Kind::Plain.numbers(seed + 2, c);
            let bias = Kind::Plain.numbers(seed + 3, c);
            let (mut out, mut stats) = (vec![f32::NAN; x.len()], vec![0.0; 2 * n * groups]);
            group_norm(&s, &x, &weight, &bias, &mut out, &mut stats);
            let [mut dx, mut dweight, mut dbias] = [x.len(), c, c].map(|l| vec![0.0; l]);
            group_norm_grad(&s, &x, &weight, &bias, &stats, &dy, &mut dx, &mut dweight, &mut dbias);
            let want = oracle::group_norm(&s, &x, [&weight, &bias], &dy);
            let affine = group_norm_affine(&s, &x, &weight, &bias);
            for (i, (x, out)) in x.iter().zip(&out).enumerate() {
                let at = i / (pixels * c) * c + i % c;
                let y = (x - affine.mean[at]) * affine.scale[at] + affine.shift[at];
                let y = if silu { math::silu(y) } else { y };
                assert!(*out == y || out.is_nan() && y.is_nan(), "{isa:?} {s:?} {case}: affine");
            }
            let (band, x, mut banded) = (pixels.div_ceil(2) * c, &x[..pixels * c], vec![]);
            let of = |x: &[f32]| GroupNormShape { n: 1, pixels: x.len() / c, ..s };
            let mut moments = GroupMoments::default();
            x.chunks(band).for_each(|x| moments.add(&of(x), x));
            for x in x.chunks(band) {
                let mut out = vec![f32::NAN; x.len()];
                group_norm_band(&of(x), x, &moments, &weight, &bias, &mut out);
                banded.extend(out);
            }
            let what = format_args!("{isa:?} {s:?} case {case}, in bands");
            assert_near(&banded, &want[0][..x.len()], TOLERANCE, what);
            for (i, (got, want)) in [out, dx, dweight, dbias].iter().zip(&want).enumerate() {
                let what = format_args!("{isa:?} {s:?} case {case}, result {i}");
                assert_near(got, want, TOLERANCE, what);
            }
        });
    });
}

#[test]
fn layer_norms() {
    on_every_isa(|isa| {
        let sizes = (1..20_usize, 1..100_usize);
        for_all(200, (sizes, 0..CASES, 0..u64::from(u32::MAX)), |((rows, cols), case, seed)| {
            let x = input(case, seed, rows * cols);
            let dy = Kind::Plain.numbers(seed + 1, x.len());
            let weight = Kind::Plain.numbers(seed + 2, cols);
            let bias = Kind::Plain.numbers(seed + 3, cols);
            let (mut out, mut stats) = (vec![f32::NAN; x.len()], vec![0.0; 2 * rows]);
            let shape = [rows, cols];
            layer_norm(&x, &weight, &bias, 1e-5, &mut out, &mut stats, shape);
            let [mut dx, mut dweight, mut dbias] = [x.len(), cols, cols].map(|l| vec![0.0; l]);
            layer_norm_grad(&x, &weight, &stats, &dy, &mut dx, &mut dweight, &mut dbias, shape);
            let s =
                GroupNormShape { n: rows, pixels: 1, c: cols, groups: 1, eps: 1e-5, silu: false };
            let want = oracle::group_norm(&s, &x, [&weight, &bias], &dy);
            if has_pairs(Precision::Bf16) && cols % 2 == 0 {
                let mut pairs = vec![f32::NAN; x.len() / 2];
                layer_norm_rounded(&x, &weight, &bias, 1e-5, &mut pairs, shape);
                let mut wide = vec![f32::NAN; x.len()];
                widen(&pairs, cols, &mut wide);
                let what = format_args!("{isa:?} {shape:?} case {case}, rounded");
                assert_near(&wide, &want[0], Tolerance { relative: 4e-3, ..TOLERANCE }, what);
            }
            for (i, (got, want)) in [out, dx, dweight, dbias].iter().zip(&want).enumerate() {
                let what = format_args!("{isa:?} {shape:?} case {case}, result {i}");
                assert_near(got, want, TOLERANCE, what);
            }
        });
    });
}

#[test]
fn unit_rows() {
    on_every_isa(|isa| {
        let sizes = (1..9_usize, 1..70_usize, 0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(100, sizes, |(rows, cols, kind, seed)| {
            let x = KINDS[kind].numbers(seed, rows * cols);
            let (mut out, mut norms) = (vec![0.0; x.len()], vec![0.0; rows]);
            l2_normalize(&x, &mut out, &mut norms, [rows, cols]);
            let what = format_args!("{isa:?} {rows} {cols} {:?}", KINDS[kind]);
            let tolerance = Tolerance { relative: 1e-6, absolute: 1e-37 };
            let want = oracle::unit_rows(&x, cols);
            assert_near(&out, &want, tolerance, what);
            let (dy, mut dx) = (Kind::Plain.numbers(seed + 1, x.len()), vec![0.0; x.len()]);
            l2_normalize_grad(&out, &norms, &dy, &mut dx, [rows, cols]);
            let rows =
                want.chunks(cols).zip(dy.chunks(cols)).zip(&norms).flat_map(|((y, dy), norm)| {
                    let norm = f64::from(*norm);
                    let products = y.iter().zip(dy).map(|(y, dy)| y.value * f64::from(*dy));
                    // What is as short as the shortest is divided by a constant.
                    let along: f64 = if norm > f64::from(1e-12_f32) { products.sum() } else { 0.0 };
                    let of = move |(y, dy): (&Exact, &f32)| {
                        let size = f64::from(dy.abs()) + (cols as f64).sqrt();
                        Exact::of_size((f64::from(*dy) - y.value * along) / norm, size / norm)
                    };
                    y.iter().zip(dy).map(of).collect::<Vec<_>>()
                });
            assert_near(&dx, &rows.collect::<Vec<_>>(), tolerance.times(2.0), what);
        });
    });
}

#[test]
fn cross_entropies() {
    on_every_isa(|isa| {
        let sizes = (1..9_usize, 1..70_usize, 0..KINDS.len() - 1, 0..u64::from(u32::MAX));
        for_all(100, sizes, |(rows, cols, kind, seed)| {
            let what = format_args!("{isa:?} {rows} {cols} {:?}", KINDS[kind]);
            let logits = KINDS[kind].numbers(seed, rows * cols);
            let targets: Vec<usize> = (0..rows).map(|row| row * 5 % cols).collect();
            let mut probs = vec![0.5; logits.len()];
            let loss = cross_entropy(&logits, &targets, &mut probs, [rows, cols]);
            let mut slopes = vec![0.5; logits.len()];
            cross_entropy_grad(&probs, &targets, 1.0, &mut slopes, [rows, cols]);
            let mut want = Exact::default();
            for (row, &target) in targets.iter().enumerate() {
                let logits = &logits[row * cols..][..cols];
                let max = logits.iter().fold(f64::MIN, |max, &x| max.max(x.into()));
                let powers: Vec<f64> = logits.iter().map(|&x| (f64::from(x) - max).exp()).collect();
                let total: f64 = powers.iter().sum();
                let p: Vec<Exact> =
                    powers.iter().map(|power| Exact::of_size(power / total, 1.0)).collect();
                assert_near(&probs[row * cols..][..cols], &p, TOLERANCE, what);
                let slope: Vec<Exact> = (0..cols)
                    .map(|c| p[c].value - if c == target { 1.0 } else { 0.0 })
                    .map(|slope| Exact::of_size(slope / rows as f64, 1.0))
                    .collect();
                assert_near(&slopes[row * cols..][..cols], &slope, TOLERANCE, what);
                want.add((total.ln() + max - f64::from(logits[target])) / rows as f64);
            }
            assert_near(&[loss], &[want], TOLERANCE, what);
        });
    });
}
