//! The whole way from a request to pictures, whoever holds the model's parts.

mod canvas;
mod enlarge;
mod fill;
mod given;
mod heard;
mod pass;
mod small;

use std::ops::ControlFlow;

use aquatint_diffusion::{Run, Watch};
use aquatint_models::Tiling;
use aquatint_tensor::{Cancelled, Tensor, cancellable, release_idle_memory};

use self::canvas::Canvas;
use self::given::Given;
pub(crate) use self::pass::Pass;
use self::small::Small;
use crate::latents::repeated;
use crate::model::{Autoencoder, Network, Told};
use crate::request::{HiresUpscaler, PictureSeed, Plan};
use crate::{GenerateRequest, Inputs, Model, ModelError, Outline, Picture, RequestError, resize};

/// Why there are no pictures.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The request is not possible with this model.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A part of the model cannot be read.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Whoever watched wanted no more.
    #[error("stopped before the picture was finished")]
    Cancelled,
    /// There would be a picture, but a black one.
    #[error(
        "the model made numbers that are not finite: its weights are damaged or do not fit this \
         precision (try --dtype f32)"
    )]
    NotFinite,
}

impl From<Cancelled> for GenerateError {
    fn from(_: Cancelled) -> Self {
        // Nobody can say when there is something to do again.
        release_idle_memory();
        Self::Cancelled
    }
}

/// A sampler of somebody's own: from data with noise of `run.sigmas[0]` to the last noise level.
pub type CustomSampler<'a> = &'a dyn Fn(Tensor, Run<'_>) -> Tensor;

/// What no request says.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// Whether pictures go through the autoencoder in bands.
    pub tiling: Tiling,
    /// Is shown the latents of a batch each time before the network is.
    pub look: &'a dyn Fn(&Tensor),
    /// Takes the place of the request's sampler, along its noise levels. It tells `run.watch` of
    /// every step.
    pub sampler: Option<CustomSampler<'a>>,
    /// Is shown what the network will be told.
    pub hear: &'a dyn Fn(&Told),
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self { tiling: Tiling::Auto, look: &|_| {}, sampler: None, hear: &|_| {} }
    }
}

/// A picture, as soon as it is there.
pub struct Finished<'a> {
    /// Which, from 0.
    pub index: usize,
    /// What it was made from.
    pub seed: PictureSeed,
    /// The picture.
    pub picture: &'a Picture,
    /// What it was decoded from. `[1, h, w, C]`
    pub latents: &'a Tensor,
    /// Latents of the same model to pictures, of which nothing is kept that was there before.
    pub decode: &'a dyn Fn(&Tensor) -> Result<Vec<Picture>, GenerateError>,
}

/// Makes the pictures that `request` asks for, batch by batch, and gives each to `each`, which ends
/// it all by breaking off.
///
/// Parts of the model are asked for when their stage comes, and dropped after its last use; what is
/// done is told to `watch`: `"load"`, `"encode"`, `"denoise"`, `"decode"`, and `"write"` for what
/// `each` did. The same request gives the same pixels for any number of threads.
///
/// If `watch` has a [token](Watch::token), it ends the work at any place in it, and what the work
/// held is freed.
///
/// # Errors
/// If the model cannot do that, or `watch` or `each` stopped it, or the model makes no numbers.
pub fn generate(
    model: &dyn Model,
    request: &GenerateRequest,
    inputs: &Inputs,
    settings: Settings<'_>,
    watch: &mut dyn Watch,
    each: &mut dyn FnMut(Finished<'_>) -> ControlFlow<()>,
) -> Result<(), GenerateError> {
    let token = watch.token();
    let work = || all_batches(model, request, inputs, settings, watch, each);
    cancellable(token.as_ref(), work)?
}

fn all_batches(
    model: &dyn Model,
    request: &GenerateRequest,
    inputs: &Inputs,
    settings: Settings<'_>,
    watch: &mut dyn Watch,
    each: &mut dyn FnMut(Finished<'_>) -> ControlFlow<()>,
) -> Result<(), GenerateError> {
    let outline = &model.outline();
    let plan = request.plan(outline, inputs)?;
    let small = Small::new(request, inputs, outline);
    let canvas = match small {
        Some(_) => None,
        None => Canvas::new(request, inputs, &plan, outline.downsampling_factor),
    };
    let told = {
        let conditioner = model.conditioner()?;
        watch.stage("load");
        conditioner.told(request)
    };
    (settings.hear)(&told);
    // The next stage has other sizes.
    release_idle_memory();
    watch.stage("encode");
    let pure = plan.skipped == 0 && canvas.as_ref().is_none_or(|canvas| canvas.paint.is_some());
    let given = match &canvas {
        Some(canvas) => Some(Given::encode(model, outline, canvas, pure, settings.tiling, watch)?),
        None => None,
    };
    release_idle_memory();

    let job = Job { model, outline, request, plan, told, given, small, pure, settings };
    let mut network = if plan.steps > 0 { Some(model.network()?) } else { None };
    watch.stage("load");
    let mut decoder = None;
    let (width, height) = plan.size;
    let batches = batches(outline, width, height, &request.picture_seeds());
    let mut index = 0;
    for (i, seeds) in batches.iter().enumerate() {
        let latents = job.latents(network.as_ref(), &mut decoder, seeds, watch)?;
        if i + 1 == batches.len() {
            network = None;
        }
        release_idle_memory();
        watch.stage("denoise");
        if watch.cancelled() {
            return Err(GenerateError::Cancelled);
        }

        let vae = match decoder.take() {
            Some(vae) => vae,
            None => model.decoder()?,
        };
        watch.stage("load");
        let decode = |latents: &Tensor| decode_by(latents, |l| vae.decode(l, settings.tiling));
        let pictures = decode(&latents)?;
        watch.stage("decode");
        for (n, (picture, &seed)) in pictures.into_iter().zip(seeds).enumerate() {
            let picture = match (&canvas, &job.small) {
                (Some(canvas), _) => canvas.keep(picture),
                (None, Some(_)) => small::cropped(picture, plan.size),
                (None, None) => picture,
            };
            let latents = &latents.narrow_rows(n, 1);
            let finished = Finished { index, seed, picture: &picture, latents, decode: &decode };
            index += 1;
            if each(finished).is_break() {
                return Err(GenerateError::Cancelled);
            }
        }
        watch.stage("write");
        release_idle_memory();
        decoder = Some(vae);
    }
    Ok(())
}

/// One request to one model.
struct Job<'a> {
    model: &'a dyn Model,
    outline: &'a Outline,
    request: &'a GenerateRequest,
    plan: Plan,
    told: Told,
    given: Option<Given>,
    small: Option<Small>,
    pure: bool,
    settings: Settings<'a>,
}

impl<'a> Job<'a> {
    /// The latents of one batch, `[N, h, w, C]`. There is a network if there are steps.
    fn latents(
        &self,
        network: Option<&Network<'_>>,
        decoder: &mut Option<Autoencoder<'a>>,
        seeds: &[PictureSeed],
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
            told: &self.told,
            request,
            size: plan.base,
            steps: request.steps,
            skipped: plan.skipped,
            x0: x0.as_ref().filter(|_| !self.pure),
            beside: beside.as_ref(),
            noise_level: self.small.as_ref().and_then(Small::level),
            keep: x0.as_ref().zip(mask.as_ref()),
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
        let pass = Pass { size: plan.size, steps, skipped, x0: Some(x0), ..pass };
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

fn finite(x: &Tensor) -> Result<(), GenerateError> {
    if x.finite() { Ok(()) } else { Err(GenerateError::NotFinite) }
}
