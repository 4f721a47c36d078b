//! Pixels from their neighbours: what is put where a picture has grown, and soft edges.

use crate::Picture;
use crate::request::{Extend, extended};

/// The picture with its edges drawn out on the sides where it grows, the softer the farther.
pub(super) fn grown(picture: &Picture, extend: Extend) -> Picture {
    let (w, h) = (picture.width, picture.height);
    let pixels: Vec<[u8; 3]> = picture.rgb.as_chunks().0.to_vec();
    let wide = widened(&pixels, [w, h], [extend.left, extend.right]);
    let w = w + extend.left + extend.right;
    // Up and down are left and right of the picture on its side.
    let side = turned(&wide, [w, h]);
    let tall = widened(&side, [h, w], [extend.top, extend.bottom]);
    let (width, height) = extended((picture.width, picture.height), extend);
    let rgb = turned(&tall, [height, width]).into_iter().flatten().collect();
    Picture { width, height, rgb }
}

/// Columns and rows exchanged.
fn turned(pixels: &[[u8; 3]], [w, h]: [usize; 2]) -> Vec<[u8; 3]> {
    (0..w * h).map(|i| pixels[i % h * w + i / h]).collect()
}

/// More columns on the left and on the right.
fn widened(pixels: &[[u8; 3]], [w, h]: [usize; 2], [left, right]: [usize; 2]) -> Vec<[u8; 3]> {
    let [first, last] = [0, w - 1].map(|x| Edge::new(pixels, [w, h], x));
    let mut wide = Vec::with_capacity((left + w + right) * h);
    for y in 0..h {
        wide.extend((1..=left).rev().map(|distance| first.mean(y, distance)));
        wide.extend(&pixels[y * w..][..w]);
        wide.extend((1..=right).map(|distance| last.mean(y, distance)));
    }
    wide
}

/// The sums of one column from its top.
struct Edge {
    sums: Vec<[usize; 3]>,
}

impl Edge {
    fn new(pixels: &[[u8; 3]], [w, h]: [usize; 2], x: usize) -> Self {
        let mut sums = vec![[0; 3]];
        for y in 0..h {
            let (sum, pixel) = (sums[y], pixels[y * w + x]);
            sums.push([0, 1, 2].map(|c| sum[c] + usize::from(pixel[c])));
        }
        Self { sums }
    }

    /// What is seen beside row `y` from this far away: the mean of a quarter as many rows up and
    /// down.
    fn mean(&self, y: usize, distance: usize) -> [u8; 3] {
        let reach = distance / 4;
        let (from, to) = (y.saturating_sub(reach), (y + reach + 1).min(self.sums.len() - 1));
        [0, 1, 2].map(|c| ((self.sums[to][c] - self.sums[from][c]) / (to - from)) as u8)
    }
}

/// `values` of rows of this width, blurred by a Gaussian of this deviation, which ends at three of
/// them. Beyond the edge it is as at the edge.
pub(super) fn blurred(values: &[f32], width: usize, deviation: f64) -> Vec<f32> {
    if deviation == 0.0 || values.is_empty() {
        return values.to_vec();
    }
    let reach = (3.0 * deviation).ceil() as isize;
    let bell = |i: isize| (-0.5 * (i as f64 / deviation).powi(2)).exp();
    let sum: f64 = (-reach..=reach).map(bell).sum();
    let kernel: Vec<f32> = (-reach..=reach).map(|i| (bell(i) / sum) as f32).collect();
    let along = |values: &[f32], length: usize, step: usize, at: usize| -> f32 {
        // The position along the line, of `length` places that are `step` apart.
        let place = at / step % length;
        let start = at - place * step;
        let mut sum = 0.0;
        for (i, weight) in kernel.iter().enumerate() {
            let beside = (place as isize + i as isize - reach).clamp(0, length as isize - 1);
            sum += weight * values[start + beside as usize * step];
        }
        sum
    };
    let height = values.len() / width;
    let rows: Vec<f32> = (0..values.len()).map(|i| along(values, width, 1, i)).collect();
    let both = (0..values.len()).map(|i| along(&rows, height, width, i));
    // Where all neighbours are 0 or 1 so is the sum, whatever the weights are rounded to.
    both.map(|x| if x > 1.0 - 1e-5 { 1.0 } else { x.max(0.0) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_drawn_out() {
        let rgb = vec![10, 0, 0, 20, 0, 0, 30, 0, 0, 40, 0, 0];
        let picture = Picture { width: 2, height: 2, rgb };
        let grown = grown(&picture, Extend { left: 1, bottom: 2, ..Extend::default() });
        assert_eq!((grown.width, grown.height), (3, 4));
        let reds: Vec<u8> = grown.rgb.iter().step_by(3).copied().collect();
        assert_eq!(reds, [10, 10, 20, 30, 30, 40, 30, 30, 40, 30, 30, 40]);
    }

    #[test]
    fn far_away_edges_are_soft() {
        let rgb = (0..32u8).flat_map(|y| [y % 2 * 200, 0, 0]).collect();
        let picture = Picture { width: 1, height: 32, rgb };
        let grown = grown(&picture, Extend { right: 40, ..Extend::default() });
        let red = |x: usize, y: usize| grown.rgb[3 * (y * 41 + x)];
        assert_eq!([red(1, 9), red(1, 10)], [200, 0]);
        assert!(red(40, 9).abs_diff(red(40, 10)) < 20, "{} {}", red(40, 9), red(40, 10));
    }

    #[test]
    fn a_blur_ends() {
        let values: Vec<f32> = (0..40 * 3).map(|i| f32::from(u8::from(i % 40 >= 20))).collect();
        let blurred = blurred(&values, 40, 2.0);
        for row in blurred.chunks(40) {
            assert_eq!((row[13], row[26]), (0.0, 1.0));
            assert!((row[19] + row[20] - 1.0).abs() < 1e-5, "{row:?}");
            assert!(row.windows(2).all(|pair| pair[0] <= pair[1] + 1e-6), "{row:?}");
        }
        assert_eq!(super::blurred(&values, 40, 0.0), values);
    }
}
