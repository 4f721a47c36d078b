//! Functions of one number over all floats.

use crate::elementwise::{Unary, unary, unary_grad};
use crate::testing::on_every_isa;

/// About 90,000 floats of every sign and magnitude, NaN and infinities among them.
fn floats() -> Vec<f32> {
    let special = [0.0, -0.0, f32::MIN_POSITIVE, f32::MAX, f32::MIN, f32::INFINITY];
    let all = (0..=u32::MAX).step_by(48_611).map(f32::from_bits);
    all.chain(special).chain([f32::NEG_INFINITY, f32::NAN]).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Value and slope in f64.
fn exact(op: Unary, x: f64) -> [f64; 2] {
    let swish = |b: f64| {
        let s = sigmoid(b * x);
        if s == 0.0 { [0.0; 2] } else { [x * s, s * (1.0 + b * x * (1.0 - s))] }
    };
    match op {
        Unary::Silu => swish(1.0),
        Unary::QuickGelu => swish(1.702),
        Unary::Exp => [x.exp(); 2],
        Unary::Abs => [x.abs(), if x == 0.0 { 0.0 } else { x.signum() }],
        Unary::Sqr => [x * x, 2.0 * x],
        Unary::Tanh => [x.tanh(), 1.0 - x.tanh() * x.tanh()],
        Unary::Sigmoid => [sigmoid(x), sigmoid(x) * (1.0 - sigmoid(x))],
        Unary::Gelu => unreachable!("its limits are below"),
    }
}

fn near(got: f32, want: f64) -> bool {
    let got = f64::from(got);
    if want.is_nan() {
        return got.is_nan();
    }
    let overflows = want.abs() > f64::from(f32::MAX) * (1.0 - 1e-6);
    // Written so that NaN fails.
    got == want
        || (overflows
            && got.abs() >= f64::from(f32::MAX) * (1.0 - 1e-6)
            && got.signum() == want.signum())
        || (got - want).abs() <= 2e-6 * want.abs().max(1.0)
}

#[test]
fn values_and_slopes_of_every_float() {
    let x = floats();
    let ones = vec![1.0; x.len()];
    on_every_isa(|isa| {
        for op in [
            Unary::Silu,
            Unary::QuickGelu,
            Unary::Exp,
            Unary::Abs,
            Unary::Sqr,
            Unary::Tanh,
            Unary::Sigmoid,
        ] {
            let [mut y, mut dx] = [vec![7.0; x.len()], vec![7.0; x.len()]];
            unary(op, &x, &mut y);
            unary_grad(op, &x, &ones, &mut dx);
            for (i, &x) in x.iter().enumerate() {
                if x.is_infinite() && matches!(op, Unary::Silu | Unary::QuickGelu) {
                    // The value at -∞ is ∞ · 0, as in PyTorch.
                    assert_eq!(dx[i], if x > 0.0 { 1.0 } else { 0.0 }, "{isa:?} {op:?}'({x})");
                    continue;
                }
                let [value, slope] = exact(op, x.into());
                assert!(near(y[i], value), "{isa:?} {op:?}({x:e}) = {:e}, not {value:e}", y[i]);
                assert!(near(dx[i], slope), "{isa:?} {op:?}'({x:e}) = {:e}, not {slope:e}", dx[i]);
            }
        }
    });
}

/// GELU is 0 and x far from 0, and its slope 0 and 1; near it, the slope is at most 1.13.
#[test]
fn gelu_has_its_limits() {
    let x = floats();
    let ones = vec![1.0; x.len()];
    on_every_isa(|isa| {
        let [mut y, mut dx] = [vec![7.0; x.len()], vec![7.0; x.len()]];
        unary(Unary::Gelu, &x, &mut y);
        unary_grad(Unary::Gelu, &x, &ones, &mut dx);
        for ((&x, &y), &dx) in x.iter().zip(&y).zip(&dx) {
            let what = format_args!("{isa:?} {x:e}: {y:e}, {dx:e}");
            if x.is_nan() {
                assert!(y.is_nan() && dx.is_nan(), "{what}");
            } else if x > 6.0 {
                assert!(y == x && (dx - 1.0).abs() < 1e-6, "{what}");
            } else if x == f32::NEG_INFINITY {
                // -∞ · 0.
                assert!(dx.abs() < 1e-6, "{what}");
            } else if x < -6.0 {
                assert!(y.abs() < 1e-6 * x.abs() && dx.abs() < 1e-6, "{what}");
            } else {
                assert!((-0.17..=6.0).contains(&y) && (-0.13..=1.13).contains(&dx), "{what}");
            }
        }
    });
}
