//! One way from noise to latents.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;

use aquatint_diffusion::{
    Blend, Condition, Denoiser, Guidance, GuidanceInterval, ModelDenoiser, Noise, Run, Step, Watch,
};
use aquatint_models::Context;
use aquatint_models::unet::{Shortcuts, UNetConditions};
use aquatint_tensor::Tensor;

use super::GenerateError;
use crate::model::{Network, Told};
use crate::prompt::{self, Encoded, PromptEmbeds};
use crate::step_cache::StepCache;
use crate::{GenerateRequest, Outline};

/// All that says which pictures become of some noise.
pub(crate) struct Pass<'a> {
    pub outline: &'a Outline,
    pub network: &'a Network<'a>,
    pub told: &'a Told,
    pub request: &'a GenerateRequest,
    /// Width and height of the pictures, in pixels.
    pub size: (usize, usize),
    pub steps: usize,
    /// How many of the steps are left out at the beginning, where there is a picture already.
    pub skipped: usize,
    /// What the noise is added to; without it there is nothing but noise. `[N, h, w, C]`
    pub x0: Option<&'a Tensor>,
    /// What the network sees beside the noisy latents. `[N, h, w, K]`
    pub beside: Option<&'a Tensor>,
    /// What is to stay, and a mask that is 1 where it need not. `[N, h, w, C]`
    pub keep: Option<(&'a Tensor, &'a Tensor)>,
}

impl Pass<'_> {
    /// Noise ε `[N, h, w, C]` to latents. `noise` is where more of it comes from, and `look` is
    /// shown the latents each time before the network is.
    pub(crate) fn run(
        &self,
        eps: &Tensor,
        noise: &mut Noise,
        watch: &mut dyn Watch,
        look: &dyn Fn(&Tensor),
    ) -> Result<Tensor, GenerateError> {
        let Self { outline, request, .. } = self;
        let known = "validated when the model was loaded";
        let schedule = outline.scheduler.schedule().expect(known);
        let (sampler, spacing) = request.sampling()?;
        let scheduler = &outline.scheduler;
        let sigmas = scheduler.sigmas_for(sampler, spacing, &schedule, self.steps).expect(known);
        let sigmas = &sigmas[self.skipped..];
        let prediction_type = scheduler.prediction_type().expect(known);

        let n = eps.dim(0);
        let cache = RefCell::new(StepCache::new(request.deep_cache, request.deep_cache_branch));
        let words =
            Words { told: self.told, rows: n, size: self.size, contexts: RefCell::default() };
        let conditioned = |xt: &Tensor, timesteps: &[f32], asked: &[Condition]| {
            look(&xt.narrow_rows(0, n));
            let (context, conditions) = words.about(asked);
            let seen = self.beside.map(|beside| beside_each(xt, beside));
            cache.borrow_mut().pass(asked, |deep| {
                let shortcuts = Shortcuts { deep, token_merging: request.token_merging };
                let (xt, context) = (seen.as_ref().unwrap_or(xt), context.as_deref());
                self.network.predict(xt, timesteps, context, &conditions, shortcuts)
            })
        };
        let interval = GuidanceInterval::of_steps(request.guidance_interval, sigmas, &schedule);
        let guidance_scale = match self.told {
            Told::Words(_) => request.guidance_scale,
            Told::Nothing => 1.0,
        };
        let guidance = Guidance { conditioned: &conditioned, guidance_scale, interval };
        let denoiser = ModelDenoiser { network: &guidance, schedule: &schedule, prediction_type };
        let blend =
            self.keep.map(|(known, mask)| Blend { denoiser: &denoiser, known, noise: eps, mask });
        let denoiser: &dyn Denoiser = match &blend {
            Some(blend) => blend,
            None => &denoiser,
        };

        let mut watch = Remembering { watch, finished: false };
        let run = Run { denoiser, sigmas, eta: request.eta, noise, watch: &mut watch };
        let scale = |sigma: f64| (sigma * sigma + 1.0).sqrt();
        let (first, last) = (sigmas[0], sigmas[sigmas.len() - 1]);
        // Networks see √ᾱ x: from nothing but noise, it is this that is of the noise.
        let x = match self.x0 {
            Some(x0) => x0.add(&eps.scale(first as f32)),
            None => eps.scale(scale(first) as f32),
        };
        let mut latents = sampler.sample_from(x, run).scale((1.0 / scale(last)) as f32);
        if let Some(blend) = &blend {
            // A run may end with a little noise, which what is kept has none of.
            latents = blend.blend(&latents, blend.known);
        }
        if watch.finished { Ok(latents) } else { Err(GenerateError::Cancelled) }
    }
}

/// xt `[K·N, h, w, C]` and what is seen beside each of the N, for each of K conditions.
fn beside_each(xt: &Tensor, beside: &Tensor) -> Tensor {
    let times = xt.dim(0) / beside.dim(0);
    let shape = [&[xt.dim(0)], &beside.shape()[1..]].concat();
    Tensor::cat([xt, &Tensor::new(beside.to_vec().repeat(times), &shape)])
}

/// What the network hears about `rows` pictures under each condition.
struct Words<'a> {
    told: &'a Told,
    rows: usize,
    size: (usize, usize),
    /// Most often every step asks the same.
    contexts: RefCell<Vec<(Vec<Condition>, Rc<Context>)>>,
}

impl Words<'_> {
    fn about(&self, asked: &[Condition]) -> (Option<Rc<Context>>, UNetConditions) {
        let Told::Words(embeds) = self.told else { return (None, UNetConditions::default()) };
        let texts: Vec<&Encoded> = asked.iter().map(|condition| text(embeds, condition)).collect();
        let (width, height) = self.size;
        let conditions = prompt::conditions(&texts, self.rows, [height, width]);
        let mut contexts = self.contexts.borrow_mut();
        let known = contexts.iter().find(|(a, _)| a == asked).map(|(_, c)| c.clone());
        let context = known.unwrap_or_else(|| {
            let made = Rc::new(self.context(&texts));
            contexts.push((asked.to_vec(), made.clone()));
            made
        });
        (Some(context), conditions)
    }

    fn context(&self, texts: &[&Encoded]) -> Context {
        let words = texts.iter().flat_map(|text| text.context.to_vec().repeat(self.rows));
        let [_, tokens, channels] = *texts[0].context.shape() else { unreachable!("[1, T, D]") };
        Context::new(Tensor::new(words.collect(), &[texts.len() * self.rows, tokens, channels]))
    }
}

fn text<'a>(embeds: &'a PromptEmbeds, condition: &Condition) -> &'a Encoded {
    match condition {
        Condition::Prompt => &embeds.prompt,
        Condition::NegativePrompt => &embeds.negative,
    }
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
