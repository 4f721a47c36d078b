//! Norms and the loss.

use super::{KINDS, Kind, for_all};
use crate::group_norm::{GroupNormShape, group_norm, group_norm_grad};
use crate::layer_norm::{layer_norm, layer_norm_grad};
use crate::loss::{cross_entropy, cross_entropy_grad, l2_normalize};
use crate::oracle::{self, Exact, Tolerance, assert_near};
use crate::testing::on_every_isa;

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
            assert_near(&out, &oracle::unit_rows(&x, cols), tolerance, what);
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
