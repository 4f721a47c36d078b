//! How many pictures are made at once, and how latents become pictures.

use aquatint_tensor::Tensor;

use super::GenerateError;
use crate::{Outline, Picture};

/// The seeds in groups of pictures that are made together: as many as the machine is busy with and
/// the memory bears, which depends on nothing but their size.
pub fn batches<S: Clone>(
    outline: &Outline,
    width: usize,
    height: usize,
    seeds: &[S],
) -> Vec<Vec<S>> {
    /// Latent pixels of one batch: one picture of 512×512, or 16 of 128×128.
    const PIXELS: usize = 64 * 64;
    let factor = outline.downsampling_factor;
    let each = (width / factor * (height / factor)).max(1);
    seeds.chunks((PIXELS / each).max(1)).map(<[S]>::to_vec).collect()
}

/// Latents to pictures, one by one, because this is where most of the memory goes.
pub(crate) fn decode_by(
    latents: &Tensor,
    decode: impl Fn(&Tensor) -> Tensor,
) -> Result<Vec<Picture>, GenerateError> {
    let mut pictures = Vec::with_capacity(latents.dim(0));
    for n in 0..latents.dim(0) {
        let latents = latents.narrow_rows(n, 1);
        finite(&latents)?;
        let image = decode(&latents);
        finite(&image)?;
        pictures.extend(Picture::from_images(&image));
    }
    Ok(pictures)
}

pub(super) fn finite(x: &Tensor) -> Result<(), GenerateError> {
    if x.finite() { Ok(()) } else { Err(GenerateError::NotFinite) }
}
