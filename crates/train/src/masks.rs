//! Random masks for in-painting: what people paint over, and what they leave.
//!
//! Rectangles for things to be replaced, strokes for scratches and letters, halves and frames for
//! pictures to be continued, and now and then everything, which is text to image; after the
//! mixture of Suvorov et al. 2022 (arXiv:2109.07161, appendix) with Stable Diffusion's part of
//! empty pictures.

use aquatint_tensor::{Rng, Tensor};

/// Height and width, and for each pixel whether it is painted.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// Pixels in a row, and rows.
    pub size: usize,
    /// Row by row.
    pub painted: Vec<bool>,
}

/// The kinds of masks, with their share of all draws in twentieths.
const KINDS: [(Kind, usize); 5] = [
    (Kind::Rectangles, 7),
    (Kind::Strokes, 5),
    (Kind::Half, 3),
    (Kind::Frame, 2),
    (Kind::Everything, 3),
];

/// What a mask looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One to three rectangles.
    Rectangles,
    /// One to four thick lines with bends.
    Strokes,
    /// All on one side of a line near the middle.
    Half,
    /// All outside of a rectangle.
    Frame,
    /// The whole picture.
    Everything,
}

impl Kind {
    /// Draws a kind.
    pub fn draw(rng: &mut Rng) -> Self {
        let total: usize = KINDS.iter().map(|(_, share)| share).sum();
        let mut left = rng.below(total);
        for (kind, share) in KINDS {
            if left < share {
                return kind;
            }
            left -= share;
        }
        unreachable!("one of all shares was drawn")
    }
}

impl Mask {
    /// Draws a mask of any kind.
    pub fn draw(size: usize, rng: &mut Rng) -> Self {
        Self::of(Kind::draw(rng), size, rng)
    }

    /// Draws a mask of one kind. Something is always painted.
    pub fn of(kind: Kind, size: usize, rng: &mut Rng) -> Self {
        let mut mask = Self { size, painted: vec![false; size * size] };
        match kind {
            Kind::Rectangles => {
                for _ in 0..1 + rng.below(3) {
                    let [y, x] = [0; 2].map(|_| span(size, [0.2, 0.6], rng));
                    mask.paint(|row, column| inside(row, y) && inside(column, x));
                }
            }
            Kind::Strokes => (0..1 + rng.below(4)).for_each(|_| mask.stroke(rng)),
            Kind::Half => {
                let middle = between([0.35, 0.65], rng) * size as f64;
                let (upright, upper) = (rng.below(2) == 0, rng.below(2) == 0);
                mask.paint(|row, column| {
                    let at = if upright { column } else { row };
                    (at as f64 >= middle) != upper
                });
            }
            Kind::Frame => {
                let [y, x] = [0; 2].map(|_| span(size, [0.4, 0.8], rng));
                mask.paint(|row, column| !(inside(row, y) && inside(column, x)));
            }
            Kind::Everything => mask.painted.fill(true),
        }
        mask
    }

    /// The part of the picture that is painted.
    pub fn share(&self) -> f64 {
        let painted = self.painted.iter().filter(|&&painted| painted).count();
        painted as f64 / self.painted.len() as f64
    }

    fn paint(&mut self, wanted: impl Fn(usize, usize) -> bool) {
        let size = self.size;
        for (i, painted) in self.painted.iter_mut().enumerate() {
            *painted |= wanted(i / size, i % size);
        }
    }

    /// A line of two to six straight pieces, as wide as a sixteenth to a fifth of the picture.
    fn stroke(&mut self, rng: &mut Rng) {
        let side = self.size as f64;
        let radius = between([1.0 / 32.0, 0.1], rng) * side;
        let mut from = [0; 2].map(|_| between([0.0, 1.0], rng) * side);
        let mut angle = between([0.0, std::f64::consts::TAU], rng);
        for _ in 0..2 + rng.below(5) {
            angle += between([-1.2, 1.2], rng);
            let length = between([0.1, 0.4], rng) * side;
            let bounded = |at: f64| at.clamp(0.0, side - 1.0);
            let to =
                [bounded(from[0] + length * angle.sin()), bounded(from[1] + length * angle.cos())];
            self.paint(|row, column| {
                distance([row as f64, column as f64], from, to) <= radius.max(1.0)
            });
            from = to;
        }
    }
}

