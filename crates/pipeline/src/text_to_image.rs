//! A prompt in, pictures out: the three stages, and all of them in one.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;

use aquatint_diffusion::{
    Condition, Guidance, GuidanceInterval, ModelDenoiser, Noise, Run, Step, Watch,
};
use aquatint_models::unet::Shortcuts;
use aquatint_models::{AutoencoderKL, Context, Tiling, UNet2DConditionModel};
use aquatint_tensor::{RngKind, Tensor, release_idle_memory};

use crate::prompt::{self, Encoded, PromptEmbeds, encode_prompt};
use crate::step_cache::StepCache;
use crate::{Components, GenerateRequest, ModelConfig, Picture, RequestError};

/// Why there are no pictures.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The request is not possible with this model.
    #[error(transparent)]
    Request(#[from] RequestError),
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

/// The pictures that `request` asks for.
///
/// The same request gives the same pixels for any number of threads.
///
/// # Errors
/// If the model cannot do that, or `watch` stopped it, or the model makes no numbers.
pub fn text_to_image(
    components: &Components,
    request: &GenerateRequest,
    watch: &mut dyn Watch,
) -> Result<Vec<Picture>, GenerateError> {
    let (width, height) = request.size_for(&components.config)?;
    let embeds = encode_prompt(components, request);
    let mut pictures = Vec::with_capacity(request.count);
    let Components { unet, vae, config, .. } = components;
    for seeds in batches(config, width, height, &request.seeds()) {
        let latents = denoise(unet, config, request, &embeds, &seeds, watch, &|_| {})?;
        // The next stage has other sizes.
        release_idle_memory();
        pictures.extend(decode(vae, &latents, Tiling::Auto)?);
        release_idle_memory();
    }
    Ok(pictures)
}

/// The seeds in groups of pictures that are made together: as many as the machine is busy with and
/// the memory bears, which depends on nothing but their size.
pub fn batches(config: &ModelConfig, width: usize, height: usize, seeds: &[u64]) -> Vec<Vec<u64>> {
    /// Latent pixels of one batch: one picture of 512×512, or 16 of 128×128.
    const PIXELS: usize = 64 * 64;
    let factor = config.vae.downsampling_factor();
    let each = (width / factor * (height / factor)).max(1);
    seeds.chunks((PIXELS / each).max(1)).map(<[u64]>::to_vec).collect()
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
    seeds: &[u64],
    watch: &mut dyn Watch,
    look: &dyn Fn(&Tensor),
) -> Result<Tensor, GenerateError> {
    let (width, height) = request.size_for(config)?;
    let known = "validated when the model was loaded";
    let schedule = config.scheduler.schedule().expect(known);
    let (sampler, spacing) = request.sampling()?;
    let scheduler = &config.scheduler;
    let sigmas = scheduler.sigmas_for(sampler, spacing, &schedule, request.steps).expect(known);
    let prediction_type = config.scheduler.prediction_type().expect(known);

    let text = |condition: &Condition| match condition {
        Condition::Prompt => &embeds.prompt,
        Condition::NegativePrompt => &embeds.negative,
    };
    let cache = RefCell::new(StepCache::new(request.deep_cache, request.deep_cache_branch));
    let context = |texts: &[&Encoded]| {
        let words = texts.iter().flat_map(|text| text.context.to_vec().repeat(seeds.len()));
        let [_, tokens, channels] = *embeds.prompt.context.shape() else {
            unreachable!("[1, T, D]")
        };
        Context::new(Tensor::new(words.collect(), &[texts.len() * seeds.len(), tokens, channels]))
    };
    // Most often every step asks the same.
    let contexts: RefCell<Vec<(Vec<Condition>, Rc<Context>)>> = RefCell::default();
    let conditioned = |xt: &Tensor, timesteps: &[f32], asked: &[Condition]| {
        look(&xt.narrow_rows(0, seeds.len()));
        let texts: Vec<&Encoded> = asked.iter().map(text).collect();
        let conditions = prompt::conditions(&texts, seeds.len(), [height, width]);
        let known = contexts.borrow().iter().find(|(a, _)| a == asked).map(|(_, c)| c.clone());
        let context = known.unwrap_or_else(|| {
            let made = Rc::new(context(&texts));
            contexts.borrow_mut().push((asked.to_vec(), made.clone()));
            made
        });
        cache.borrow_mut().pass(asked, |deep| {
            let shortcuts = Shortcuts { deep, token_merging: request.token_merging };
            unet.forward_shortened(xt, timesteps, &context, &conditions, shortcuts, &mut |_, _| {})
        })
    };
    let interval = GuidanceInterval::of_steps(request.guidance_interval, &sigmas, &schedule);
    let guidance_scale = request.guidance_scale;
    let guidance = Guidance { conditioned: &conditioned, guidance_scale, interval };
    let denoiser = ModelDenoiser { network: &guidance, schedule: &schedule, prediction_type };

    let factor = config.vae.downsampling_factor();
    let shape = [seeds.len(), height / factor, width / factor, config.unet.in_channels];
    let rng = RngKind::find(&request.rng).map_err(RequestError::from)?;
    let mut noise = Noise::new(rng, seeds).map_err(RequestError::from)?;
    let mut watch = Remembering { watch, finished: false };
    let run = Run {
        denoiser: &denoiser,
        sigmas: &sigmas,
        eta: request.eta,
        noise: &mut noise,
        watch: &mut watch,
    };
    let latents = sampler.sample(&shape, run);
    if watch.finished { Ok(latents) } else { Err(GenerateError::Cancelled) }
}

/// The third stage: latents `[N, h, w, C]` to pictures.
///
/// # Errors
/// If the latents, or what the autoencoder makes of them, are not finite.
pub fn decode(
    vae: &AutoencoderKL,
    latents: &Tensor,
    tiling: Tiling,
) -> Result<Vec<Picture>, GenerateError> {
    let finite = |x: Tensor| if x.finite() { Ok(x) } else { Err(GenerateError::NotFinite) };
    let mut pictures = Vec::with_capacity(latents.dim(0));
    // One by one, because this is where most of the memory goes.
    for n in 0..latents.dim(0) {
        let latents = finite(vae.config().unscaled(&latents.narrow_rows(n, 1)))?;
        let image = finite(vae.decode_tiled(&latents, tiling))?;
        pictures.extend(Picture::from_images(&image));
    }
    Ok(pictures)
}

/// A watch that remembers whether the last step was taken, so that half a picture is not mistaken
/// for a whole one.
struct Remembering<'a> {
    watch: &'a mut dyn Watch,
    finished: bool,
}

impl Watch for Remembering<'_> {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        self.finished = step.index + 1 == step.total;
        self.watch.step(step)
    }

    fn cancelled(&self) -> bool {
        self.watch.cancelled()
    }
}
