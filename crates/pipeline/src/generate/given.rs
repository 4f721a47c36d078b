//! What the network is given of a picture to begin with.

use aquatint_diffusion::{Noise, Watch};
use aquatint_models::Tiling;
use aquatint_tensor::Tensor;

use super::canvas::{Canvas, Paint};
use super::{GenerateError, finite};
use crate::latents::repeated;
use crate::outline::Beside;
use crate::{Latents, Model, Outline};

/// The latents of a picture, and of its mask.
pub(super) struct Given {
    /// Of the picture, unless nothing of it is left.
    pub init: Option<Latents>,
    /// 1 where latents are made anew, if some are not. `[1, h, w, C]`
    pub mask: Option<Tensor>,
    beside: Option<BesideLatents>,
}

/// What a model for in-painting sees.
struct BesideLatents {
    order: Beside,
    /// `[1, h, w, 1]`
    mask: Tensor,
    picture: Latents,
}

impl Given {
    /// Encodes what the model wants. Where `pure`, it begins with nothing but noise.
    pub fn encode(
        model: &dyn Model,
        outline: &Outline,
        canvas: &Canvas,
        pure: bool,
        tiling: Tiling,
        watch: &mut dyn Watch,
    ) -> Result<Self, GenerateError> {
        let encoder = model.encoder()?;
        watch.stage("load");
        let encode = |image: &Tensor| -> Result<Latents, GenerateError> {
            let latents = encoder.encode(image, tiling);
            finite(&latents.mean).map(|()| latents)
        };
        let factor = outline.downsampling_factor;
        let beside = match (&canvas.paint, outline.beside) {
            (Some(paint), order @ Beside::MaskAndPicture) => {
                let picture = encode(&canvas.masked_image(paint, 0.0))?;
                Some(BesideLatents { order, mask: paint.first(factor), picture })
            }
            (Some(paint), order @ Beside::PictureAndMask) => {
                let picture = encode(&canvas.masked_image(paint, -1.0))?;
                let mask = paint.first(factor).scale(2.0).add_scalar(-1.0);
                Some(BesideLatents { order, mask, picture })
            }
            _ => None,
        };
        let blends = canvas.paint.is_some() && beside.is_none();
        let init = if blends || !pure { Some(encode(&canvas.image())?) } else { None };
        let mask = canvas.paint.as_ref().filter(|_| blends);
        let mask = mask.map(|paint| in_channels(paint, factor, outline.latent_channels));
        watch.stage("encode");
        Ok(Self { init, mask, beside })
    }

    /// What is put beside the latents of so many pictures, `[N, h, w, K]`.
    pub fn beside(&self, noise: &mut Noise, seeds: usize) -> Option<Tensor> {
        let BesideLatents { order, mask, picture } = self.beside.as_ref()?;
        let (mask, picture) = (repeated(mask, seeds), picture.draw(noise, seeds));
        Some(match order {
            Beside::PictureAndMask => Tensor::cat([&picture, &mask]),
            _ => Tensor::cat([&mask, &picture]),
        })
    }
}

/// The mask of latents in as many channels as they have.
fn in_channels(paint: &Paint, factor: usize, channels: usize) -> Tensor {
    let mask = paint.any(factor);
    let shape = [1, mask.dim(1), mask.dim(2), channels];
    let values = mask.to_vec();
    Tensor::from_fn(&shape, |i| values[i / channels])
}
