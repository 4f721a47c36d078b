//! The whole way from a request to pictures, whoever holds the model's parts.

mod batches;
mod canvas;
mod enlarge;
mod fill;
mod given;
mod heard;
mod job;
mod pass;
mod small;
mod together;

use std::ops::ControlFlow;
use std::sync::Arc;

use aquatint_diffusion::{Run, Watch};
use aquatint_models::{Tiling, WordMaps};
use aquatint_tensor::{Cancelled, Tensor, cancellable, release_idle_memory};

pub use self::batches::batches;
pub(crate) use self::batches::decode_by;
use self::batches::finite;
use self::canvas::Canvas;
pub(crate) use self::enlarge::bilinear;
use self::given::Given;
use self::job::Job;
pub(crate) use self::pass::Pass;
use self::small::Small;
use self::together::{Wanted, told_alike};
use crate::model::Told;
use crate::request::PictureSeed;
use crate::{GenerateRequest, Inputs, Model, ModelError, Picture, RequestError};

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
    /// Is told where the first picture looks at which word of its prompt, in its first pass.
    pub words: Option<&'a Arc<WordMaps>>,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self { tiling: Tiling::Auto, look: &|_| {}, sampler: None, hear: &|_| {}, words: None }
    }
}

/// A picture, as soon as it is there.
pub struct Finished<'a> {
    /// Which of the requests it is for, from 0.
    pub request: usize,
    /// Which of that request's, from 0.
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
    let work = || all_batches(model, &[request], inputs, settings, watch, each);
    cancellable(token.as_ref(), work)?
}

/// As [`generate`], for several requests that [go together](GenerateRequest::goes_with) and begin
/// with nothing but noise. Their pictures are made in common batches as far as they are told alike
/// (texts of one length, that stay), and are to the bit what each request alone would have made.
///
/// # Errors
/// As [`generate`].
///
/// # Panics
/// If a request does not go with the first.
pub fn generate_together(
    model: &dyn Model,
    requests: &[&GenerateRequest],
    settings: Settings<'_>,
    watch: &mut dyn Watch,
    each: &mut dyn FnMut(Finished<'_>) -> ControlFlow<()>,
) -> Result<(), GenerateError> {
    for request in requests {
        assert!(request.goes_with(requests[0]), "requests that do not go together");
    }
    let token = watch.token();
    let inputs = &Inputs::default();
    let work = || all_batches(model, requests, inputs, settings, watch, each);
    cancellable(token.as_ref(), work)?
}

/// All pictures of requests that differ in nothing but words and seeds.
fn all_batches(
    model: &dyn Model,
    requests: &[&GenerateRequest],
    inputs: &Inputs,
    settings: Settings<'_>,
    watch: &mut dyn Watch,
    each: &mut dyn FnMut(Finished<'_>) -> ControlFlow<()>,
) -> Result<(), GenerateError> {
    let outline = &model.outline();
    let request = requests[0];
    let plan = request.plan(outline, inputs)?;
    let small = Small::new(request, inputs, outline);
    let canvas = match small {
        Some(_) => None,
        None => Canvas::new(request, inputs, &plan, outline.downsampling_factor),
    };
    let told: Vec<Told> = {
        let conditioner = model.conditioner()?;
        watch.stage("load");
        requests.iter().map(|request| conditioner.told(request)).collect()
    };
    told.iter().for_each(settings.hear);
    // The next stage has other sizes.
    release_idle_memory();
    watch.stage("encode");
    let pure = plan.skipped == 0 && canvas.as_ref().is_none_or(|canvas| canvas.paint.is_some());
    let given = match &canvas {
        Some(canvas) => Some(Given::encode(model, outline, canvas, pure, settings.tiling, watch)?),
        None => None,
    };
    release_idle_memory();

    let job = Job { model, outline, request, plan, given, small, pure, settings };
    let mut network = if plan.steps > 0 { Some(model.network()?) } else { None };
    watch.stage("load");
    let mut decoder = None;
    let (width, height) = plan.size;
    let batches = batches(outline, width, height, &Wanted::all(requests));
    let batches: Vec<_> = batches.iter().flat_map(|batch| told_alike(batch, &told)).collect();
    for (i, (told, batch)) in batches.iter().enumerate() {
        let words = settings.words.filter(|_| i == 0);
        let seeds: Vec<PictureSeed> = batch.iter().map(|wanted| wanted.seed).collect();
        let latents = job.latents(told, network.as_ref(), &mut decoder, &seeds, words, watch)?;
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
        for (n, (picture, &wanted)) in pictures.into_iter().zip(*batch).enumerate() {
            let picture = match (&canvas, &job.small) {
                (Some(canvas), _) => canvas.keep(picture),
                (None, Some(_)) => small::cropped(picture, plan.size),
                (None, None) => picture,
            };
            let latents = &latents.narrow_rows(n, 1);
            let Wanted { request, index, seed } = wanted;
            let picture = &picture;
            let finished = Finished { request, index, seed, picture, latents, decode: &decode };
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
