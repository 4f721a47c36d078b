//! Larger pictures in one pass of a network: ESRGAN and alike.

mod load;
mod tiles;

use std::ops::ControlFlow;

use aquatint_models::{SuperResolution, SuperResolutionConfig};
use aquatint_tensor::Tensor;

pub use self::tiles::Tiles;
use crate::{GenerateError, Picture};

/// A network that enlarges pictures, with its weights.
#[derive(Clone, Debug)]
pub struct Upscaler {
    network: SuperResolution,
    config: SuperResolutionConfig,
}

impl Upscaler {
    /// How many times larger the result is in both directions.
    pub fn scale(&self) -> usize {
        self.network.scale()
    }

    /// What people call the network.
    pub fn name(&self) -> &'static str {
        self.config.name()
    }

    /// The pieces that a picture of this size is enlarged in, unless they are asked for otherwise:
    /// each with an overlap of as many pixels as the network sees, so that nobody can tell.
    ///
    /// `side` is that of a piece without its overlap, and 0 means the whole picture.
    pub fn tiles(
        &self,
        [width, height]: [usize; 2],
        side: Option<usize>,
        overlap: Option<usize>,
    ) -> Tiles {
        /// Pixels of a piece, overlap included, about: 2 GiB for the largest network.
        const PIXELS: usize = 1 << 21;
        /// For networks that see little. Their last layers are larger than their picture.
        const SMALL: usize = 256;
        let (radius, multiple) = (self.network.radius(), self.network.multiple());
        let overlap = overlap.unwrap_or(radius);
        let side = side.unwrap_or_else(|| {
            if radius <= SMALL / 4 {
                SMALL
            } else if width * height <= PIXELS {
                0
            } else {
                (PIXELS.isqrt() - 2 * overlap.min(PIXELS.isqrt() / 2)).max(SMALL)
            }
        });
        Tiles::new([width, height], side, overlap, multiple)
    }

    /// How many times [`Upscaler::upscale`] calls for so many pieces.
    pub fn parts(&self, tiles: &Tiles) -> usize {
        tiles.count() * self.network.parts()
    }

    /// The picture, `scale` times larger. `each` is called after every [part](Upscaler::parts) of
    /// the work, and may stop it.
    ///
    /// # Errors
    /// If `each` stopped it, or the network makes no numbers.
    pub fn upscale(
        &self,
        picture: &Picture,
        tiles: &Tiles,
        each: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Picture, GenerateError> {
        let scale = self.scale();
        let mut whole = Picture::new(scale * picture.width, scale * picture.height, [0; 3]);
        for piece in tiles.pieces() {
            let image = self.forward(&piece.cut(picture), each).ok_or(GenerateError::Cancelled)?;
            if !image.finite() {
                return Err(GenerateError::NotFinite);
            }
            piece.paste(&image, scale, &mut whole);
            aquatint_tensor::release_idle_memory();
        }
        Ok(whole)
    }

    /// x `[1, H, W, 3]` in [0, 1] → `[1, scale·H, scale·W, 3]`, in [0, 1] but for exceptions.
    fn forward(&self, x: &Tensor, each: &mut dyn FnMut() -> ControlFlow<()>) -> Option<Tensor> {
        match self.network.white() {
            1.0 => self.network.forward_with(x, each),
            white => {
                let made = self.network.forward_with(&x.scale(white), each)?;
                Some(made.scale(1.0 / white))
            }
        }
    }
}
