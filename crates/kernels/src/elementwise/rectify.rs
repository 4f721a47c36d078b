//! Rectifiers: what is negative is multiplied with a slope, one for all or one for each channel.

use super::{assert_lengths, map, map2};
use crate::cpu::isa;
use crate::math::per_isa;
use crate::parallel::{self, ELEMENTWISE_CHUNK};
use crate::watch;

/// `out = x` where x is positive, else `slope · x` (Maas et al. 2013). A slope of 0 is ReLU.
#[track_caller]
pub fn leaky_relu(x: &[f32], slope: f32, out: &mut [f32]) {
    let _call = watch::elements("leaky ReLU", [out.len()], 2 * out.len());
    map(isa(), x, out, |x| if x > 0.0 { x } else { slope * x });
}

/// `dx = dy` where x is positive, else `slope · dy`.
#[track_caller]
pub fn leaky_relu_grad(x: &[f32], slope: f32, dy: &[f32], dx: &mut [f32]) {
    map2(isa(), x, dy, dx, |x, dy| if x > 0.0 { dy } else { slope * dy });
}

/// `out[r, c] = f[r, c]` where `x[r, c]` is positive, else `slopes[c] · f[r, c]`: with f = x the
/// function itself (He et al. 2015), with f = dy its gradient.
#[track_caller]
pub fn prelu(x: &[f32], slopes: &[f32], f: &[f32], out: &mut [f32], [rows, c]: [usize; 2]) {
    let all = rows * c;
    assert_lengths("prelu", [x.len(), slopes.len(), f.len(), out.len()], [all, c, all, all]);
    let _call = watch::elements("PReLU", [rows, c], 2 * all);
    if all == 0 {
        return;
    }
    let isa = isa();
    let run = (ELEMENTWISE_CHUNK / c).max(1) * c;
    parallel::chunks(out, run, |task, out| {
        let range = task * run..task * run + out.len();
        prelu_rows(isa, &x[range.clone()], slopes, &f[range], out);
    });
}

per_isa! {
    fn prelu_rows(x: &[f32], slopes: &[f32], f: &[f32], out: &mut [f32]) {
        let c = slopes.len();
        let rows = x.chunks_exact(c).zip(f.chunks_exact(c));
        for (out, (x, f)) in out.chunks_exact_mut(c).zip(rows) {
            for (((out, &x), &f), &slope) in out.iter_mut().zip(x).zip(f).zip(slopes) {
                *out = if x > 0.0 { f } else { slope * f };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_same_on_any_number_of_threads, random};

    #[test]
    fn rectifiers_equal_their_definitions() {
        for [rows, c] in [[3, 5], [1, 1], [9001, 16], [2, 40_000], [0, 4]] {
            let (x, f, slopes) = (random(1, rows * c), random(2, rows * c), random(3, c));
            let mut out = vec![f32::NAN; x.len()];
            let check = |out: &mut [f32], want: &dyn Fn(usize) -> f32| {
                assert!((0..rows * c).all(|i| out[i] == want(i)), "{rows}x{c}");
                out.fill(f32::NAN);
            };
            leaky_relu(&x, 0.2, &mut out);
            check(&mut out, &|i| x[i].max(0.0) + 0.2 * x[i].min(0.0));
            leaky_relu_grad(&x, 0.2, &f, &mut out);
            check(&mut out, &|i| f[i] * if x[i] > 0.0 { 1.0 } else { 0.2 });
            prelu(&x, &slopes, &f, &mut out, [rows, c]);
            check(&mut out, &|i| f[i] * if x[i] > 0.0 { 1.0 } else { slopes[i % c] });
        }
        let mut out = [1.0; 2];
        leaky_relu(&[f32::NAN, -0.0], 0.2, &mut out);
        assert!(out[0].is_nan() && out[1] == 0.0);
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let (x, slopes) = (random(4, 64 * 1025), random(5, 64));
        assert_same_on_any_number_of_threads(|| {
            let mut out = vec![0.0; x.len()];
            prelu(&x, &slopes, &x, &mut out, [1025, 64]);
            out
        });
    }
}
