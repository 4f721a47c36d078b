//! In-painting as the web UI has it: a part of a picture made in the size of a whole one, and put
//! back.

use aquatint_pipeline::metadata::Description;
use aquatint_pipeline::{Encoding, Mask, Picture, encode_picture, resize};

use super::begin::ONE;
use crate::Refusal;
use crate::engine::lock;

/// A rectangle of a picture: columns and rows, the last ones not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Place {
    pub fn width(self) -> usize {
        self.right - self.left
    }

    fn height(self) -> usize {
        self.bottom - self.top
    }

    /// That part of a picture.
    pub fn picture(self, whole: &Picture) -> Picture {
        let rows = (self.top..self.bottom).map(|y| &whole.rgb[3 * (y * whole.width + self.left)..]);
        let rgb = rows.flat_map(|row| &row[..3 * self.width()]).copied().collect();
        Picture { width: self.width(), height: self.height(), rgb }
    }
}

/// That part of a mask.
pub(super) fn cut(mask: &Mask, place: Place) -> Mask {
    let rows = (place.top..place.bottom).map(|y| &mask.values[y * mask.width + place.left..]);
    let values = rows.flat_map(|row| &row[..place.width()]).copied().collect();
    Mask { width: place.width(), height: place.height(), values }
}

/// What is around everything new, with the soft edge and some pixels more, in the ratio of a size;
/// nothing if nothing is new.
pub(super) fn around(mask: &Mask, blur: f64, more: usize, size: (usize, usize)) -> Option<Place> {
    let is_new = |&value: &u8| value >= 128;
    let mut rows = mask.values.chunks_exact(mask.width);
    let top = rows.position(|row| row.iter().any(is_new))?;
    let last = mask.values.chunks_exact(mask.width).rposition(|row| row.iter().any(is_new))?;
    let column = |x: usize| mask.values[top * mask.width..].iter().skip(x).step_by(mask.width);
    let left = (0..mask.width).find(|&x| column(x).any(is_new))?;
    let right = (0..mask.width).rfind(|&x| column(x).any(is_new))?;
    let more = more.saturating_add((2.5 * blur.clamp(0.0, 256.0)).ceil() as usize);
    let (mut across, mut down) = (
        (left.saturating_sub(more), (right + 1).saturating_add(more).min(mask.width)),
        (top.saturating_sub(more), (last + 1).saturating_add(more).min(mask.height)),
    );
    let (w, h) = ((across.1 - across.0) as f64, (down.1 - down.0) as f64);
    let ratio = size.0 as f64 / size.1.max(1) as f64;
    if w / h > ratio {
        down = grown(down, (w / ratio).round() as usize, mask.height);
    } else {
        across = grown(across, (h * ratio).round() as usize, mask.width);
    }
    Some(Place { left: across.0, top: down.0, right: across.1, bottom: down.1 })
}

/// A line made longer on both sides, as far as there is room.
fn grown((from, to): (usize, usize), length: usize, room: usize) -> (usize, usize) {
    let length = length.clamp(to - from, room.max(to - from));
    let from = from.saturating_sub((length - (to - from)) / 2).min(room.saturating_sub(length));
    (from, from + length)
}

/// Where a result is put.
#[derive(Clone)]
pub(super) struct Paste {
    /// The whole picture, as the bytes of its file.
    pub original: Vec<u8>,
    /// What is new of the part.
    pub mask: Mask,
    pub place: Place,
    /// The deviation of the edge's blur.
    pub blur: f64,
}

impl Paste {
    /// The whole picture with the result in it, as a PNG file with the result's texts.
    pub fn over(&self, png: &[u8]) -> Result<Vec<u8>, Refusal> {
        let failed =
            |error: String| Refusal::failed(format!("a picture cannot be put back: {error}"));
        let _one = lock(&ONE);
        let mut whole = Picture::decode_opaque(&self.original).map_err(failed)?;
        let part = Picture::decode_opaque(png).map_err(failed)?;
        let (width, height) = (self.place.width(), self.place.height());
        let part = resize(&part, width, height);
        let soft = softened(&self.mask, self.blur);
        for y in 0..height {
            let row = 3 * ((self.place.top + y) * whole.width + self.place.left);
            let old = whole.rgb[row..row + 3 * width].as_chunks_mut::<3>().0;
            let new = part.rgb[3 * y * width..3 * (y + 1) * width].as_chunks::<3>().0;
            for ((old, new), &soft) in old.iter_mut().zip(new).zip(&soft[y * width..]) {
                for (old, &new) in old.iter_mut().zip(new) {
                    let (from, to) = (f32::from(*old), f32::from(new));
                    *old = (from + soft * (to - from)).round() as u8;
                }
            }
        }
        let texts = Description::read(png).map(|description| description.texts).map_err(failed)?;
        let texts = texts.iter().map(|(keyword, text)| (keyword.as_str(), text.clone())).collect();
        encode_picture(&whole, &texts, Encoding::default())
            .map_err(|error| failed(error.to_string()))
    }
}

