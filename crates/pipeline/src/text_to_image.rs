//! One function for each task, and the stages of the first of them.

use std::borrow::Cow;
use std::ops::ControlFlow;

use aquatint_diffusion::Watch;
use aquatint_models::{Tiling, UNet2DConditionModel};
use aquatint_tensor::{Tensor, cancellable};

use crate::autoencoder::Autoencoder;
use crate::generate::{Pass, Settings, decode_by, generate};
use crate::model::{Network, Told};
use crate::prompt::PromptEmbeds;
use crate::request::{Extend, PictureSeed};
use crate::{GenerateError, GenerateRequest, Inputs, Mask, Model, ModelConfig, Picture, Travel};

/// The pictures that `request` asks for.
///
/// The same request gives the same pixels for any number of threads.
///
/// # Errors
/// If the model cannot do that, or `watch` stopped it, or the model makes no numbers.
pub fn text_to_image(
    model: &dyn Model,
    request: &GenerateRequest,
    watch: &mut dyn Watch,
) -> Result<Vec<Picture>, GenerateError> {
    collect(model, request, &Inputs::NONE, watch)
}

/// The pictures that become of `init` (Meng et al. 2021, arXiv:2108.01073): as much of it as
/// [`GenerateRequest::strength`] says becomes noise, and the noise what the prompt says. At
/// strength 0 it is what the autoencoder makes of it.
///
/// # Errors
/// As [`text_to_image`].
pub fn image_to_image(
    model: &dyn Model,
    request: &GenerateRequest,
    init: Picture,
    watch: &mut dyn Watch,
) -> Result<Vec<Picture>, GenerateError> {
    collect(model, request, &Inputs { init: Some(init), mask: None }, watch)
}

/// The pictures that become of `init` where `mask` says so; the rest is kept to the bit. Models for
/// in-painting see what is kept; with all others it is put back at every step.
///
/// # Errors
/// As [`text_to_image`], and if the mask has another size than the picture.
pub fn inpaint(
    model: &dyn Model,
    request: &GenerateRequest,
    init: Picture,
    mask: Mask,
    watch: &mut dyn Watch,
) -> Result<Vec<Picture>, GenerateError> {
    collect(model, request, &Inputs { init: Some(init), mask: Some(mask) }, watch)
}

/// The picture `init` and what is around it.
///
/// # Errors
/// As [`text_to_image`], and if the sides are not those of a picture that the model can make.
pub fn outpaint(
    model: &dyn Model,
    request: &GenerateRequest,
    init: Picture,
    extend: Extend,
    watch: &mut dyn Watch,
) -> Result<Vec<Picture>, GenerateError> {
    let request = GenerateRequest { extend: Some(extend), ..request.clone() };
    collect(model, &request, &Inputs { init: Some(init), mask: None }, watch)
}

/// The pictures on the way that `travel` says, from that of `request` to others (see [`Travel::of`]).
///
/// # Errors
/// As [`text_to_image`], and if there is no such way.
pub fn travel(
    model: &dyn Model,
    request: &GenerateRequest,
    travel: &Travel,
    watch: &mut dyn Watch,
) -> Result<Vec<Picture>, GenerateError> {
    let mut pictures = Vec::with_capacity(travel.frames);
    for frame in travel.of(request)? {
        pictures.append(&mut collect(model, &frame, &Inputs::NONE, watch)?);
    }
    Ok(pictures)
}

fn collect(
    model: &dyn Model,
    request: &GenerateRequest,
    inputs: &Inputs,
    watch: &mut dyn Watch,
) -> Result<Vec<Picture>, GenerateError> {
    let mut pictures = Vec::with_capacity(request.count);
    generate(model, request, inputs, Settings::default(), watch, &mut |finished| {
        pictures.push(finished.picture.clone());
        ControlFlow::Continue(())
    })?;
    Ok(pictures)
}

/// The second stage: noise to latents `[N, h, w, C]`, one picture for each seed. A picture does
/// not depend on the others. `look` is shown the latents each time before the U-Net is.
///
/// # Errors
/// If the model cannot do that, or `watch` stopped it.
pub fn denoise(
    unet: &UNet2DConditionModel,
    config: &ModelConfig,
    request: &GenerateRequest,
    embeds: &PromptEmbeds,
    seeds: &[PictureSeed],
    watch: &mut dyn Watch,
    look: &dyn Fn(&Tensor),
) -> Result<Tensor, GenerateError> {
    let outline = &config.outline();
    let (width, height) = request.size_for(outline)?;
    let factor = outline.downsampling_factor;
    let mut noise = request.noise(seeds)?;
    let eps = noise.randn(&[height / factor, width / factor, outline.latent_channels]);
    let pass = Pass {
        outline,
        sampler: None,
        network: &Network::Conditioned(Cow::Borrowed(unet)),
        told: &Told::Words(Box::new(embeds.clone())),
        request,
        size: (width, height),
        steps: request.steps,
        skipped: 0,
        x0: None,
        beside: None,
        noise_level: None,
        keep: None,
        words: None,
    };
    let token = watch.token();
    cancellable(token.as_ref(), || pass.run(&eps, &mut noise, watch, look))?
}

/// The third stage: latents `[N, h, w, C]` to pictures.
///
/// # Errors
/// If the latents, or what the autoencoder makes of them, are not finite.
pub fn decode(
    vae: &Autoencoder<'_>,
    latents: &Tensor,
    tiling: Tiling,
) -> Result<Vec<Picture>, GenerateError> {
    decode_by(latents, |latents| vae.decode(latents, tiling))
}
