//! What a picture shows, by the training drawing that is nearest to it.
//!
//! Captions "{style} emoji of {label}, {colour} background" are drawn from the training part; for
//! each picture that was made of one, the nearest training drawing (mean absolute RGB difference at
//! 32×32, every drawing composited on the asked-for background) says what was drawn.

use aquatint_pipeline::Picture;
use aquatint_tensor::{Rng, Tensor};
use rayon::prelude::*;

use crate::captions;
use crate::colours::{COLOURS, WHITE};
use crate::data::Drawing;
use crate::pictures::{View, small_batch};

/// Width and height at which pictures are compared.
const SMALL: usize = 32;

/// One caption with what it asks for.
pub struct Question<'a> {
    /// The drawing that it was written for.
    pub drawing: &'a Drawing,
    /// The asked-for background, an index in [`COLOURS`].
    pub colour: usize,
    /// It.
    pub caption: String,
}

/// What was found out about a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recognized {
    /// The index of the nearest training drawing.
    pub nearest: usize,
    /// Whether that has the asked-for label.
    pub label: bool,
    /// Whether that has the asked-for style.
    pub style: bool,
    /// Whether the median colour of the border is nearest to the asked-for background.
    pub colour: bool,
}

/// `count` captions for different drawings, each with a background that it can be seen on.
pub fn questions(drawings: &[Drawing], count: usize, seed: u64) -> Vec<Question<'_>> {
    let mut rng = Rng::new(seed);
    let anywhere = |d: &&Drawing| COLOURS.iter().any(|colour| visible(d, colour.rgb));
    let labelled = drawings.iter().filter(|d| d.label.is_some());
    let mut order: Vec<&Drawing> = labelled.filter(anywhere).collect();
    rng.shuffle(&mut order);
    order.truncate(count);
    order
        .into_iter()
        .map(|drawing| {
            let colour = loop {
                let colour = rng.below(COLOURS.len());
                if visible(drawing, COLOURS[colour].rgb) {
                    break colour;
                }
            };
            Question { drawing, colour, caption: captions::plain(drawing, colour) }
        })
        .collect()
}

/// Whether a drawing stands out from a background at all: black icons on black do not.
fn visible(drawing: &Drawing, background: [u8; 3]) -> bool {
    let stands_out =
        |pixel: &&[u8]| pixel[3] > 128 && (0..3).any(|c| pixel[c].abs_diff(background[c]) > 40);
    drawing.pixels.chunks_exact(4).filter(stands_out).count() * 50 > drawing.pixels.len() / 4
}

/// Every training drawing in a small size, on every background.
pub struct Drawings<'a> {
    drawings: &'a [Drawing],
    small: Vec<Vec<f32>>,
}

impl<'a> Drawings<'a> {
    /// Of drawings of width `size`.
    pub fn new(drawings: &'a [Drawing], size: usize) -> Self {
        let small = COLOURS
            .iter()
            .map(|colour| {
                let views: Vec<View<'_>> =
                    drawings.iter().map(|d| View::whole(d, colour.rgb)).collect();
                small_batch(&views, size, SMALL).to_vec()
            })
            .collect();
        Self { drawings, small }
    }

    /// Whether a picture is what was asked for.
    pub fn look(&self, picture: &Picture, asked: &Question<'_>) -> Recognized {
        let nearest = self.nearest(picture, asked.colour);
        let found = &self.drawings[nearest];
        Recognized {
            nearest,
            label: found.label == asked.drawing.label,
            style: found.style_word == asked.drawing.style_word,
            colour: nearest_colour(border_median(picture)) == asked.colour,
        }
    }

    /// The index of the drawing nearest to `picture` if both are on this background.
    fn nearest(&self, picture: &Picture, colour: usize) -> usize {
        let picture = shrink(picture);
        let distance = |drawing: &[f32]| -> f32 {
            drawing.iter().zip(&picture).map(|(a, b)| (a - b).abs()).sum()
        };
        let distances: Vec<f32> =
            self.small[colour].par_chunks_exact(SMALL * SMALL * 3).map(distance).collect();
        (0..distances.len())
            .min_by(|&a, &b| distances[a].total_cmp(&distances[b]))
            .expect("there are drawings")
    }
}

/// A picture at [`SMALL`], -1 to 1.
fn shrink(picture: &Picture) -> Vec<f32> {
    let pixels = picture.rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    let drawing = Drawing { pixels, ..Drawing::default() };
    let small: Tensor =
        small_batch(&[View::whole(&drawing, COLOURS[WHITE].rgb)], picture.width, SMALL);
    small.to_vec()
}

/// The median of each channel over the outermost pixels.
fn border_median(picture: &Picture) -> [u8; 3] {
    let (w, h) = (picture.width, picture.height);
    let border = (0..w * h).filter(|i| {
        let (x, y) = (i % w, i / w);
        x == 0 || y == 0 || x == w - 1 || y == h - 1
    });
    let mut channels: [Vec<u8>; 3] = Default::default();
    for i in border {
        for (channel, values) in channels.iter_mut().enumerate() {
            values.push(picture.rgb[3 * i + channel]);
        }
    }
    channels.map(|mut values| {
        values.sort_unstable();
        values[values.len() / 2]
    })
}

/// The index of the named colour with the least squared difference.
fn nearest_colour(rgb: [u8; 3]) -> usize {
    let distance = |i: &usize| -> i32 {
        let named = COLOURS[*i].rgb;
        (0..3).map(|c| (i32::from(named[c]) - i32::from(rgb[c])).pow(2)).sum()
    };
    (0..COLOURS.len()).min_by_key(distance).expect("there are colours")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::batch;

    /// A drawing of one colour with a transparent border.
    fn square(name: &str, rgb: [u8; 3]) -> Drawing {
        let pixel = |i: usize| {
            let (x, y) = (i % 128, i / 128);
            let inside = (20..108).contains(&x) && (20..108).contains(&y);
            [rgb[0], rgb[1], rgb[2], if inside { 255 } else { 0 }]
        };
        Drawing {
            label: Some(name.into()),
            pixels: (0..128 * 128).flat_map(pixel).collect(),
            ..Drawing::default()
        }
    }

    #[test]
    fn what_cannot_be_seen_is_not_asked_for() {
        let icon = square("icon", [0, 0, 0]);
        assert!(!visible(&icon, [20, 20, 20]));
        assert!(visible(&icon, [255, 255, 255]));
    }

    #[test]
    fn a_drawing_is_nearest_to_itself_on_any_background() {
        let drawings = [square("red", [200, 0, 0]), square("green", [0, 200, 0])];
        let small = Drawings::new(&drawings, 128);
        for colour in 0..COLOURS.len() {
            for (i, drawing) in drawings.iter().enumerate() {
                let view = View::whole(drawing, COLOURS[colour].rgb);
                let picture = &Picture::from_images(&batch(&[view], 128, 128))[0];
                let asked = Question { drawing, colour, caption: String::new() };
                let found = small.look(picture, &asked);
                assert_eq!((found.nearest, found.label, found.colour), (i, true, true));
                let other = Question { colour: (colour + 1) % COLOURS.len(), ..asked };
                assert!(!small.look(picture, &other).colour);
            }
        }
    }
}