/// How much of each pixel is new: the mask, blurred three times over a box, which is close to a
/// Gaussian and takes as long for a wide one.
fn softened(mask: &Mask, deviation: f64) -> Vec<f32> {
    let hard = mask.values.iter().map(|&value| if value >= 128 { 1.0 } else { 0.0 });
    let mut soft: Vec<f32> = hard.collect();
    let reach = (((4.0 * deviation * deviation + 1.0).sqrt() - 1.0) / 2.0).round() as usize;
    let (w, h) = (mask.width, mask.height);
    let mut line = vec![0.0; w.max(h)];
    for _ in 0..3 {
        (0..h).for_each(|y| box_blurred(&mut soft, y * w, 1, &mut line[..w], reach));
        (0..w).for_each(|x| box_blurred(&mut soft, x, w, &mut line[..h], reach));
    }
    soft
}

/// The means of as many neighbours on both sides, along a line of places that are `step` apart.
fn box_blurred(values: &mut [f32], start: usize, step: usize, line: &mut [f32], reach: usize) {
    for (i, value) in line.iter_mut().enumerate() {
        *value = values[start + i * step];
    }
    let (last, count) = (line.len() - 1, (2 * reach + 1) as f64);
    let at = |i: isize| f64::from(line[i.clamp(0, last as isize) as usize]);
    let reach = reach as isize;
    let mut sum: f64 = (-reach..=reach).map(at).sum();
    for i in 0..=last {
        values[start + i * step] = (sum / count) as f32;
        sum += at(i as isize + reach + 1) - at(i as isize - reach);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_in_the_ratio_of_the_whole() {
        let mut mask = Mask::new(100, 60, 0);
        for y in 20..30 {
            mask.values[y * 100 + 40..y * 100 + 50].fill(255);
        }
        let place = |blur, more, size| {
            around(&mask, blur, more, size)
                .map(|place| (place.left, place.top, place.right, place.bottom))
        };
        assert_eq!(place(0.0, 0, (64, 64)), Some((40, 20, 50, 30)));
        assert_eq!(place(2.0, 3, (64, 64)), Some((32, 12, 58, 38)));
        assert_eq!(place(0.0, 0, (128, 64)), Some((35, 20, 55, 30)));
        assert_eq!(place(0.0, 1000, (64, 64)), Some((0, 0, 100, 60)));
        assert_eq!(place(0.0, 0, (6400, 64)), Some((0, 20, 100, 30)));
        assert_eq!(around(&Mask::new(9, 9, 0), 4.0, 32, (64, 64)), None);
        assert_eq!(around(&Mask::new(9, 9, 255), 4.0, 32, (64, 64)).map(Place::width), Some(9));
    }

    #[test]
    fn put_back_with_a_soft_edge() {
        let place = Place { left: 2, top: 1, right: 10, bottom: 9 };
        let whole = Picture::new(12, 10, [0; 3]);
        let encoded =
            |picture: &Picture| aquatint_pipeline::png::encode(picture, &Default::default());
        let mut mask = Mask::new(8, 8, 0);
        mask.values[3 * 8 + 3] = 255;
        let paste = |blur| Paste { original: encoded(&whole), mask: mask.clone(), place, blur };
        let over = |blur| {
            let png = paste(blur).over(&encoded(&Picture::new(16, 16, [255; 3]))).expect("a file");
            Picture::decode_opaque(&png).expect("a picture").rgb
        };
        let hard = over(0.0);
        assert_eq!(hard.iter().filter(|&&value| value == 255).count(), 3);
        assert_eq!(hard[3 * (4 * 12 + 5)], 255);
        let soft = over(1.0);
        let value = |x: usize, y: usize| soft[3 * (y * 12 + x)];
        assert!(value(5, 4) > value(6, 4) && value(6, 4) > 0 && value(0, 4) == 0);
        assert_eq!(value(4, 4), value(6, 4));
    }
}
