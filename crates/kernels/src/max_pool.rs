//! The largest of each 2×2 pixels, channels-last.

use crate::parallel;
use crate::watch;

/// x `[n, h, w, c]` to out `[n, h/2, w/2, c]`: of each channel the largest of four. A last odd row
/// or column is left out.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn max_pool2(x: &[f32], out: &mut [f32], size @ [_, h, w, c]: [usize; 4]) {
    check(x.len(), out.len(), size);
    let _call = watch::elements("max pool", size, x.len() + out.len());
    if out.is_empty() {
        return;
    }
    parallel::chunks(out, w / 2 * c, |row, out| {
        let [above, below] = rows_of(x, row, [h, w, c]);
        for (i, out) in out.iter_mut().enumerate() {
            *out = four(above, below, i, c).into_iter().fold(f32::NEG_INFINITY, larger);
        }
    });
}

/// The gradient: dy goes to the first of the largest, dx of the others is 0.
///
/// # Panics
/// As [`max_pool2`].
#[track_caller]
pub fn max_pool2_grad(x: &[f32], dy: &[f32], dx: &mut [f32], size @ [_, h, w, c]: [usize; 4]) {
    check(x.len(), dy.len(), size);
    assert_eq!(dx.len(), x.len(), "max_pool2_grad: lengths");
    dx.fill(0.0);
    if dy.is_empty() {
        return;
    }
    // A task has one picture, so that its rows are its own.
    parallel::chunks(dx, h * w * c, |picture, dx| {
        for row in 0..h / 2 {
            let row_of_all = picture * (h / 2) + row;
            let [above, below] = rows_of(x, row_of_all, [h, w, c]);
            let dy = &dy[row_of_all * (w / 2) * c..][..w / 2 * c];
            for (i, &dy) in dy.iter().enumerate() {
                let four = four(above, below, i, c);
                let most = four.into_iter().fold(f32::NEG_INFINITY, larger);
                // NaN equals nothing; its gradient goes to the first.
                let at = four.iter().position(|&x| x == most).unwrap_or(0);
                let pixel = i / c * 2 + at % 2;
                dx[((2 * row + at / 2) * w + pixel) * c + i % c] = dy;
            }
        }
    });
}

#[track_caller]
fn check(x: usize, out: usize, [n, h, w, c]: [usize; 4]) {
    let wanted = [n * h * w * c, n * (h / 2) * (w / 2) * c];
    assert_eq!([x, out], wanted, "max_pool2 of {:?}", [n, h, w, c]);
}

/// The two rows of x below row `row` of all pictures' results.
fn rows_of(x: &[f32], row: usize, [h, w, c]: [usize; 3]) -> [&[f32]; 2] {
    let first = (row / (h / 2) * h + row % (h / 2) * 2) * w * c;
    [&x[first..][..w * c], &x[first + w * c..][..w * c]]
}

/// The numbers that element i of a row is made of, in reading order.
#[inline(always)]
fn four(above: &[f32], below: &[f32], i: usize, c: usize) -> [f32; 4] {
    let left = i / c * 2 * c + i % c;
    [above[left], above[left + c], below[left], below[left + c]]
}

/// NaN wins, as in PyTorch.
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_same_on_any_number_of_threads, random};

    #[test]
    fn known_values() {
        let x = [1.0, -1.0, 5.0, -7.0, 9.0, 0.0, 3.0, -1.0, 2.0, -8.0, 9.0, 9.0];
        // Two rows of three pixels of two channels: the last column is left out.
        let mut out = [f32::NAN; 2];
        max_pool2(&x, &mut out, [1, 2, 3, 2]);
        assert_eq!(out, [5.0, -1.0]);
        let mut dx = [f32::NAN; 12];
        max_pool2_grad(&x, &[2.0, 3.0], &mut dx, [1, 2, 3, 2]);
        // Of the two −1 the first.
        assert_eq!(dx, [0.0, 3.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        max_pool2(&[], &mut [], [0, 2, 2, 3]);
        max_pool2(&[1.0; 3], &mut [], [1, 1, 3, 1]);
    }

    #[test]
    fn every_result_is_the_largest_and_its_gradient_goes_there() {
        let size @ [n, h, w, c] = [3, 7, 6, 5];
        let (x, dy) = (random(1, n * h * w * c), random(2, n * 3 * 3 * c));
        let (mut out, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
        max_pool2(&x, &mut out, size);
        max_pool2_grad(&x, &dy, &mut dx, size);
        for i in 0..dy.len() {
            let (n, row, col, e) = (i / (9 * c), i / (3 * c) % 3, i / c % 3, i % c);
            let at = |k: usize| ((n * h + 2 * row + k / 2) * w + 2 * col + k % 2) * c + e;
            let most = (0..4).max_by(|&a, &b| x[at(a)].total_cmp(&x[at(b)])).unwrap();
            assert_eq!(out[i], x[at(most)]);
            assert!((0..4).all(|k| dx[at(k)] == if k == most { dy[i] } else { 0.0 }));
        }
        assert!((0..n * w * c).all(|i| dx[(i / (w * c) * h + 6) * w * c + i % (w * c)] == 0.0));
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let x = random(3, 4 * 32 * 32 * 8);
        assert_same_on_any_number_of_threads(|| {
            let mut out = vec![0.0; x.len() / 4];
            max_pool2(&x, &mut out, [4, 32, 32, 8]);
            let mut dx = vec![0.0; x.len()];
            max_pool2_grad(&x, &out, &mut dx, [4, 32, 32, 8]);
            dx
        });
    }
}
