//! Norms and the loss, with their gradients.

use super::{edges, everywhere, pairs, sizes};
use crate::group_norm::{
    GroupMoments, GroupNormShape, group_norm, group_norm_affine, group_norm_band, group_norm_grad,
};
use crate::layer_norm::{layer_norm, layer_norm_grad, layer_norm_rounded};
use crate::loss::{cross_entropy, cross_entropy_grad, l2_normalize, l2_normalize_grad};
use crate::math::silu;
use crate::oracle::{self, Exact, Tolerance, assert_near};
use crate::{Precision, has_pairs, widen};

const TOLERANCE: Tolerance = Tolerance { relative: 4e-6, absolute: 1e-6 };

#[test]
fn group_norms_and_their_gradients() {
    let shapes = pairs(&edges(20, &[]), &sizes(20, &[33, 64, 130]));
    everywhere(|place| {
        for [pixels, c] in shapes.iter().copied() {
            for groups in [1, 2, 5, c].into_iter().filter(|&groups| c % groups == 0) {
                let n = 1 + pixels % 2;
                let silu_too = (c + groups) % 2 == 0;
                let s = GroupNormShape { n, pixels, c, groups, eps: 1e-2, silu: silu_too };
                let (x, dy) = (place.input(1, n * pixels * c), place.input(2, n * pixels * c));
                let (weight, bias) = (place.input(3, c), place.input(4, c));
                let (mut out, mut stats) = (place.output(x.len()), place.output(2 * n * groups));
                group_norm(&s, &x, &weight, &bias, &mut out, &mut stats);
                let [mut dx, mut dweight, mut dbias] = [x.len(), c, c].map(|l| place.output(l));
                group_norm_grad(
                    &s,
                    &x,
                    &weight,
                    &bias,
                    &stats,
                    &dy,
                    &mut dx,
                    &mut dweight,
                    &mut dbias,
                );
                let want = oracle::group_norm(&s, &x, [&weight, &bias], &dy);
                let affine = group_norm_affine(&s, &x, &weight, &bias);
                for (i, (x, out)) in x.iter().zip(&*out).enumerate() {
                    let at = i / (pixels * c) * c + i % c;
                    let y = (x - affine.mean[at]) * affine.scale[at] + affine.shift[at];
                    assert!(*out == if s.silu { silu(y) } else { y }, "{place:?} {s:?} affine");
                }
                for (got, want) in [out, dx, dweight, dbias].iter().zip(&want) {
                    assert_near(got, want, TOLERANCE, format_args!("{place:?} {s:?}"));
                }
            }
        }
    });
}

#[test]
fn group_norms_in_bands() {
    let shapes = pairs(&edges(20, &[]), &sizes(20, &[33, 64, 130]));
    everywhere(|place| {
        for [pixels, c] in shapes.iter().copied() {
            let groups = if c % 2 == 0 { 2 } else { 1 };
            let s = GroupNormShape { n: 1, pixels, c, groups, eps: 1e-2, silu: pixels % 2 == 0 };
            let x = place.input(1, pixels * c);
            let (weight, bias) = (place.input(2, c), place.input(3, c));
            let mut moments = GroupMoments::default();
            let bands = || x.chunks((pixels / 3 + 1) * c).map(|x| place.copy(x));
            let of = |band: &[f32]| GroupNormShape { pixels: band.len() / c, ..s };
            bands().for_each(|x| moments.add(&of(&x), &x));
            let mut whole = vec![];
            for x in bands() {
                let mut out = place.output(x.len());
                group_norm_band(&of(&x), &x, &moments, &weight, &bias, &mut out);
                whole.extend_from_slice(&out);
            }
            let [want, ..] = oracle::group_norm(&s, &x, [&weight, &bias], &x);
            assert_near(&whole, &want, TOLERANCE, format_args!("{place:?} {s:?}"));
        }
    });
}

