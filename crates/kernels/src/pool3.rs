//! The largest, or the mean, of the 3×3 pixels around each, channels-last: as Inception has them.

use crate::parallel;
use crate::watch;

/// What a window of 3×3 pixels becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool3 {
    /// The largest, of windows inside the picture two pixels apart.
    MaxOfEverySecond,
    /// The largest around each pixel, as far as the picture goes.
    Max,
    /// The mean around each pixel, as far as the picture goes: what is outside does not count, as
    /// in TensorFlow (PyTorch's `count_include_pad=False`).
    Mean,
}

impl Pool3 {
    /// Height and width of the result for those of the picture.
    ///
    /// # Panics
    /// If no window is inside the picture and one must be.
    #[track_caller]
    pub fn output(self, [h, w]: [usize; 2]) -> [usize; 2] {
        match self {
            Self::MaxOfEverySecond => {
                assert!(h >= 3 && w >= 3, "no 3×3 pixels in {h}×{w}");
                [(h - 1) / 2, (w - 1) / 2]
            }
            Self::Max | Self::Mean => [h, w],
        }
    }

    /// Rows (or columns) of a picture with `len` of them that window `at` sees: first and one
    /// after the last.
    fn seen(self, at: usize, len: usize) -> [usize; 2] {
        match self {
            Self::MaxOfEverySecond => [2 * at, 2 * at + 3],
            Self::Max | Self::Mean => [at.saturating_sub(1), (at + 2).min(len)],
        }
    }

    /// The positions, counted in pixels of one picture, that the window at `row`, `col` sees.
    fn window(self, [row, col]: [usize; 2], [h, w]: [usize; 2]) -> impl Iterator<Item = usize> {
        let ([top, bottom], [left, right]) = (self.seen(row, h), self.seen(col, w));
        (top..bottom).flat_map(move |y| (left..right).map(move |x| y * w + x))
    }
}

/// x `[n, h, w, c]` to out `[n, h', w', c]`, where h' and w' are [`Pool3::output`].
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn pool3(kind: Pool3, x: &[f32], out: &mut [f32], size @ [n, h, w, c]: [usize; 4]) {
    let [oh, ow] = kind.output([h, w]);
    assert_eq!([x.len(), out.len()], [n * h * w * c, n * oh * ow * c], "pool3 of {size:?}");
    if out.is_empty() {
        return;
    }
    let _call = watch::elements("pool3", size, x.len() + out.len());
    parallel::chunks(out, ow * c, |task, out| {
        let x = &x[task / oh * h * w * c..][..h * w * c];
        for (col, out) in out.chunks_exact_mut(c).enumerate() {
            let mut count = 0;
            for at in kind.window([task % oh, col], [h, w]) {
                let x = &x[at * c..][..c];
                match (count, kind) {
                    (0, _) => out.copy_from_slice(x),
                    (_, Pool3::Mean) => out.iter_mut().zip(x).for_each(|(out, x)| *out += x),
                    _ => out.iter_mut().zip(x).for_each(|(out, &x)| *out = larger(*out, x)),
                }
                count += 1;
            }
            if kind == Pool3::Mean {
                out.iter_mut().for_each(|out| *out /= count as f32);
            }
        }
    });
}

/// The gradient: dy `[n, h', w', c]` to dx `[n, h, w, c]`. That of the largest goes to the first of
/// them.
///
/// # Panics
/// As [`pool3`].
#[track_caller]
pub fn pool3_grad(
    kind: Pool3,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    size @ [n, h, w, c]: [usize; 4],
) {
    let [oh, ow] = kind.output([h, w]);
    assert_eq!([x.len(), dy.len()], [n * h * w * c, n * oh * ow * c], "pool3 of {size:?}");
    assert_eq!(dx.len(), x.len(), "pool3_grad: lengths");
    dx.fill(0.0);
    if dy.is_empty() {
        return;
    }
    // A task has one picture, so that all that goes to a pixel is added in one order.
    parallel::chunks(dx, h * w * c, |picture, dx| {
        let x = &x[picture * h * w * c..][..h * w * c];
        for (at, dy) in dy[picture * oh * ow * c..].chunks_exact(c).take(oh * ow).enumerate() {
            let window: Vec<usize> = kind.window([at / ow, at % ow], [h, w]).collect();
            for (e, dy) in dy.iter().enumerate() {
                if kind == Pool3::Mean {
                    window.iter().for_each(|at| dx[at * c + e] += dy / window.len() as f32);
                } else {
                    let best = |a: usize, b: usize| {
                        if larger(x[a * c + e], x[b * c + e]) == x[a * c + e] { a } else { b }
                    };
                    let most = window.iter().copied().reduce(best).expect("windows see a pixel");
                    dx[most * c + e] += dy;
                }
            }
        }
    });
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
        // Three rows of four pixels.
        let x: Vec<f32> = (0..12).map(|i| (i * 7 % 12) as f32).collect();
        assert_eq!(x, [0.0, 7.0, 2.0, 9.0, 4.0, 11.0, 6.0, 1.0, 8.0, 3.0, 10.0, 5.0]);
        let mut out = [0.0; 1];
        pool3(Pool3::MaxOfEverySecond, &x, &mut out, [1, 3, 4, 1]);
        assert_eq!(out, [11.0]);
        let mut out = [0.0; 12];
        pool3(Pool3::Max, &x, &mut out, [1, 3, 4, 1]);
        assert_eq!(out, [11.0, 11.0, 11.0, 9.0, 11.0, 11.0, 11.0, 10.0, 11.0, 11.0, 11.0, 10.0]);
        pool3(Pool3::Mean, &x, &mut out, [1, 3, 4, 1]);
        assert_eq!([out[0], out[11]], [22.0 / 4.0, 22.0 / 4.0]);
        assert_eq!(out[5], (0.0 + 7.0 + 2.0 + 4.0 + 11.0 + 6.0 + 8.0 + 3.0 + 10.0) / 9.0);
        pool3(Pool3::Mean, &[], &mut [], [0, 2, 2, 3]);
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let size = [3, 9, 8, 5];
        let x = random(3, 3 * 9 * 8 * 5);
        for kind in [Pool3::MaxOfEverySecond, Pool3::Max, Pool3::Mean] {
            let [h, w] = kind.output([9, 8]);
            assert_same_on_any_number_of_threads(|| {
                let mut out = vec![0.0; 3 * h * w * 5];
                pool3(kind, &x, &mut out, size);
                let mut dx = vec![0.0; x.len()];
                pool3_grad(kind, &x, &out, &mut dx, size);
                dx
            });
        }
    }
}
