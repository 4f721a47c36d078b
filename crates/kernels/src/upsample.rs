//! Nearest-neighbour upsampling, channels-last: by two fast, by other factors plainly.

use crate::cpu::isa;
use crate::math::per_isa;
use crate::parallel::{self, ELEMENTWISE_CHUNK};
use crate::watch;

/// x `[n, h, w, c]` to out `[n, 2h, 2w, c]`: each pixel becomes four.
#[track_caller]
pub fn upsample_nearest2(x: &[f32], out: &mut [f32], [n, h, w, c]: [usize; 4]) {
    let all = n * h * w * c;
    assert_eq!([x.len(), out.len()], [all, 4 * all], "upsample_nearest2 of {:?}", [n, h, w, c]);
    if all == 0 {
        return;
    }
    let _call = watch::elements("upsample", [n, h, w, c], 5 * all);
    // One row of x makes two rows of out, which lie one after the other.
    let together = (ELEMENTWISE_CHUNK / (4 * w * c)).max(1);
    parallel::chunks(out, together * 4 * w * c, |task, out| {
        let x = &x[task * together * w * c..][..out.len() / 4];
        for (x, out) in x.chunks_exact(w * c).zip(out.chunks_exact_mut(4 * w * c)) {
            let (above, below) = out.split_at_mut(2 * w * c);
            for (pixel, pair) in x.chunks_exact(c).zip(above.chunks_exact_mut(2 * c)) {
                let (left, right) = pair.split_at_mut(c);
                left.copy_from_slice(pixel);
                right.copy_from_slice(pixel);
            }
            below.copy_from_slice(above);
        }
    });
}

/// The gradient: dy `[n, 2h, 2w, c]`, dx `[n, h, w, c]` the sum of each four.
#[track_caller]
pub fn upsample_nearest2_grad(dy: &[f32], dx: &mut [f32], [n, h, w, c]: [usize; 4]) {
    let all = n * h * w * c;
    assert_eq!(
        [dy.len(), dx.len()],
        [4 * all, all],
        "upsample_nearest2_grad to {:?}",
        [n, h, w, c]
    );
    if all == 0 {
        return;
    }
    let isa = isa();
    let together = (ELEMENTWISE_CHUNK / (4 * w * c)).max(1);
    parallel::chunks(dx, together * w * c, |task, dx| {
        let dy = &dy[task * together * 4 * w * c..][..4 * dx.len()];
        for (dy, dx) in dy.chunks_exact(4 * w * c).zip(dx.chunks_exact_mut(w * c)) {
            add_fours(isa, dy, dx, c);
        }
    });
}

/// x `[n, h, w, c]` to out `[n, s·h, s·w, c]`: each pixel becomes s².
#[track_caller]
pub fn upsample_nearest(x: &[f32], out: &mut [f32], [n, h, w, c]: [usize; 4], s: usize) {
    let all = n * h * w * c;
    assert_eq!([x.len(), out.len()], [all, s * s * all], "upsample {:?} by {s}", [n, h, w, c]);
    if out.is_empty() {
        return;
    }
    let _call = watch::elements("upsample", [n, h, w, c], (1 + s * s) * all);
    parallel::chunks(out, s * s * w * c, |row, out| {
        let (first, others) = out.split_at_mut(s * w * c);
        let x = x[row * w * c..][..w * c].chunks_exact(c);
        for (pixel, same) in x.zip(first.chunks_exact_mut(s * c)) {
            same.chunks_exact_mut(c).for_each(|out| out.copy_from_slice(pixel));
        }
        others.chunks_exact_mut(s * w * c).for_each(|row| row.copy_from_slice(first));
    });
}

