//! Functions of one number, and their slopes.

use super::{map, map2};
use crate::cpu::{Isa, isa};
use crate::{math, watch};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// `x · sigmoid(x)` (Elfwing et al. 2017).
    Silu,
    /// `x · Φ(x)` with the exact normal distribution function (Hendrycks and Gimpel 2016).
    Gelu,
    /// `x · sigmoid(1.702 x)`, the approximation of GELU that the first CLIP was trained with.
    QuickGelu,
    /// `eˣ`.
    Exp,
    /// `|x|`, with derivative 0 at 0.
    Abs,
    /// `x²`.
    Sqr,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
}

impl Unary {
    fn name(self) -> &'static str {
        match self {
            Self::Silu => "SiLU",
            Self::Gelu => "GELU",
            Self::QuickGelu => "GELU by sigmoid",
            Self::Exp => "exp",
            Self::Abs => "abs",
            Self::Sqr => "square",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
        }
    }
}

/// `out = f(x)`.
#[track_caller]
pub fn unary(op: Unary, x: &[f32], out: &mut [f32]) {
    let _call = watch::elements(op.name(), [out.len()], 2 * out.len());
    unary_on(isa(), op, x, out);
}

/// `dx = dy · f'(x)`.
#[track_caller]
pub fn unary_grad(op: Unary, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    unary_grad_on(isa(), op, x, dy, dx);
}

#[track_caller]
pub(super) fn unary_on(isa: Isa, op: Unary, x: &[f32], out: &mut [f32]) {
    match op {
        Unary::Silu => map(isa, x, out, math::silu),
        Unary::Gelu => map(isa, x, out, math::gelu),
        Unary::QuickGelu => map(isa, x, out, quick_gelu),
        Unary::Exp => map(isa, x, out, math::exp),
        Unary::Abs => map(isa, x, out, f32::abs),
        Unary::Sqr => map(isa, x, out, |x| x * x),
        Unary::Tanh => map(isa, x, out, math::tanh),
        Unary::Sigmoid => map(isa, x, out, math::sigmoid),
    }
}

#[track_caller]
fn unary_grad_on(isa: Isa, op: Unary, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    match op {
        Unary::Silu => map2(isa, x, dy, dx, silu_grad),
        Unary::Gelu => map2(isa, x, dy, dx, gelu_grad),
        Unary::QuickGelu => map2(isa, x, dy, dx, quick_gelu_grad),
        Unary::Exp => map2(isa, x, dy, dx, exp_grad),
        Unary::Abs => map2(isa, x, dy, dx, abs_grad),
        Unary::Sqr => map2(isa, x, dy, dx, |x, dy| dy * (2.0 * x)),
        Unary::Tanh => map2(isa, x, dy, dx, tanh_grad),
        Unary::Sigmoid => map2(isa, x, dy, dx, sigmoid_grad),
    }
}

// Functions, not closures, so that `inline(always)` can be said: a call left in the loop would
// keep it from becoming vector code.

#[inline(always)]
fn quick_gelu(x: f32) -> f32 {
    x / (1.0 + math::exp(-1.702 * x))
}

#[inline(always)]
fn silu_grad(x: f32, dy: f32) -> f32 {
    dy * math::silu_slope(x)
}

#[inline(always)]
fn gelu_grad(x: f32, dy: f32) -> f32 {
    dy * math::gelu_slope(x)
}

#[inline(always)]
fn quick_gelu_grad(x: f32, dy: f32) -> f32 {
    dy * math::silu_slope(1.702 * x)
}

#[inline(always)]
fn exp_grad(x: f32, dy: f32) -> f32 {
    dy * math::exp(x)
}

#[inline(always)]
fn abs_grad(x: f32, dy: f32) -> f32 {
    let slope = if x.is_nan() { x } else { 1f32.copysign(x) };
    if x == 0.0 { 0.0 } else { dy * slope }
}

#[inline(always)]
fn tanh_grad(x: f32, dy: f32) -> f32 {
    let t = math::tanh(x);
    dy * (1.0 - t * t)
}

#[inline(always)]
fn sigmoid_grad(x: f32, dy: f32) -> f32 {
    let s = math::sigmoid(x);
    dy * (s * (1.0 - s))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cpu::available;
    use crate::parallel::ELEMENTWISE_CHUNK;
    use crate::testing::{assert_close, assert_same_on_any_number_of_threads, random};

    const OPS: [Unary; 8] = [
        Unary::Silu,
        Unary::Gelu,
        Unary::QuickGelu,
        Unary::Exp,
        Unary::Abs,
        Unary::Sqr,
        Unary::Tanh,
        Unary::Sigmoid,
    ];

    /// The definitions in f64. `Φ` is integrated by Simpson's rule, whose error is below 1e-12.
    pub fn reference(op: Unary, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match op {
            Unary::Silu => x * sigmoid(x),
            Unary::Gelu => {
                let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
                let step = x / 400.0;
                let inner = |i: u32| density(f64::from(i) * step) * f64::from(2 + i % 2 * 2);
                let sum = density(0.0) + (1..400).map(inner).sum::<f64>() + density(x);
                x * (0.5 + sum * step / 3.0)
            }
            Unary::QuickGelu => x * sigmoid(1.702 * x),
            Unary::Exp => x.exp(),
            Unary::Abs => x.abs(),
            Unary::Sqr => x * x,
            Unary::Tanh => x.tanh(),
            Unary::Sigmoid => sigmoid(x),
        }
    }

    pub fn inputs(n: usize) -> Vec<f32> {
        random(1, n).iter().map(|x| 8.0 * x).collect()
    }

    #[test]
    fn functions_equal_their_definitions() {
        let x = inputs(2003);
        for op in OPS {
            let mut out = vec![f32::NAN; x.len()];
            unary(op, &x, &mut out);
            let want: Vec<f64> = x.iter().map(|&x| reference(op, f64::from(x))).collect();
            assert_close(&out, &want, 1e-6);
        }
    }

    #[test]
    fn slopes_equal_differences_of_the_definitions() {
        let (x, dy) = (inputs(500), random(2, 500));
        for op in OPS {
            let mut dx = vec![f32::NAN; x.len()];
            unary_grad(op, &x, &dy, &mut dx);
            for i in 0..x.len() {
                let h = 1e-5;
                let at = |x: f64| reference(op, x);
                let slope = (at(f64::from(x[i]) + h) - at(f64::from(x[i]) - h)) / (2.0 * h);
                assert_close(&[dx[i]], &[slope * f64::from(dy[i])], 2e-6);
            }
        }
        let mut dx = [f32::NAN; 3];
        unary_grad(Unary::Abs, &[0.0, -0.0, -3.0], &[5.0; 3], &mut dx);
        assert_eq!(dx, [0.0, 0.0, -5.0]);
    }

    #[test]
    fn every_instruction_set_and_number_of_threads_gives_the_same_bits() {
        let (x, dy) = (inputs(2 * ELEMENTWISE_CHUNK + 7), random(3, 2 * ELEMENTWISE_CHUNK + 7));
        let run = |isa, op| {
            let (mut out, mut dx) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
            unary_on(isa, op, &x, &mut out);
            unary_grad_on(isa, op, &x, &dy, &mut dx);
            [out, dx].concat()
        };
        for op in OPS {
            let want = run(Isa::Portable, op);
            assert!(available().all(|isa| run(isa, op) == want), "{op:?}");
            assert_same_on_any_number_of_threads(|| run(isa(), op));
        }
    }
}
