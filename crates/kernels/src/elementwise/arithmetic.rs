//! Sums, products and limits, element by element.

use super::{map, map2, update};
use crate::cpu::isa;
use crate::watch;

/// `out = a + b`.
#[track_caller]
pub fn add(a: &[f32], b: &[f32], out: &mut [f32]) {
    let _call = watch::elements("add", [out.len()], 3 * out.len());
    map2(isa(), a, b, out, |a, b| a + b);
}

/// `out = a - b`.
#[track_caller]
pub fn sub(a: &[f32], b: &[f32], out: &mut [f32]) {
    map2(isa(), a, b, out, |a, b| a - b);
}

/// `out = a · b`.
#[track_caller]
pub fn mul(a: &[f32], b: &[f32], out: &mut [f32]) {
    map2(isa(), a, b, out, |a, b| a * b);
}

/// `out = s x`.
#[track_caller]
pub fn scale(x: &[f32], s: f32, out: &mut [f32]) {
    let _call = watch::elements("scale", [out.len()], 2 * out.len());
    map(isa(), x, out, |x| x * s);
}

/// `out = x + s`.
#[track_caller]
pub fn add_scalar(x: &[f32], s: f32, out: &mut [f32]) {
    map(isa(), x, out, |x| x + s);
}

/// `acc += x`.
#[track_caller]
pub fn add_assign(acc: &mut [f32], x: &[f32]) {
    update(isa(), acc, x, |acc, x| acc + x);
}

/// `acc += s x`.
#[track_caller]
pub fn axpy(acc: &mut [f32], s: f32, x: &[f32]) {
    update(isa(), acc, x, |acc, x| acc + s * x);
}

/// `out = min(max(x, lo), hi)`; NaN stays NaN.
#[track_caller]
pub fn clamp(x: &[f32], lo: f32, hi: f32, out: &mut [f32]) {
    map(isa(), x, out, |x| {
        let x = if x < lo { lo } else { x };
        if x > hi { hi } else { x }
    });
}

/// `dx = dy` where `lo <= x <= hi`, else 0.
#[track_caller]
pub fn clamp_grad(x: &[f32], lo: f32, hi: f32, dy: &[f32], dx: &mut [f32]) {
    map2(isa(), x, dy, dx, |x, dy| if x >= lo && x <= hi { dy } else { 0.0 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::ELEMENTWISE_CHUNK;
    use crate::testing::random;

    #[test]
    fn arithmetic_of_two() {
        let n = ELEMENTWISE_CHUNK + 5;
        let (a, b) = (random(4, n), random(5, n));
        let check = |f: &dyn Fn(&mut [f32]), want: &dyn Fn(f32, f32) -> f32| {
            let mut out = a.clone();
            f(&mut out);
            assert!((0..n).all(|i| out[i] == want(a[i], b[i])));
        };
        check(&|out| add(&a, &b, out), &|a, b| a + b);
        check(&|out| sub(&a, &b, out), &|a, b| a - b);
        check(&|out| mul(&a, &b, out), &|a, b| a * b);
        check(&|out| scale(&a, 0.3, out), &|a, _| a * 0.3);
        check(&|out| add_scalar(&a, 0.3, out), &|a, _| a + 0.3);
        check(&|out| add_assign(out, &b), &|a, b| a + b);
        check(&|out| axpy(out, 0.3, &b), &|a, b| a + 0.3 * b);
        check(&|out| clamp(&a, -0.5, 0.25, out), &|a, _| a.clamp(-0.5, 0.25));
        let inside = |a: f32| (-0.5..=0.25).contains(&a);
        check(&|out| clamp_grad(&a, -0.5, 0.25, &b, out), &|a, b| if inside(a) { b } else { 0.0 });
        let mut out = [0.0];
        clamp(&[f32::NAN], 0.0, 1.0, &mut out);
        assert!(out[0].is_nan());
    }

    #[test]
    #[should_panic(expected = "lengths")]
    fn lengths_that_differ_are_refused() {
        add(&[0.0; 3], &[0.0; 4], &mut [0.0; 3]);
    }
}
