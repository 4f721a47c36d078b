//! What touches each element once, or moves or adds them: with the roundings of the definitions in
//! f32, NaN and infinities among them; sums near those in f64.

use super::{FINITE, KINDS, Kind, for_all};
use crate::elementwise::{self, Unary};
use crate::optimizer::{AdamW, adamw, ema};
use crate::oracle::{self, Exact, Tolerance, assert_near};
use crate::shuffle::{ChannelOrder, depth_to_space, space_to_depth};
use crate::testing::on_every_isa;
use crate::{Numbers, math, reduce, upsample, widen};

/// Panics unless `got` has the bits of `want` of every index, or both are NaN.
#[track_caller]
fn same(got: &[f32], what: &str, want: impl Fn(usize) -> f32) {
    for (i, &got) in got.iter().enumerate() {
        let want = want(i);
        let equal = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
        assert!(equal, "{what}: element {i}: {got:e}, not {want:e}");
    }
}

fn exact_sum(terms: impl Iterator<Item = f64>) -> Exact {
    terms.fold(Exact::default(), |mut sum, term| {
        sum.add(term);
        sum
    })
}

#[test]
fn arithmetic_and_rectifiers() {
    on_every_isa(|_| {
        let kinds = (0..KINDS.len(), 0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(60, (1..300_usize, kinds), |(len, (of_a, of_b, seed))| {
            let (a, b) = (KINDS[of_a].numbers(seed, len), KINDS[of_b].numbers(seed + 1, len));
            let mut out = vec![7.0; len];
            let mut check = |what, f: &dyn Fn(&mut [f32]), want: &dyn Fn(f32, f32) -> f32| {
                f(&mut out);
                same(&out, what, |i| want(a[i], b[i]));
                out.fill(7.0);
            };
            check("add", &|out| elementwise::add(&a, &b, out), &|a, b| a + b);
            check("sub", &|out| elementwise::sub(&a, &b, out), &|a, b| a - b);
            check("mul", &|out| elementwise::mul(&a, &b, out), &|a, b| a * b);
            check("scale", &|out| elementwise::scale(&a, -3.0, out), &|a, _| -3.0 * a);
            check("add_scalar", &|out| elementwise::add_scalar(&a, 0.3, out), &|a, _| a + 0.3);
            check("clamp", &|out| elementwise::clamp(&a, -0.5, 0.5, out), &|a, _| {
                a.clamp(-0.5, 0.5)
            });
            let inside = |a: f32| (-0.5..=0.5).contains(&a);
            check("clamp_grad", &|out| elementwise::clamp_grad(&a, -0.5, 0.5, &b, out), &|a, b| {
                if inside(a) { b } else { 0.0 }
            });
            check("add_assign", &|out| elementwise::add_assign(out, &a), &|a, _| 7.0 + a);
            check("axpy", &|out| elementwise::axpy(out, 0.7, &a), &|a, _| 7.0 + 0.7 * a);
            check("leaky_relu", &|out| elementwise::leaky_relu(&a, 0.2, out), &|a, _| {
                if a > 0.0 { a } else { 0.2 * a }
            });
            check(
                "its gradient",
                &|out| elementwise::leaky_relu_grad(&a, 0.2, &b, out),
                &|a, b| {
                    if a > 0.0 { b } else { 0.2 * b }
                },
            );
            let slopes = [0.3; 1];
            check("prelu", &|out| elementwise::prelu(&a, &slopes, &b, out, [len, 1]), &|a, b| {
                if a > 0.0 { b } else { 0.3 * b }
            });
            check("ema", &|out| ema(out, &a, 0.75), &|a, _| 7.0 + 0.25 * (a - 7.0));
            assert_eq!(reduce::is_finite(&a), a.iter().all(|a| a.is_finite()));
        });
    });
}

#[test]
fn rows_and_pictures() {
    on_every_isa(|_| {
        let kinds = (0..KINDS.len(), 0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(60, ((1..9_usize, 1..40_usize), kinds), |((rows, c), (of_a, of_b, seed))| {
            let a = KINDS[of_a].numbers(seed, rows * c);
            let b = KINDS[of_b].numbers(seed + 1, rows.max(c));
            let mut out = vec![7.0; a.len()];
            elementwise::add_rows(&a, &b[..c], &mut out, [rows, c]);
            same(&out, "add_rows", |i| a[i] + b[i % c]);
            elementwise::add_per_picture(&a, &b[..rows], &mut out, [rows, c, 1]);
            same(&out, "add_per_picture", |i| a[i] + b[i / c]);
            elementwise::scale_per_picture(&a, &b[..rows], &mut out, [rows, c]);
            same(&out, "scale_per_picture", |i| a[i] * b[i / c]);
            let mut large = vec![7.0; 4 * a.len()];
            let at =
                |i: usize| (i / c / 2 / (2 * rows) * rows + i / c % (2 * rows) / 2) * c + i % c;
            upsample::upsample_nearest2(&a, &mut large, [1, 1, rows, c]);
            same(&large, "upsample_nearest2", |i| a[at(i) % a.len()]);
            upsample::upsample_nearest2_grad(&large, &mut out, [1, 1, rows, c]);
            same(&out, "its gradient", |i| (a[i] + a[i]) + (a[i] + a[i]));
            upsample::upsample_nearest(&a, &mut large, [1, 1, rows, c], 2);
            same(&large, "upsample_nearest", |i| a[at(i) % a.len()]);
            upsample::upsample_nearest_grad(&large, &mut out, [1, 1, rows, c], 2);
            same(&out, "its gradient", |i| ((0.0 + a[i] + a[i]) + a[i]) + a[i]);
            let (mut there, mut back) = (vec![7.0; large.len()], vec![7.0; large.len()]);
            depth_to_space(&large, &mut there, [1, 1, rows, c], 2, ChannelOrder::ByChannel);
            space_to_depth(&there, &mut back, [1, 1, rows, c], 2, ChannelOrder::ByChannel);
            same(&back, "there and back", |i| large[i]);
            let mut numbers = vec![7.0; a.len()];
            Numbers::F32(&a).widen_all(&mut numbers);
            same(&numbers, "all numbers", |i| a[i]);
            numbers.fill(7.0);
            Numbers::F32(&a).widen(0..a.len(), &mut numbers);
            same(&numbers, "numbers", |i| a[i]);
            // Each element is the upper half of a pair whose lower half is its own lower one.
            widen(&a, 2, &mut large[..2 * a.len()]);
            let half = |i: usize| {
                if i.is_multiple_of(2) { a[i / 2].to_bits() << 16 } else { a[i / 2].to_bits() }
            };
            same(&large[..2 * a.len()], "widen", |i| f32::from_bits(half(i) & 0xffff_0000));
        });
    });
}

#[test]
fn geglus() {
    on_every_isa(|_| {
        let kinds = (0..KINDS.len(), 0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(60, ((1..9_usize, 1..40_usize), kinds), |((rows, c), (of_a, of_b, seed))| {
            let values = KINDS[of_a].numbers(seed, rows * c);
            let gates = KINDS[of_b].numbers(seed + 1, rows * c);
            let rows_of = |i: usize| [&values[i * c..][..c], &gates[i * c..][..c]].concat();
            let x: Vec<f32> = (0..rows).flat_map(rows_of).collect();
            let (mut out, mut dx) = (vec![7.0; rows * c], vec![7.0; x.len()]);
            elementwise::geglu(&x, &mut out, [rows, c]);
            let exact = |(a, b): (&f32, &f32)| {
                let (a, b) = (f64::from(*a), f64::from(*b));
                // What gelu(b) loses below the normal numbers is multiplied by a too.
                Exact::of_size(a * oracle::gelu(b), (1.2 * b.abs() + 1e-38) * a.abs())
            };
            let want: Vec<Exact> = values.iter().zip(&gates).map(exact).collect();
            let tolerance = Tolerance { relative: 1e-6, absolute: 1e-37 };
            assert_near(&out, &want, tolerance, format_args!("{of_a} {of_b}"));
            // The slopes themselves are compared with f64 among the functions.
            let dy = Kind::Plain.numbers(seed + 2, rows * c);
            elementwise::geglu_grad(&x, &dy, &mut dx, [rows, c]);
            same(&dx, "geglu_grad", |i| {
                let at = i / (2 * c) * c + i % c;
                match i / c % 2 {
                    0 => dy[at] * math::gelu(gates[at]),
                    _ => dy[at] * values[at] * math::gelu_slope(gates[at]),
                }
            });
            elementwise::unary(Unary::Gelu, &gates, &mut out);
            same(&out, "gelu", |i| math::gelu(gates[i]));
        });
    });
}

#[test]
fn sums_and_maxima() {
    on_every_isa(|_| {
        let kinds = (0..KINDS.len(), 0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(80, ((1..9_usize, 1..40_usize), kinds), |((rows, c), (of_a, of_b, seed))| {
            let (a, b) =
                (KINDS[of_a].numbers(seed, rows * c), KINDS[of_b].numbers(seed + 1, rows * c));
            let near = |got: f64, want: Exact| {
                let error = (got - want.value).abs();
                let same = got == want.value || got.is_nan() && want.value.is_nan();
                assert!(same || error <= 1e-12 * want.size, "{got:e}, not {want:?}");
            };
            let wide = |x: &f32| f64::from(*x);
            near(reduce::dot(&a, &b), exact_sum(a.iter().zip(&b).map(|(a, b)| wide(a) * wide(b))));
            near(reduce::sum_of_squares(&a), exact_sum(a.iter().map(|a| wide(a) * wide(a))));
            let tolerance = Tolerance::of_sum(rows * c);
            let all = exact_sum(a.iter().map(wide));
            assert_near(&[reduce::sum(&a)], &[all], tolerance, "sum");
            let column = |i: usize| exact_sum(a[i..].iter().step_by(c).map(wide));
            let (want, mut sums) = ((0..c).map(column).collect::<Vec<_>>(), vec![7.0; c]);
            reduce::sum_rows(&a, &mut sums, [rows, c]);
            assert_near(&sums, &want, tolerance, "sum_rows");
            let mut sums = vec![7.0; rows * c];
            reduce::sum_per_picture(&a, &mut sums, [rows, 1, c]);
            same(&sums, "sum_per_picture", |i| 0.0 + a[i]);
            for (row, (at, most)) in a.chunks(c).zip(reduce::row_maxima(&a, c)) {
                // `f32::max` may give NaN for one that signals.
                let larger = |most: f32, &x: &f32| if x > most { x } else { most };
                let largest = row.iter().fold(f32::NEG_INFINITY, larger);
                let first = row.iter().position(|&x| x == largest).unwrap_or(0);
                assert_eq!((at, most), (first, largest));
            }
        });
    });
}

#[test]
fn steps_of_the_optimizer() {
    const OPTIONS: AdamW = AdamW {
        lr: 1e-2,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-8,
        weight_decay: 0.1,
        step: 3,
        grad_scale: 0.5,
    };
    on_every_isa(|_| {
        for_all(60, (1..100_usize, 0..KINDS.len(), 0..u64::from(u32::MAX)), |(len, kind, seed)| {
            let grad = KINDS[kind].numbers(seed, len);
            let [mut param, mut m, mut v] = [1, 2, 3].map(|i| Kind::Plain.numbers(seed + i, len));
            v.iter_mut().for_each(|v| *v = v.abs());
            let before: Vec<[f32; 3]> = (0..len).map(|i| [param[i], m[i], v[i]]).collect();
            adamw(&mut param, &grad, &mut m, &mut v, OPTIONS);
            for (i, before) in before.into_iter().enumerate() {
                let [p, m_before, v_before] = before.map(f64::from);
                let grad = 0.5 * f64::from(grad[i]);
                let new_m = 0.9 * m_before + 0.1 * grad;
                let new_v = 0.99 * v_before + 0.01 * grad * grad;
                let root = (new_v / (1.0 - 0.99_f64.powi(3))).sqrt() + 1e-8;
                let step = 1e-2 / (1.0 - 0.9_f64.powi(3)) * new_m / root;
                let want = [p * (1.0 - 1e-3) - step, new_m, new_v];
                let want = want.map(|x| Exact::of_size(x, 1.0));
                let tolerance = Tolerance { relative: 2e-6, absolute: 0.0 };
                assert_near(&[param[i], m[i], v[i]], &want, tolerance, format_args!("{kind} {i}"));
                assert!(kind >= FINITE || param[i].is_finite());
            }
        });
    });
}
