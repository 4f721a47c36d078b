//! Sums of short rows in f32, as vector code.
//!
//! For the bodies of [`per_isa`](crate::math::per_isa) functions. Element i goes to lane
//! `i mod 32` and the lanes are added pairwise, whatever the instruction set, so the bits are the
//! same on all of them.

const LANES: usize = 32;

/// Sums over the elements of `N` slices of one length of `M` functions of them.
#[inline(always)]
pub fn sums<const N: usize, const M: usize>(
    slices: [&[f32]; N],
    f: impl Fn([f32; N]) -> [f32; M],
) -> [f32; M] {
    let mut sums = [[0.0; LANES]; M];
    let parts = slices.map(|slice| slice.as_chunks::<LANES>());
    for chunk in 0..parts[0].0.len() {
        let lanes = parts.map(|(whole, _)| &whole[chunk]);
        for i in 0..LANES {
            let terms = f(lanes.map(|lanes| lanes[i]));
            for m in 0..M {
                sums[m][i] += terms[m];
            }
        }
    }
    for i in 0..parts[0].1.len() {
        let terms = f(parts.map(|(_, rest)| rest[i]));
        for m in 0..M {
            sums[m][i] += terms[m];
        }
    }
    sums.map(|lanes| fold(lanes, |a, b| a + b))
}

/// The largest element, NaN passed over; -∞ if there is none.
#[inline(always)]
pub fn max(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        for i in 0..LANES {
            lanes[i] = larger(lanes[i], x[i]);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, x);
    }
    fold(lanes, larger)
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = join(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, random, wide};

    #[test]
    fn sums_and_largest_equal_plain_loops() {
        for n in [0, 1, 31, 32, 33, 1000] {
            let (x, y) = (random(1, n), random(2, n));
            let got = sums([&x, &y], |[x, y]| [x * y, x]);
            let product: f64 = wide(&x).iter().zip(wide(&y)).map(|(x, y)| x * y).sum();
            assert_close(&got, &[product, wide(&x).iter().sum()], 1e-5);
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
        assert_eq!(max(&[f32::NAN, -2.0]), -2.0);
    }
}