/// Uniform in a range.
fn between([low, high]: [f64; 2], rng: &mut Rng) -> f64 {
    low + (high - low) * rng.uniform()
}

/// A piece of the side that is `shares` of it long, anywhere: its first pixel and the one behind.
fn span(size: usize, shares: [f64; 2], rng: &mut Rng) -> [usize; 2] {
    let length = ((between(shares, rng) * size as f64).round() as usize).clamp(1, size);
    let first = rng.below(size - length + 1);
    [first, first + length]
}

fn inside(at: usize, [first, behind]: [usize; 2]) -> bool {
    (first..behind).contains(&at)
}

/// From a point to the straight piece between two others.
fn distance(point: [f64; 2], from: [f64; 2], to: [f64; 2]) -> f64 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let away = [point[0] - from[0], point[1] - from[1]];
    let length = along[0] * along[0] + along[1] * along[1];
    let t = ((away[0] * along[0] + away[1] * along[1]) / length.max(1e-12)).clamp(0.0, 1.0);
    (away[0] - t * along[0]).hypot(away[1] - t * along[1])
}

/// Pictures `[N, size, size, 3]` from -1 to 1, in which what is painted is 0, the middle gray that
/// diffusers puts there.
pub fn masked(pictures: &Tensor, masks: &[Mask]) -> Tensor {
    let mut values = pictures.to_vec();
    let pixels = masks.iter().flat_map(|mask| &mask.painted);
    for (pixel, &painted) in values.chunks_exact_mut(pictures.channels()).zip(pixels) {
        if painted {
            pixel.fill(0.0);
        }
    }
    Tensor::new(values, pictures.shape())
}

/// The masks at the size of latents, `[N, h, h, 1]`: of every `factor`th pixel, as diffusers takes
/// the nearest; 1 is painted.
pub fn at_latents(masks: &[Mask], factor: usize) -> Tensor {
    let side = masks.first().map_or(0, |mask| mask.size / factor);
    let mut values = Vec::with_capacity(masks.len() * side * side);
    for mask in masks {
        for row in (0..side).map(|row| row * factor) {
            let at = |column: usize| mask.painted[row * mask.size + column * factor];
            values.extend((0..side).map(|column| f32::from(at(column))));
        }
    }
    Tensor::new(values, &[masks.len(), side, side, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_paints_some_and_all_but_one_leave_some() {
        let mut rng = Rng::new(1);
        for (kind, least, most) in [
            (Kind::Rectangles, 0.03, 0.9),
            (Kind::Strokes, 0.005, 0.9),
            (Kind::Half, 0.3, 0.7),
            (Kind::Frame, 0.3, 0.9),
            (Kind::Everything, 1.0, 1.0),
        ] {
            for _ in 0..200 {
                let share = Mask::of(kind, 64, &mut rng).share();
                assert!((least..=most).contains(&share), "{kind:?}: {share}");
            }
        }
    }

    #[test]
    fn all_kinds_are_drawn_and_a_seed_says_which() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..200).map(|_| Kind::draw(&mut rng)).collect::<Vec<_>>()
        };
        assert!(KINDS.iter().all(|(kind, _)| draw(3).contains(kind)));
        assert_eq!(draw(3), draw(3));
        let mask = |seed| Mask::draw(32, &mut Rng::new(seed));
        assert_eq!(mask(5), mask(5));
        assert!((0..9).any(|seed| mask(seed) != mask(seed + 1)));
    }

    #[test]
    fn a_stroke_is_as_wide_as_it_should_be() {
        assert_eq!(distance([3.0, 4.0], [0.0, 0.0], [0.0, 8.0]), 3.0);
        assert_eq!(distance([0.0, 12.0], [0.0, 0.0], [0.0, 8.0]), 4.0);
        assert_eq!(distance([3.0, 4.0], [0.0, 0.0], [0.0, 0.0]), 5.0);
    }

    #[test]
    fn what_is_painted_is_gray_and_one() {
        let painted = (0..16).map(|i| i % 4 >= 2).collect();
        let masks = [Mask { size: 4, painted }];
        assert_eq!(at_latents(&masks, 2).to_vec(), [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(at_latents(&masks, 2).shape(), [1, 2, 2, 1]);
        let picture = masked(&Tensor::full(&[1, 4, 4, 3], 0.5), &masks).to_vec();
        assert_eq!(picture[..9], [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0]);
    }
}