/// The gradient: dy `[n, s·h, s·w, c]`, dx `[n, h, w, c]` the sum of each s².
#[track_caller]
pub fn upsample_nearest_grad(dy: &[f32], dx: &mut [f32], [n, h, w, c]: [usize; 4], s: usize) {
    let all = n * h * w * c;
    assert_eq!([dy.len(), dx.len()], [s * s * all, all], "upsample {:?} by {s}", [n, h, w, c]);
    if dy.is_empty() {
        return;
    }
    parallel::chunks(dx, w * c, |row, dx| {
        dx.fill(0.0);
        let rows = dy[row * s * s * w * c..][..s * s * w * c].chunks_exact(s * w * c);
        for pixels in rows {
            for (dx, same) in dx.chunks_exact_mut(c).zip(pixels.chunks_exact(s * c)) {
                for dy in same.chunks_exact(c) {
                    dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy);
                }
            }
        }
    });
}

per_isa! {
    fn add_fours(dy: &[f32], dx: &mut [f32], c: usize) {
        let (above, below) = dy.split_at(2 * dx.len());
        let pairs = above.chunks_exact(2 * c).zip(below.chunks_exact(2 * c));
        for (dx, (above, below)) in dx.chunks_exact_mut(c).zip(pairs) {
            let ((a, b), (d, e)) = (above.split_at(c), below.split_at(c));
            for ((((dx, a), b), d), e) in dx.iter_mut().zip(a).zip(b).zip(d).zip(e) {
                *dx = (a + b) + (d + e);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reduce::dot;
    use crate::testing::{assert_same_on_any_number_of_threads, random};

    const SHAPES: [[usize; 4]; 5] =
        [[1, 1, 1, 1], [2, 3, 5, 7], [1, 2, 3, 320], [3, 33, 64, 16], [0, 4, 4, 4]];

    #[test]
    fn each_pixel_becomes_four() {
        for shape @ [n, h, w, c] in SHAPES {
            let x = random(1, n * h * w * c);
            let mut out = vec![f32::NAN; 4 * x.len()];
            upsample_nearest2(&x, &mut out, shape);
            for (i, &got) in out.iter().enumerate() {
                let (e, col, row) = (i % c, i / c % (2 * w), i / c / (2 * w));
                assert_eq!(got, x[(row / 2 * w + col / 2) * c + e], "{shape:?} at {i}");
            }
        }
    }

    #[test]
    fn gradient_is_the_adjoint() {
        for shape @ [n, h, w, c] in SHAPES {
            let (x, dy) = (random(2, n * h * w * c), random(3, 4 * n * h * w * c));
            let (mut out, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
            upsample_nearest2(&x, &mut out, shape);
            upsample_nearest2_grad(&dy, &mut dx, shape);
            // <upsample(x), dy> = <x, upsample_grad(dy)> for all x and dy.
            assert!(
                (dot(&out, &dy) - dot(&x, &dx)).abs() <= 1e-6 * (1.0 + x.len() as f64),
                "{shape:?}"
            );
        }
        let mut dx = [f32::NAN; 2];
        upsample_nearest2_grad(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &mut dx, [1, 1, 2, 1]);
        assert_eq!(dx, [1.0 + 2.0 + 5.0 + 6.0, 3.0 + 4.0 + 7.0 + 8.0]);
    }

    #[test]
    fn by_any_factor() {
        for shape @ [n, h, w, c] in SHAPES {
            for s in 1..=4 {
                let (x, dy) = (random(2, n * h * w * c), random(3, s * s * n * h * w * c));
                let (mut out, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
                upsample_nearest(&x, &mut out, shape, s);
                for (i, &got) in out.iter().enumerate() {
                    let (e, col, row) = (i % c, i / c % (s * w), i / c / (s * w));
                    assert_eq!(got, x[(row / s * w + col / s) * c + e], "{shape:?} at {i}");
                }
                upsample_nearest_grad(&dy, &mut dx, shape, s);
                let difference = dot(&out, &dy) - dot(&x, &dx);
                assert!(difference.abs() <= 1e-6 * (1.0 + dy.len() as f64), "{shape:?} by {s}");
            }
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let dy = random(4, 4 * 3 * 33 * 64 * 16);
        assert_same_on_any_number_of_threads(|| {
            let mut dx = vec![0.0; dy.len() / 4];
            upsample_nearest2_grad(&dy, &mut dx, [3, 33, 64, 16]);
            dx
        });
    }
}
