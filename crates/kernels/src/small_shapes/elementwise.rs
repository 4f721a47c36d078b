//! What touches each element once, to the bit: every instruction set does the same roundings.

use super::{edges, everywhere, pairs, sizes};
use crate::elementwise::{self, Unary};
use crate::optimizer::{AdamW, adamw, ema};
use crate::testing::fenced::Fenced;
use crate::{math, reduce, upsample};

fn lengths() -> Vec<usize> {
    edges(70, &[95, 96, 97, 127, 129, 1000])
}

/// Panics unless `got` is `want` of every index.
#[track_caller]
fn same(got: &Fenced<f32>, what: &str, want: impl Fn(usize) -> f32) {
    for (i, got) in got.iter().enumerate() {
        assert_eq!(got.to_bits(), want(i).to_bits(), "{what}: element {i}");
    }
}

#[test]
fn arithmetic() {
    everywhere(|place| {
        for len in lengths() {
            let (a, b) = (place.input(1, len), place.input(2, len));
            let mut out = place.output(len);
            let mut check = |what, f: &dyn Fn(&mut [f32]), want: &dyn Fn(f32, f32) -> f32| {
                out.fill(f32::NAN);
                f(&mut out);
                same(&out, what, |i| want(a[i], b[i]));
            };
            check("add", &|out| elementwise::add(&a, &b, out), &|a, b| a + b);
            check("sub", &|out| elementwise::sub(&a, &b, out), &|a, b| a - b);
            check("mul", &|out| elementwise::mul(&a, &b, out), &|a, b| a * b);
            check("scale", &|out| elementwise::scale(&a, 0.3, out), &|a, _| a * 0.3);
            check("add_scalar", &|out| elementwise::add_scalar(&a, 0.3, out), &|a, _| a + 0.3);
            check("clamp", &|out| elementwise::clamp(&a, -0.5, 0.5, out), &|a, _| {
                a.clamp(-0.5, 0.5)
            });
            check("clamp_grad", &|out| elementwise::clamp_grad(&a, -0.5, 0.5, &b, out), &|a, b| {
                if a.abs() <= 0.5 { b } else { 0.0 }
            });
            let mut sum = place.input(1, len);
            elementwise::add_assign(&mut sum, &b);
            elementwise::axpy(&mut sum, 0.7, &b);
            same(&sum, "add_assign and axpy", |i| (a[i] + b[i]) + 0.7 * b[i]);
            let exact: f64 = a.iter().zip(&*b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            assert!((reduce::dot(&a, &b) - exact).abs() < 1e-9 && reduce::is_finite(&a));
            let exact: f64 = a.iter().map(|&a| f64::from(a)).sum();
            assert!((f64::from(reduce::sum(&a)) - exact).abs() < 1e-4);
        }
    });
}

#[test]
fn functions_of_one_number() {
    type F = fn(f32) -> f32;
    let functions: [(Unary, F, Option<F>); 8] = [
        (Unary::Silu, math::silu, Some(math::silu_slope)),
        (Unary::Gelu, math::gelu, Some(math::gelu_slope)),
        (Unary::QuickGelu, |x| x * math::sigmoid(1.702 * x), None),
        (Unary::Exp, math::exp, Some(math::exp)),
        (Unary::Abs, f32::abs, Some(f32::signum)),
        (Unary::Sqr, |x| x * x, Some(|x| 2.0 * x)),
        (Unary::Tanh, math::tanh, None),
        (Unary::Sigmoid, math::sigmoid, None),
    ];
    everywhere(|place| {
        for len in lengths() {
            let (x, dy, mut out) = (place.input(1, len), place.input(2, len), place.output(len));
            for (op, f, slope) in functions {
                elementwise::unary(op, &x, &mut out);
                let near = |got: f32, want: f32| (got - want).abs() <= 1e-6 * (1.0 + want.abs());
                assert!(out.iter().zip(&*x).all(|(&y, &x)| near(y, f(x))), "{place:?} {op:?}");
                out.fill(f32::NAN);
                elementwise::unary_grad(op, &x, &dy, &mut out);
                assert!(out.iter().all(|dx| dx.is_finite()), "{place:?} {op:?}");
                if let Some(slope) = slope {
                    let wanted = x.iter().zip(&*dy).map(|(&x, dy)| dy * slope(x));
                    assert!(out.iter().zip(wanted).all(|(&g, w)| near(g, w)), "{place:?} {op:?}");
                }
            }
        }
    });
}

#[test]
fn what_goes_by_rows() {
    let shapes = pairs(&edges(20, &[]), &sizes(20, &[33, 65]));
    everywhere(|place| {
        for [rows, cols] in shapes.iter().copied() {
            let len = rows * cols;
            let (x, mut out) = (place.input(1, 2 * len), place.output(len));
            let (a, row) = (place.input(2, len), place.input(3, cols));
            elementwise::geglu(&x, &mut out, [rows, cols]);
            let half = |i: usize, half: usize| x[(2 * (i / cols) + half) * cols + i % cols];
            same(&out, "geglu", |i| half(i, 0) * math::gelu(half(i, 1)));
            let mut dx = place.output(2 * len);
            elementwise::geglu_grad(&x, &a, &mut dx, [rows, cols]);
            same(&dx, "geglu_grad", |i| {
                let (row, gate, column) = (i / (2 * cols), i % (2 * cols) / cols, i % cols);
                let at = row * cols + column;
                match gate {
                    0 => a[at] * math::gelu(half(at, 1)),
                    _ => a[at] * half(at, 0) * math::gelu_slope(half(at, 1)),
                }
            });
            elementwise::add_rows(&a, &row, &mut out, [rows, cols]);
            same(&out, "add_rows", |i| a[i] + row[i % cols]);
            let e = place.input(4, rows);
            elementwise::add_per_picture(&a, &e, &mut out, [rows, cols, 1]);
            same(&out, "add_per_picture", |i| a[i] + e[i / cols]);
            elementwise::scale_per_picture(&a, &e, &mut out, [rows, cols]);
            same(&out, "scale_per_picture", |i| a[i] * e[i / cols]);
            let mut sums = place.output(cols);
            reduce::sum_rows(&a, &mut sums, [rows, cols]);
            for (column, &sum) in sums.iter().enumerate() {
                let exact: f64 = (0..rows).map(|row| f64::from(a[row * cols + column])).sum();
                assert!((f64::from(sum) - exact).abs() <= 1e-5, "{place:?} sum_rows");
            }
            for [h, c] in [[rows, 1], [1, rows]] {
                let shape = [1, h, cols, c];
                let mut large = place.output(4 * len);
                upsample::upsample_nearest2(&a, &mut large, shape);
                let at =
                    |i: usize| (i / c / (2 * cols) / 2 * cols + i / c % (2 * cols) / 2) * c + i % c;
                same(&large, "upsample_nearest2", |i| a[at(i)]);
                upsample::upsample_nearest2_grad(&large, &mut out, shape);
                same(&out, "upsample_nearest2_grad", |i| (a[i] + a[i]) + (a[i] + a[i]));
            }
        }
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
    everywhere(|place| {
        for len in lengths() {
            let [mut param, grad, mut m] = [1, 2, 3].map(|seed| place.input(seed, len));
            let mut v = place.input(4, len);
            v.iter_mut().for_each(|v| *v = v.abs());
            let before: Vec<[f32; 3]> = (0..len).map(|i| [param[i], m[i], v[i]]).collect();
            adamw(&mut param, &grad, &mut m, &mut v, OPTIONS);
            for (i, [p, old_m, old_v]) in before.into_iter().enumerate() {
                let grad = 0.5 * f64::from(grad[i]);
                let new_m = 0.9 * f64::from(old_m) + 0.1 * grad;
                let new_v = 0.99 * f64::from(old_v) + 0.01 * grad * grad;
                let root = (new_v / (1.0 - 0.99_f64.powi(3))).sqrt() + 1e-8;
                let step = 1e-2 / (1.0 - 0.9_f64.powi(3)) * new_m / root;
                let want = f64::from(p) * (1.0 - 1e-3) - step;
                for (got, want) in [(param[i], want), (m[i], new_m), (v[i], new_v)] {
                    let error = (f64::from(got) - want).abs();
                    assert!(error <= 1e-6 * (1.0 + want.abs()), "{place:?} {len} {i}");
                }
            }
            ema(&mut m, &grad, 1.0);
            ema(&mut v, &grad, 0.0);
            assert!(v.iter().zip(&*grad).all(|(v, g)| (v - g).abs() < 1e-6), "{place:?} {len}");
        }
    });
}
