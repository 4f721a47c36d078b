//! Whether a request can be fulfilled, as far as it can be said without a model's weights.

use super::{
    Extend, GenerateRequest, HiresSize, MAX_BLUR, MAX_COUNT, MAX_PARTS, MAX_PIXELS, MAX_PROMPT,
    MAX_STEPS, RequestError, SIZE_STEP, SIZES,
};
use crate::outline::{ListensTo, Outline};
use crate::{Inputs, prompt};

impl GenerateRequest {
    /// Says what is wrong, as far as it can be said without a model.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), RequestError> {
        let (sampler, _) = self.sampling()?;
        // The side that is not given is the model's, which is no reason to wait with the other.
        let given = self.width.or(self.height).unwrap_or(*SIZES.start());
        check_size(self.width.unwrap_or(given), self.height.unwrap_or(given), SIZE_STEP)?;
        if !(1..=MAX_STEPS).contains(&self.steps) {
            return Err(RequestError::Steps(self.steps, MAX_STEPS));
        }
        if !(1..=MAX_COUNT).contains(&self.count) {
            return Err(RequestError::Count(self.count));
        }
        if !(0.0..=1.0).contains(&self.subseed_strength) {
            return Err(RequestError::SubseedStrength(self.subseed_strength));
        }
        if self.subseed != 0 && self.subseed_strength == 0.0 {
            return Err(RequestError::NoSubseedStrength);
        }
        self.noise(&self.picture_seeds())?;
        if !(-100.0..=100.0).contains(&self.guidance_scale) {
            return Err(RequestError::GuidanceScale(self.guidance_scale));
        }
        let [start, stop] = self.guidance_interval;
        if !(0.0 <= start && start <= stop && stop <= 1.0) {
            return Err(RequestError::GuidanceInterval(start, stop));
        }
        self.guidance_curve()?;
        if !(0.0..=1.0).contains(&self.guidance_rescale) {
            return Err(RequestError::GuidanceRescale(self.guidance_rescale));
        }
        if let Some(percentile) = self.dynamic_thresholding {
            if !(0.0..=1.0).contains(&percentile) {
                return Err(RequestError::DynamicThresholding(percentile));
            }
            if !(-100.0..=100.0).contains(&self.mimic_scale) {
                return Err(RequestError::MimicScale(self.mimic_scale));
            }
            if self.guidance_rescale != 0.0 {
                return Err(RequestError::RescaleAndThresholding);
            }
        }
        self.validate_mix()?;
        let parts = prompt::count_parts(self);
        if parts > MAX_PARTS {
            return Err(RequestError::Parts(parts));
        }
        if self.clip_skip == Some(0) {
            return Err(RequestError::ClipSkip);
        }
        if !(1..=MAX_STEPS).contains(&self.deep_cache) {
            return Err(RequestError::DeepCache(self.deep_cache));
        }
        if !(0.0..=0.75).contains(&self.token_merging) {
            return Err(RequestError::TokenMerging(self.token_merging));
        }
        if let Some(eta) = self.eta {
            if !(0.0..=1.0).contains(&eta) {
                return Err(RequestError::Eta(eta));
            }
            if sampler.default_eta.is_none() {
                return Err(RequestError::NoEta(sampler.name));
            }
        }
        self.validate_task()?;
        let to = self.prompt_to.as_ref().map_or(0, String::len);
        match self.prompt.len().max(self.negative_prompt.len()).max(to) {
            length if length > MAX_PROMPT => Err(RequestError::Prompt(length)),
            _ => Ok(()),
        }
    }

    fn validate_mix(&self) -> Result<(), RequestError> {
        match (&self.prompt_to, self.prompt_mix) {
            (_, mix) if !(0.0..=1.0).contains(&mix) => Err(RequestError::PromptMix(mix)),
            (Some(_), 0.0) => Err(RequestError::NoPromptMix),
            (None, mix) if mix != 0.0 => Err(RequestError::NoPromptTo),
            (Some(to), _) if prompt::take_loras(to).1 != prompt::take_loras(&self.prompt).1 => {
                Err(RequestError::OtherLoras)
            }
            _ => Ok(()),
        }
    }

    fn validate_task(&self) -> Result<(), RequestError> {
        let between = |x: f64, most: f64| (0.0..=most).contains(&x);
        if let Some(strength) = self.strength.filter(|&strength| !between(strength, 1.0)) {
            return Err(RequestError::Strength(strength));
        }
        if let Some(blur) = self.mask_blur.filter(|&blur| !between(blur, MAX_BLUR)) {
            return Err(RequestError::MaskBlur(blur));
        }
        if let Some(extend) = self.extend {
            if extend == Extend::default() {
                return Err(RequestError::ExtendByNothing);
            }
            if self.width.is_some() || self.height.is_some() {
                return Err(RequestError::ExtendAndSize);
            }
            if self.mask.is_some() {
                return Err(RequestError::ExtendAndMask);
            }
        }
        let Some(hires) = &self.hires else { return Ok(()) };
        if !between(hires.strength, 1.0) {
            return Err(RequestError::Strength(hires.strength));
        }
        if let Some(steps) = hires.steps.filter(|steps| !(1..=MAX_STEPS).contains(steps)) {
            return Err(RequestError::Steps(steps, MAX_STEPS));
        }
        match hires.size {
            HiresSize::Scale(scale) if !(1.0..=8.0).contains(&scale) => {
                Err(RequestError::HiresScale(scale))
            }
            HiresSize::Pixels(width, height) => check_size(width, height, SIZE_STEP),
            HiresSize::Scale(_) => Ok(()),
        }
    }

    /// Says what is wrong with the request for this model if no picture goes with it, and what it
    /// leaves to the model: width and height in pixels.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn size_for(&self, model: &Outline) -> Result<(usize, usize), RequestError> {
        Ok(self.plan(model, &Inputs::NONE)?.size)
    }

    /// Says what is wrong with the request for this model at this size.
    pub(super) fn check_for(
        &self,
        (width, height): (usize, usize),
        model: &Outline,
    ) -> Result<(), RequestError> {
        // A model of small pictures, such as one that draws pixels, makes those at least.
        let own = (width, height) == model.default_size && width.min(height) > 0;
        if !own || width.max(height) > *SIZES.start() {
            check_size(width, height, model.downsampling_factor)?;
        }
        self.check_steps_and_words(model)
    }

    /// What has nothing to do with sizes.
    pub(super) fn check_steps_and_words(&self, model: &Outline) -> Result<(), RequestError> {
        let timesteps = model.scheduler.num_train_timesteps;
        if self.steps > timesteps {
            return Err(RequestError::Steps(self.steps, timesteps));
        }
        if let Some(skip) = self.clip_skip {
            let layers = model.skippable_layers.ok_or(RequestError::NoClipSkip)?;
            if skip > layers {
                return Err(RequestError::ClipSkipTooMuch(skip, layers));
            }
        }
        let words = !(self.prompt.is_empty() && self.negative_prompt.is_empty())
            || self.prompt_to.is_some();
        match (&model.listens_to, &self.class) {
            (ListensTo::Classes(classes), Some(class)) => drop(classes.find(class)?),
            (ListensTo::Classes(classes), None) => {
                return Err(RequestError::WhichClass(classes.count - 1));
            }
            (_, Some(_)) => return Err(RequestError::NoClasses),
            (_, None) => {}
        }
        match (&model.listens_to, model.skip_connections) {
            (ListensTo::Nothing | ListensTo::Classes(_), _) if words => Err(RequestError::NoWords),
            (_, 0) if self.deep_cache > 1 || self.token_merging > 0.0 => {
                Err(RequestError::NoShortcuts)
            }
            (_, connections) if self.deep_cache_branch > connections.saturating_sub(1) => {
                let last = connections.saturating_sub(1);
                Err(RequestError::DeepCacheBranch(self.deep_cache_branch, last))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn check_size(width: usize, height: usize, step: usize) -> Result<(), RequestError> {
    if [width, height].iter().any(|side| !SIZES.contains(side) || !side.is_multiple_of(step)) {
        return Err(RequestError::Size { width, height, step });
    }
    if width * height > MAX_PIXELS {
        return Err(RequestError::Area { width, height });
    }
    Ok(())
}
