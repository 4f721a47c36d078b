//! The latents of one batch: one pass, or two with an enlargement in between.

use std::sync::Arc;

use aquatint_diffusion::Watch;
use aquatint_models::WordMaps;
use aquatint_tensor::Tensor;

use super::batches::{decode_by, finite};
use super::given::Given;
use super::small::Small;
use super::{GenerateError, Pass, Settings, enlarge};
use crate::autoencoder::Autoencoder;
use crate::latents::repeated;
use crate::model::{Network, Told};
use crate::request::{HiresUpscaler, PictureSeed, Plan};
use crate::{GenerateRequest, Model, Outline, Picture, resize};

/// One request to one model.
pub(super) struct Job<'a> {
    pub model: &'a dyn Model,
    pub outline: &'a Outline,
    pub request: &'a GenerateRequest,
    pub plan: Plan,
    pub given: Option<Given>,
    pub small: Option<Small>,
    /// Whether it begins with nothing but noise.
    pub pure: bool,
    pub settings: Settings<'a>,
}

impl<'a> Job<'a> {
    /// The latents of one batch, `[N, h, w, C]`, of which the network is `told`. There is a network
    /// if there are steps. `words` hears where the first picture looks.
    pub fn latents(
        &self,
        told: &Told,
        network: Option<&Network<'_>>,
        decoder: &mut Option<Autoencoder<'a>>,
        seeds: &[PictureSeed],
        words: Option<&Arc<WordMaps>>,
        watch: &mut dyn Watch,
    ) -> Result<Tensor, GenerateError> {
        let Self { plan, request, given, .. } = self;
        let given = given.as_ref();
        let init = given.and_then(|given| given.init.as_ref());
        if plan.skipped == request.steps
            && let Some(init) = init
        {
            return Ok(repeated(&init.mean, seeds.len()));
        }
        let Some(network) = network else { unreachable!("steps without a network") };
        let mut noise = request.noise(seeds)?;
        // In diffusers' order, because each draw goes on where the one before ended.
        let x0 = init.map(|init| init.draw(&mut noise, seeds.len()));
        let small = self.small.as_ref().map(|small| small.beside(&mut noise, seeds.len()));
        let eps = noise.randn(&self.shape(plan.base));
        let beside = given.and_then(|given| given.beside(&mut noise, seeds.len())).or(small);
        let mask = given.and_then(|given| given.mask.as_ref());
        let mask = mask.map(|mask| repeated(mask, seeds.len()));
        let pass = Pass {
            outline: self.outline,
            sampler: self.settings.sampler,
            network,
            told,
            request,
            size: plan.base,
            steps: request.steps,
            skipped: plan.skipped,
            x0: x0.as_ref().filter(|_| !self.pure),
            beside: beside.as_ref(),
            noise_level: self.small.as_ref().and_then(Small::level),
            keep: x0.as_ref().zip(mask.as_ref()),
            words,
        };
        let look = self.settings.look;
        let latents = pass.run(&eps, &mut noise, watch, look)?;
        let Some((steps, skipped)) = plan.second else { return Ok(latents) };

        let x0 = &self.enlarged(&latents, decoder, watch)?;
        if skipped == steps {
            return Ok(x0.clone());
        }
        let mut noise = request.noise(seeds)?;
        let eps = noise.randn(&self.shape(plan.size));
        let pass = Pass { size: plan.size, steps, skipped, x0: Some(x0), words: None, ..pass };
        pass.run(&eps, &mut noise, watch, look)
    }

    /// The first pass in the size of the second.
    fn enlarged(
        &self,
        latents: &Tensor,
        decoder: &mut Option<Autoencoder<'a>>,
        watch: &mut dyn Watch,
    ) -> Result<Tensor, GenerateError> {
        let (width, height) = self.plan.size;
        let [h, w, _] = self.shape(self.plan.size);
        // Only after a request without a second pass there is none.
        let upscaler = self.request.hires.as_ref().map(|hires| hires.upscaler);
        match upscaler.unwrap_or_default() {
            HiresUpscaler::Latent => Ok(enlarge::bilinear(latents, [h, w])),
            HiresUpscaler::LatentNearest => Ok(enlarge::nearest(latents, [h, w])),
            HiresUpscaler::Picture => {
                watch.stage("denoise");
                let vae = match decoder.take() {
                    Some(vae) => vae,
                    None => self.model.decoder()?,
                };
                watch.stage("load");
                let tiling = self.settings.tiling;
                let pictures = decode_by(latents, |latents| vae.decode(latents, tiling))?;
                *decoder = Some(vae);
                watch.stage("decode");
                let encoder = self.model.encoder()?;
                watch.stage("load");
                let large: Vec<Picture> =
                    pictures.iter().map(|picture| resize(picture, width, height)).collect();
                let mut latents: Option<Tensor> = None;
                // One by one, because this is where most of the memory goes.
                for picture in large {
                    let image = Picture::to_images(&[picture]);
                    let next = encoder.encode(&image, tiling).mean;
                    latents = Some(match latents {
                        Some(latents) => Tensor::cat_rows([&latents, &next]),
                        None => next,
                    });
                }
                watch.stage("encode");
                let Some(latents) = latents else { unreachable!("a batch of nothing") };
                finite(&latents).map(|()| latents)
            }
        }
    }

    /// Rows, columns and channels of the latents of a picture.
    fn shape(&self, (width, height): (usize, usize)) -> [usize; 3] {
        let factor = self.outline.downsampling_factor;
        [height / factor, width / factor, self.outline.latent_channels]
    }
}
