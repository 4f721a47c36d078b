//! From drawings on a transparent ground to batches of numbers.

use aquatint_tensor::Tensor;
use rayon::prelude::*;

use crate::data::Drawing;

/// How one drawing goes into a batch.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The drawing.
    pub drawing: &'a Drawing,
    /// What shines through, sRGB.
    pub background: [u8; 3],
    /// Rows and columns left out above and to the left.
    pub corner: [usize; 2],
    /// Whether left and right change places.
    pub mirrored: bool,
}

impl<'a> View<'a> {
    /// The whole drawing.
    pub fn whole(drawing: &'a Drawing, background: [u8; 3]) -> Self {
        Self { drawing, background, corner: [0, 0], mirrored: false }
    }
}

/// Views of drawings of width `size`, cut to `crop`: `[N, crop, crop, 3]`, -1 to 1.
pub fn batch(views: &[View<'_>], size: usize, crop: usize) -> Tensor {
    let mut values = vec![0.0; views.len() * crop * crop * 3];
    values
        .par_chunks_mut(crop * crop * 3)
        .zip(views)
        .for_each(|(out, view)| composite(out, view, size, crop));
    Tensor::new(values, &[views.len(), crop, crop, 3])
}

/// Whole drawings of one size, [height, width]: `[N, height, width, 3]`, -1 to 1.
pub fn whole_batch(views: &[View<'_>], [height, width]: [usize; 2]) -> Tensor {
    let mut values = vec![0.0; views.len() * height * width * 3];
    values
        .par_chunks_mut(height * width * 3)
        .zip(views)
        .for_each(|(out, view)| composite(out, view, width, width));
    Tensor::new(values, &[views.len(), height, width, 3])
}

/// Whole drawings of width `size`, averaged over areas to width `small`:
/// `[N, small, small, 3]`, -1 to 1.
pub fn small_batch(views: &[View<'_>], size: usize, small: usize) -> Tensor {
    let mut values = vec![0.0; views.len() * small * small * 3];
    values.par_chunks_mut(small * small * 3).zip(views).for_each(|(out, view)| {
        let mut whole = vec![0.0; size * size * 3];
        composite(&mut whole, view, size, size);
        average_areas(&whole, size, out, small);
    });
    Tensor::new(values, &[views.len(), small, small, 3])
}

/// `alpha · drawing + (1 − alpha) · background` in sRGB, as picture viewers do it, from 0..255
/// to -1..1: as many rows as there is room for, `crop` pixels each, of a drawing of width `size`.
fn composite(out: &mut [f32], view: &View<'_>, size: usize, crop: usize) {
    let [top, left] = view.corner;
    let background = view.background.map(f32::from);
    for (y, row) in out.chunks_exact_mut(crop * 3).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            let x = left + if view.mirrored { crop - 1 - x } else { x };
            let at = ((top + y) * size + x) * 4;
            let source = &view.drawing.pixels[at..at + 4];
            let alpha = f32::from(source[3]) / 255.0;
            for c in 0..3 {
                let value = background[c] + alpha * (f32::from(source[c]) - background[c]);
                pixel[c] = value / 127.5 - 1.0;
            }
        }
    }
}

/// Every pixel of the small square is the mean of the area that it covers in the large one.
fn average_areas(from: &[f32], size: usize, to: &mut [f32], small: usize) {
    let weights = area_weights(size, small);
    let mut rows = vec![0.0; small * size * 3];
    for (y, (first, w)) in weights.iter().enumerate() {
        let out = &mut rows[y * size * 3..][..size * 3];
        for (i, &w) in w.iter().enumerate() {
            let row = &from[(first + i) * size * 3..][..size * 3];
            out.iter_mut().zip(row).for_each(|(out, x)| *out += w * x);
        }
    }
    for (row, out) in rows.chunks_exact(size * 3).zip(to.chunks_exact_mut(small * 3)) {
        for ((first, w), pixel) in weights.iter().zip(out.chunks_exact_mut(3)) {
            for (i, &w) in w.iter().enumerate() {
                let source = &row[(first + i) * 3..][..3];
                pixel.iter_mut().zip(source).for_each(|(out, x)| *out += w * x);
            }
        }
    }
}

/// For each small pixel: the first large pixel that it covers, and the weights from there on.
fn area_weights(size: usize, small: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = size as f64 / small as f64;
    (0..small)
        .map(|i| {
            let (from, to) = (i as f64 * scale, ((i + 1) as f64 * scale).min(size as f64));
            let (first, last) = (from.floor() as usize, to.ceil() as usize);
            let covered = |j: usize| (to.min((j + 1) as f64) - from.max(j as f64)) / (to - from);
            (first, (first..last.max(first + 1)).map(|j| covered(j) as f32).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquatint_pipeline::Picture;

    fn ramp() -> Drawing {
        let pixels = (0..16).flat_map(|i| [i * 10, 0, 255, if i < 8 { 255 } else { 0 }]).collect();
        Drawing { pixels, ..Drawing::default() }
    }

    #[test]
    fn what_is_transparent_shows_the_background() {
        let drawing = ramp();
        let image = batch(&[View::whole(&drawing, [255, 0, 0])], 4, 4).to_vec();
        assert_eq!(image[..3], [-1.0, -1.0, 1.0]);
        assert_eq!(image[15 * 3..], [1.0, -1.0, -1.0]);
        let pictures = Picture::from_images(&batch(&[View::whole(&drawing, [255, 0, 0])], 4, 4));
        assert_eq!(pictures[0].rgb[3..6], [10, 0, 255]);
        assert_eq!(pictures[0].rgb[24..27], [255, 0, 0]);
    }

    #[test]
    fn a_drawing_need_not_be_a_square() {
        let pixels = (0..8).flat_map(|i| [i * 10, 0, 0, 255]).collect();
        let drawing = Drawing { pixels, ..Drawing::default() };
        let image = whole_batch(&[View::whole(&drawing, [0; 3])], [2, 4]);
        assert_eq!(image.shape(), [1, 2, 4, 3]);
        let pictures = Picture::from_images(&image);
        let reds: Vec<u8> = pictures[0].rgb.iter().step_by(3).copied().collect();
        assert_eq!(reds, [0, 10, 20, 30, 40, 50, 60, 70]);
    }

    #[test]
    fn corners_and_mirrors() {
        let drawing = ramp();
        let view = View { corner: [0, 1], mirrored: true, ..View::whole(&drawing, [0; 3]) };
        let pictures = Picture::from_images(&batch(&[view], 4, 2));
        let reds: Vec<u8> = pictures[0].rgb.iter().step_by(3).copied().collect();
        assert_eq!(reds, [20, 10, 60, 50]);
    }

    #[test]
    fn areas_are_averaged() {
        let drawing = ramp();
        let views = [View::whole(&drawing, [100, 0, 0])];
        let pictures = Picture::from_images(&small_batch(&views, 4, 2));
        let reds: Vec<u8> = pictures[0].rgb.iter().step_by(3).copied().collect();
        assert_eq!(reds, [25, 45, 100, 100]);
        for (size, small) in [(128, 48), (4, 3), (5, 5)] {
            for (first, weights) in area_weights(size, small) {
                assert!(first + weights.len() <= size);
                assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
    }
}
