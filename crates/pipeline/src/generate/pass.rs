//! One way from noise to latents.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;

use aquatint_diffusion::{
    Blend, Condition, Denoiser, Guidance, GuidanceInterval, ModelDenoiser, MoreGuidance, Noise,
    NoiseRule, Run, Start, Step, Thresholded, Watch,
};
use aquatint_models::WordMaps;
use aquatint_models::unet::Shortcuts;
use aquatint_tensor::Tensor;

use super::heard::{Heard, Hearing};
use super::{CustomSampler, GenerateError};
use crate::model::{Network, Told};
use crate::step_cache::StepCache;
use crate::{GenerateRequest, Outline, RequestError};

/// diffusers' names of spacings that say which timesteps are visited, whatever is done to them then.
const TIMESTEP_SPACINGS: [&str; 3] = ["leading", "trailing", "linspace"];

/// All that says which pictures become of some noise.
pub(crate) struct Pass<'a> {
    pub outline: &'a Outline,
    pub network: &'a Network<'a>,
    pub told: &'a Told,
    pub request: &'a GenerateRequest,
    /// In place of the request's.
    pub sampler: Option<CustomSampler<'a>>,
    /// Width and height of the pictures, in pixels.
    pub size: (usize, usize),
    pub steps: usize,
    /// How many of the steps are left out at the beginning, where there is a picture already.
    pub skipped: usize,
    /// What the noise is added to; without it there is nothing but noise. `[N, h, w, C]`
    pub x0: Option<&'a Tensor>,
    /// What the network sees beside the noisy latents. `[N, h, w, K]`
    pub beside: Option<&'a Tensor>,
    /// How much noise there is in what is seen beside, for a network that wants to hear it.
    pub noise_level: Option<usize>,
    /// What is to stay, and a mask that is 1 where it need not. `[N, h, w, C]`
    pub keep: Option<(&'a Tensor, &'a Tensor)>,
    /// Hears where the first picture looks at which word.
    pub words: Option<&'a Arc<WordMaps>>,
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
        let heard = Heard::new(self, n, sigmas, &schedule);
        let conditioned = |xt: &Tensor, timesteps: &[f32], asked: &[Condition]| {
            look(&xt.narrow_rows(0, n));
            let seen = self.beside.map(|beside| beside_each(xt, beside));
            let xt = seen.as_ref().unwrap_or(xt);
            let Hearing { named, context, conditions } = heard.at(asked, timesteps[0]);
            cache.borrow_mut().pass(&named, |deep| {
                let shortcuts =
                    Shortcuts { deep, token_merging: request.token_merging, recompute: false };
                self.network.predict(xt, timesteps, context.as_deref(), &conditions, shortcuts)
            })
        };
        let interval = GuidanceInterval::of_steps(request.guidance_interval, sigmas, &schedule);
        let curve = request.guidance_curve()?.map(|curve| curve.scales(sigmas.len() - 1));
        let guidance_scale = if outline.guided() { request.guidance_scale } else { 1.0 };
        let more = MoreGuidance {
            weights: heard.weights(),
            scales: curve.as_deref().filter(|_| outline.guided()).map(|c| (heard.timesteps(), c)),
            rescale: request.guidance_rescale,
        };
        let guidance = Guidance { conditioned: &conditioned, guidance_scale, interval, more };
        let plain = ModelDenoiser { network: &guidance, schedule: &schedule, prediction_type };
        let thresholded = request.thresholding().map(|thresholding| Thresholded {
            guidance: &guidance,
            schedule: &schedule,
            prediction_type,
            thresholding,
        });
        let denoiser: &dyn Denoiser = match &thresholded {
            Some(thresholded) => thresholded,
            None => &plain,
        };
        let blend = self.keep.map(|(known, mask)| Blend { denoiser, known, noise: eps, mask });
        let denoiser: &dyn Denoiser = match &blend {
            Some(blend) => blend,
            None => denoiser,
        };

        let sample = |x, run: Run<'_>| match self.sampler {
            Some(custom) => custom(x, run),
            None => sampler.sample_from(x, run),
        };
        let mut watch = Remembering { watch, finished: false };
        let run = Run { denoiser, sigmas, eta: request.eta, noise, watch: &mut watch };
        let scale = |sigma: f64| (sigma * sigma + 1.0).sqrt();
        let (first, last) = (sigmas[0], sigmas[sigmas.len() - 1]);
        let x = match self.x0 {
            Some(x0) => x0.add(&eps.scale(first as f32)),
            None => {
                let timestep_spacing = spacing
                    .and_then(|spacing| spacing.diffusers)
                    .filter(|name| TIMESTEP_SPACINGS.contains(name))
                    .unwrap_or(&scheduler.timestep_spacing);
                let sigma_max = schedule.sigma(schedule.len() - 1);
                let start = Start { sigma: first, sigma_max, timestep_spacing };
                let rule = NoiseRule::find(&request.rng).map_err(RequestError::from)?;
                eps.scale(rule.first_scale(sampler, start) as f32)
            }
        };
        let mut latents = sample(x, run).scale((1.0 / scale(last)) as f32);
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
