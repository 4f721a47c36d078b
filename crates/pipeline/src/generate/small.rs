//! The picture that a model enlarges, as it sees it beside the noisy latents.

use aquatint_diffusion::Noise;
use aquatint_tensor::Tensor;

use crate::latents::repeated;
use crate::outline::Beside;
use crate::request::SMALL_STEP;
use crate::{GenerateRequest, Inputs, Outline, Picture};

/// A small picture, and how much noise is added to it.
pub(super) struct Small {
    /// In [−1, 1], continued as in a mirror to sides that the network can halve. `[1, h, w, 3]`
    image: Tensor,
    noise: Option<NoiseOf>,
}

/// √ᾱ and √(1 − ᾱ) of a level.
struct NoiseOf {
    level: usize,
    signal: f32,
    noise: f32,
}

impl Small {
    /// The picture to begin with, if the model enlarges pictures.
    pub fn new(request: &GenerateRequest, inputs: &Inputs, outline: &Outline) -> Option<Self> {
        let picture = inputs.init.as_ref().filter(|_| outline.beside == Beside::SmallPicture)?;
        let noise = outline.noise_levels.as_ref().zip(request.noise_level_for(outline));
        let noise = noise.map(|(levels, level)| {
            let schedule = levels.scheduler.schedule().expect("it was validated");
            let sigma = schedule.sigma(level);
            let signal = 1.0 / (sigma * sigma + 1.0).sqrt();
            NoiseOf { level, signal: signal as f32, noise: (sigma * signal) as f32 }
        });
        let grown = mirrored(picture);
        Some(Self { image: Picture::to_images(&[grown]), noise })
    }

    /// The level of noise that the network is told.
    pub fn level(&self) -> Option<usize> {
        self.noise.as_ref().map(|noise| noise.level)
    }

    /// What is put beside the latents of so many pictures, `[N, h, w, 3]`.
    pub fn beside(&self, noise: &mut Noise, seeds: usize) -> Tensor {
        let image = repeated(&self.image, seeds);
        match &self.noise {
            Some(NoiseOf { signal, noise: of, .. }) => {
                let eps = noise.randn(&self.image.shape()[1..]);
                image.scale(*signal).add(&eps.scale(*of))
            }
            None => image,
        }
    }
}

/// The picture with sides that are multiples of [`SMALL_STEP`].
fn mirrored(picture: &Picture) -> Picture {
    let [width, height] = [picture.width, picture.height].map(|n| n.next_multiple_of(SMALL_STEP));
    let inside = |at: usize, length: usize| {
        // There and back, as often as it takes.
        let there_and_back = (2 * (length - 1)).max(1);
        let at = at % there_and_back;
        at.min(there_and_back - at).min(length - 1)
    };
    let mut rgb = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            let at = inside(y, picture.height) * picture.width + inside(x, picture.width);
            rgb.extend_from_slice(&picture.rgb[3 * at..][..3]);
        }
    }
    Picture { width, height, rgb }
}

/// The first rows and columns of a picture.
pub(super) fn cropped(picture: Picture, (width, height): (usize, usize)) -> Picture {
    if (picture.width, picture.height) == (width, height) {
        return picture;
    }
    let rows = picture.rgb.chunks_exact(3 * picture.width).take(height);
    let rgb = rows.flat_map(|row| &row[..3 * width]).copied().collect();
    Picture { width, height, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_continued_and_cut_again() {
        let rgb: Vec<u8> = (0..3 * 9 * 3).collect();
        let picture = Picture { width: 9, height: 3, rgb };
        let grown = mirrored(&picture);
        assert_eq!((grown.width, grown.height), (16, 8));
        assert_eq!(cropped(grown.clone(), (9, 3)), picture);
        let red = |x: usize, y: usize| grown.rgb[3 * (16 * y + x)];
        assert_eq!([red(8, 0), red(9, 0), red(15, 0)], [24, 21, 3]);
        assert_eq!([red(0, 2), red(0, 3), red(0, 4), red(0, 5)], [54, 27, 0, 27]);
        let point = mirrored(&Picture::new(1, 1, [7, 8, 9]));
        assert_eq!(point, Picture::new(8, 8, [7, 8, 9]));
    }
}