#[test]
fn layer_norms_and_their_gradients() {
    let shapes = pairs(&edges(20, &[]), &sizes(34, &[63, 65]));
    everywhere(|place| {
        for shape @ [rows, cols] in shapes.iter().copied() {
            let (x, dy) = (place.input(1, rows * cols), place.input(2, rows * cols));
            let (weight, bias) = (place.input(3, cols), place.input(4, cols));
            let (mut out, mut stats) = (place.output(x.len()), place.output(2 * rows));
            layer_norm(&x, &weight, &bias, 1e-2, &mut out, &mut stats, shape);
            let [mut dx, mut dweight, mut dbias] = [x.len(), cols, cols].map(|l| place.output(l));
            layer_norm_grad(&x, &weight, &stats, &dy, &mut dx, &mut dweight, &mut dbias, shape);
            let s =
                GroupNormShape { n: rows, pixels: 1, c: cols, groups: 1, eps: 1e-2, silu: false };
            let want = oracle::group_norm(&s, &x, [&weight, &bias], &dy);
            let what = format_args!("{place:?} {shape:?}");
            if has_pairs(Precision::Bf16) && cols % 2 == 0 {
                let (mut pairs, mut wide) = (place.output(rows * cols / 2), place.output(x.len()));
                layer_norm_rounded(&x, &weight, &bias, 1e-2, &mut pairs, shape);
                widen(&pairs, cols, &mut wide);
                assert_near(&wide, &want[0], Tolerance { relative: 4e-3, ..TOLERANCE }, what);
            }
            for (got, want) in [out, dx, dweight, dbias].iter().zip(&want) {
                assert_near(got, want, TOLERANCE, what);
            }
        }
    });
}

#[test]
fn unit_rows_and_cross_entropy() {
    let shapes = pairs(&edges(20, &[]), &sizes(20, &[33]));
    everywhere(|place| {
        for shape @ [rows, cols] in shapes.iter().copied() {
            let what = format_args!("{place:?} {shape:?}");
            let (x, dy) = (place.input(1, rows * cols), place.input(2, rows * cols));
            let [mut out, mut dx] = [x.len(), x.len()].map(|len| place.output(len));
            let mut norms = place.output(rows);
            l2_normalize(&x, &mut out, &mut norms, shape);
            assert_near(&out, &oracle::unit_rows(&x, cols), TOLERANCE, what);
            l2_normalize_grad(&out, &norms, &dy, &mut dx, shape);
            let targets: Vec<usize> = (0..rows).map(|row| row * 7 % cols).collect();
            let mut probs = place.output(x.len());
            let loss = cross_entropy(&x, &targets, &mut probs, shape);
            let mut dlogits = place.output(x.len());
            cross_entropy_grad(&probs, &targets, 0.5, &mut dlogits, shape);
            let mut want = Exact::default();
            for (row, &target) in targets.iter().enumerate() {
                let (x, dy) = (&x[row * cols..][..cols], &dy[row * cols..][..cols]);
                let norm = f64::from(norms[row]);
                let along: f64 =
                    x.iter().zip(dy).map(|(&x, &dy)| f64::from(x) / norm * f64::from(dy)).sum();
                let total: f64 = x.iter().map(|&x| f64::from(x).exp()).sum();
                want.add((total.ln() - f64::from(x[target])) / rows as f64);
                for column in 0..cols {
                    let at = row * cols + column;
                    let exact =
                        (f64::from(dy[column]) - f64::from(x[column]) / norm * along) / norm;
                    let size = (1.0 + along.abs()) / norm;
                    assert_near(&dx[at..=at], &[Exact::of_size(exact, size)], TOLERANCE, what);
                    let p = f64::from(x[column]).exp() / total;
                    assert_near(&probs[at..=at], &[Exact::of_size(p, p)], TOLERANCE, what);
                    let hot = if column == target { 1.0 } else { 0.0 };
                    let slope = 0.5 * (p - hot) / rows as f64;
                    assert_near(&dlogits[at..=at], &[Exact::of_size(slope, 1.0)], TOLERANCE, what);
                }
            }
            assert_near(&[loss], &[want], TOLERANCE, what);
        }
    });
}
