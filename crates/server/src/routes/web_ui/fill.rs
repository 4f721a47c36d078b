//! What is put where something new is to be: the colours from around.

use aquatint_pipeline::{Mask, Picture};

/// A picture whose new pixels have the colours from around, the softer the farther they are.
pub(super) fn filled(picture: &Picture, mask: &Mask) -> Picture {
    if mask.values.iter().all(|&value| value >= 128) {
        return Picture::new(picture.width, picture.height, [128; 3]);
    }
    let pixels = picture.rgb.as_chunks::<3>().0.iter().zip(&mask.values);
    let known = pixels.map(|(&[r, g, b], &value)| match value >= 128 {
        true => [0.0; 4],
        false => [f32::from(r), f32::from(g), f32::from(b), 1.0],
    });
    let full = from_around(&known.collect::<Vec<_>>(), [picture.width, picture.height]);
    let mut filled = picture.clone();
    let new = filled.rgb.as_chunks_mut::<3>().0.iter_mut().zip(&mask.values).zip(full);
    for ((pixel, &value), colour) in new {
        if value >= 128 {
            *pixel = colour.map(|c| c.round() as u8);
        }
    }
    filled
}

/// Colours for all pixels from those whose last number is not 0, which says how much of them is
/// known: what is not known comes from the picture of half the size.
fn from_around(pixels: &[[f32; 4]], [w, h]: [usize; 2]) -> Vec<[f32; 3]> {
    let known = |&[r, g, b, part]: &[f32; 4]| [r / part, g / part, b / part];
    if pixels.iter().all(|pixel| pixel[3] > 0.0) || w * h == 1 {
        return pixels.iter().map(known).collect();
    }
    let [half_w, half_h] = [w.div_ceil(2), h.div_ceil(2)];
    let mut half = vec![[0.0; 4]; half_w * half_h];
    for (i, pixel) in pixels.iter().enumerate() {
        let sum = &mut half[i / w / 2 * half_w + i % w / 2];
        sum.iter_mut().zip(pixel).for_each(|(sum, part)| *sum += part);
    }
    let half = from_around(&half, [half_w, half_h]);
    let between = |i: usize| {
        // Three parts of the pixel that it is in, one of the next in each direction.
        let (x, y) = (i % w, i / w);
        let near = |at: usize, length: usize| match at % 2 {
            0 => [at / 2, (at / 2).saturating_sub(1)],
            _ => [at / 2, (at / 2 + 1).min(length - 1)],
        };
        let ([x0, x1], [y0, y1]) = (near(x, half_w), near(y, half_h));
        let of = |x: usize, y: usize, c: usize| half[y * half_w + x][c];
        [0, 1, 2].map(|c| {
            let row = |y| 0.75 * of(x0, y, c) + 0.25 * of(x1, y, c);
            0.75 * row(y0) + 0.25 * row(y1)
        })
    };
    let each = pixels.iter().enumerate();
    each.map(|(i, pixel)| if pixel[3] > 0.0 { known(pixel) } else { between(i) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_looks_like_its_neighbours() {
        let mut picture = Picture::new(16, 16, [10, 200, 30]);
        let mut mask = Mask::new(16, 16, 0);
        for y in 4..12 {
            for x in 4..12 {
                picture.rgb[3 * (y * 16 + x)..][..3].fill(255);
                mask.values[y * 16 + x] = 255;
            }
        }
        assert_eq!(filled(&picture, &mask), Picture::new(16, 16, [10, 200, 30]));
        let all = Mask::new(16, 16, 255);
        assert_eq!(filled(&picture, &all), Picture::new(16, 16, [128; 3]));
    }
}
