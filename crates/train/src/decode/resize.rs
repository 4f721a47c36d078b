//! Scaling with a triangle filter.

/// Pixels of four bytes, `from` = [rows, columns], as so many of them in `to`: each new pixel is a
/// mean of the old ones around its middle, weighted by a triangle over two pixels' widths, of the
/// larger kind.
pub(super) fn resize(pixels: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    let [rows, columns] = from;
    // Down first: [to rows, from columns], then across.
    let mut tall = Vec::with_capacity(to[0] * columns * 4);
    for (first, weights) in &windows(rows, to[0]) {
        for at in 0..columns * 4 {
            let column = pixels[first * columns * 4 + at..].iter().step_by(columns * 4);
            let sum: f32 = weights.iter().zip(column).map(|(w, &v)| w * f32::from(v)).sum();
            tall.push(sum);
        }
    }
    let windows = windows(columns, to[1]);
    let mut out = Vec::with_capacity(to[0] * to[1] * 4);
    for row in tall.chunks_exact(columns * 4) {
        for (first, weights) in &windows {
            let (pixels, _) = row[first * 4..].as_chunks::<4>();
            for channel in 0..4 {
                let values = pixels.iter().map(|pixel| pixel[channel]);
                let sum: f32 = weights.iter().zip(values).map(|(w, v)| w * v).sum();
                out.push(sum.round() as u8);
            }
        }
    }
    out
}

/// For each new pixel the first old one that counts, and the weights from there on.
fn windows(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let ratio = from as f32 / to as f32;
    let width = ratio.max(1.0);
    let window = |i: usize| {
        let middle = (i as f32 + 0.5) * ratio;
        let first = (middle - width).floor().max(0.0) as usize;
        let last = ((middle + width).ceil() as usize).min(from);
        let weight = |j: usize| (1.0 - (j as f32 + 0.5 - middle).abs() / width).max(0.0);
        let weights: Vec<f32> = (first..last).map(weight).collect();
        let sum: f32 = weights.iter().sum();
        (first, weights.into_iter().map(|w| w / sum).collect())
    };
    (0..to).map(window).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbaImage;
    use image::imageops::{self, FilterType};

    /// Up and down, even and odd, as the `image` crate does it to a rounding.
    #[test]
    fn agrees_with_the_image_crate() {
        for (from, to) in [
            ([7, 7], [7, 7]),
            ([16, 16], [4, 4]),
            ([5, 5], [13, 13]),
            ([33, 20], [20, 33]),
            ([1, 2], [3, 1]),
            ([9, 4], [1, 8]),
        ] {
            let pixels: Vec<u8> =
                (0..from[0] * from[1] * 4).map(|i| (i * i * 31 % 251) as u8).collect();
            let [rows, columns, height, width] = [from[0], from[1], to[0], to[1]].map(|n| n as u32);
            let picture = RgbaImage::from_raw(columns, rows, pixels.clone()).unwrap();
            let expected =
                imageops::resize(&picture, width, height, FilterType::Triangle).into_raw();
            let resized = resize(&pixels, from, to);
            assert_eq!(resized.len(), expected.len());
            let far = resized.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(far <= Some(1), "{from:?} to {to:?}: {far:?}");
        }
    }
}
