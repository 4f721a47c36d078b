//! What a user asks for: one type for the command line, the library and whoever comes later, and
//! one place that says whether it can be done.

mod enlarging;
mod error;
mod plan;
mod task;
#[cfg(test)]
mod tests;
mod travel;
mod validate;

use aquatint_diffusion::{
    DynamicThresholding, GuidanceCurve, Noise, NoiseRule, SamplerInfo, SpacingInfo, Variation,
};
use aquatint_diffusion::{samplers, spacing};
use serde::{Deserialize, Serialize};

pub(crate) use self::enlarging::SMALL_STEP;
pub use self::error::RequestError;
pub use self::plan::Plan;
pub(crate) use self::plan::extended;
pub use self::task::{Extend, Hires, HiresSize, HiresUpscaler};
pub use self::travel::{MAX_FRAMES, Travel};
use crate::{Fit, PromptWeights};

/// Smallest and largest width and height, in pixels.
pub const SIZES: std::ops::RangeInclusive<usize> = 64..=2048;
/// The most pixels that a picture may have: 1536×1536.
pub const MAX_PIXELS: usize = 1536 * 1536;
/// What width and height are multiples of, for a start; a model may want more.
pub const SIZE_STEP: usize = 8;
/// The most steps.
pub const MAX_STEPS: usize = 1000;
/// The most pictures.
pub const MAX_COUNT: usize = 256;
/// The softest edge of a mask, in pixels.
pub const MAX_BLUR: f64 = 256.0;
/// The longest prompt, in bytes. A text encoder reads a small part of that.
pub const MAX_PROMPT: usize = 4096;

/// The most prompts that `AND` may join: each is a picture more in every step.
pub const MAX_PARTS: usize = 16;

/// What the noise of one picture is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSeed {
    /// Of the noise that it begins with.
    pub seed: u64,
    /// Of the noise towards which that is turned.
    pub subseed: u64,
}

impl From<u64> for PictureSeed {
    fn from(seed: u64) -> Self {
        Self { seed, subseed: 0 }
    }
}

/// A wish for pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateRequest {
    /// What to show.
    pub prompt: String,
    /// What not to show.
    pub negative_prompt: String,
    /// Another prompt, towards which the first one goes; the negative prompt is that of both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_to: Option<String>,
    /// How far it goes, 0 to 1: what the text encoder says of each is joined by straight lines.
    #[serde(skip_serializing_if = "is_default")]
    pub prompt_mix: f64,
    /// Whose rules both are read by.
    pub prompt_weights: PromptWeights,
    /// Which layer of the text encoder is listened to, counted from the last one, which is 1;
    /// nothing means the model's habit.
    pub clip_skip: Option<usize>,
    /// The seed of the first picture; the next has the next. How many of its bits count is a
    /// matter of `rng`.
    pub seed: u64,
    /// Another seed, towards which the noise that pictures begin with is turned; the next picture
    /// has the next, and then all have the same `seed`. The web UI's "variation seed".
    pub subseed: u64,
    /// How far it is turned, 0 to 1; 0 is not at all.
    pub subseed_strength: f64,
    /// How much higher the seed is for the noise that samplers add on the way; 0 goes on with the
    /// first noise's. The web UI's ENSD, "eta noise seed delta".
    pub eta_noise_seed_delta: u64,
    /// Whose random numbers the seed stands for: a name of a [`NoiseRule`].
    pub rng: String,
    /// Sampling steps.
    pub steps: usize,
    /// A name or an alias from [`aquatint_diffusion::SAMPLERS`]. A schedule may follow, as in "DPM++
    /// 2M Karras"; one that is given as `schedule` wins.
    pub sampler: String,
    /// A name or an alias from [`aquatint_diffusion::SPACINGS`]; nothing means the model's own.
    pub schedule: Option<String>,
    /// How strongly to follow the prompt; 1 is without guidance.
    pub guidance_scale: f64,
    /// The steps that are guided, as fractions of all, which makes the others half the work: with
    /// n steps those from ⌊start·n⌋ to before ⌊stop·n⌋.
    pub guidance_interval: [f64; 2],
    /// The scale of each step, in place of the one for all: see [`GuidanceCurve`].
    pub guidance_curve: Option<String>,
    /// How far what guidance makes is brought back to the deviation of what the prompt alone
    /// makes, 0 to 1.
    pub guidance_rescale: f64,
    /// Which part of the denoised values dynamic thresholding keeps, 0 to 1; nothing means that
    /// there is none.
    pub dynamic_thresholding: Option<f64>,
    /// The guidance scale whose range of values dynamic thresholding keeps to.
    pub mimic_scale: f64,
    /// Every how many calls of the U-Net its deep layers are computed anew; 1 is always.
    pub deep_cache: usize,
    /// Down to which skip connection the U-Net is computed in the other calls; 0 is the cheapest.
    pub deep_cache_branch: usize,
    /// Which part of the pixels the U-Net merges into others during self-attention at its highest
    /// resolution, 0 to 0.75; 0 is none.
    pub token_merging: f64,
    /// How much noise is renewed on the way, 0 to 1; nothing means the sampler's habit.
    pub eta: Option<f64>,
    /// Pixels; nothing means the size that the model was trained on.
    pub width: Option<usize>,
    /// Pixels; nothing means the size that the model was trained on.
    pub height: Option<usize>,
    /// How many pictures.
    pub count: usize,
    /// The file of the picture to begin with, for whoever reads the request later; the picture
    /// itself is in the [`Inputs`](crate::Inputs).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// The file of the mask, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// How much of the picture to begin with is made anew, 0 to 1; nothing means 0.75, or all of
    /// what a mask says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// How softly the made part goes over into the kept one, in pixels: with a mask, the deviation
    /// of the blur, or nothing for a hard edge; where a picture grows, the width of the border that
    /// is made anew inside of it, or nothing for two latent pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_blur: Option<f64>,
    /// By how much the picture to begin with grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extend: Option<Extend>,
    /// What to do with a picture to begin with whose sides have another ratio.
    #[serde(skip_serializing_if = "is_default")]
    pub fit: Fit,
    /// A second pass over a larger picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hires: Option<Hires>,
    /// What to show, by name or by number, for a model of classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// How much noise is added to a picture before it is enlarged: a timestep; nothing means 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_level: Option<usize>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for GenerateRequest {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            prompt_to: None,
            prompt_mix: 0.0,
            prompt_weights: PromptWeights::default(),
            clip_skip: None,
            seed: 0,
            subseed: 0,
            subseed_strength: 0.0,
            eta_noise_seed_delta: 0,
            rng: NoiseRule::default().name().into(),
            steps: 50,
            sampler: "ddim".into(),
            schedule: None,
            guidance_scale: 5.0,
            guidance_interval: [0.0, 1.0],
            guidance_curve: None,
            guidance_rescale: 0.0,
            dynamic_thresholding: None,
            mimic_scale: 7.0,
            deep_cache: 1,
            deep_cache_branch: 0,
            token_merging: 0.0,
            eta: None,
            width: None,
            height: None,
            count: 1,
            init: None,
            mask: None,
            strength: None,
            mask_blur: None,
            extend: None,
            fit: Fit::default(),
            hires: None,
            class: None,
            noise_level: None,
        }
    }
}

impl GenerateRequest {
    /// The rule for the steps, and the noise levels if they are not left to it and the model.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn sampling(
        &self,
    ) -> Result<(&'static SamplerInfo, Option<&'static SpacingInfo>), RequestError> {
        let (sampler, followed_by) = samplers::find_with_spacing(&self.sampler)?;
        let spacing = self.schedule.as_deref().map(spacing::find).transpose()?;
        Ok((sampler, spacing.or(followed_by)))
    }

    /// How the guidance scale changes, if it does.
    ///
    /// # Errors
    /// If it cannot be understood.
    pub fn guidance_curve(&self) -> Result<Option<GuidanceCurve>, RequestError> {
        let curve = self.guidance_curve.as_deref().map(str::parse).transpose();
        curve.map_err(RequestError::GuidanceCurve)
    }

    /// How denoised values are kept in range, if they are.
    pub fn thresholding(&self) -> Option<DynamicThresholding> {
        let mimic_scale = self.mimic_scale;
        self.dynamic_thresholding.map(|percentile| DynamicThresholding { percentile, mimic_scale })
    }

    /// The same with less work and less exact: not guided in the first fifth of the steps, and
    /// with deep layers of every third step.
    pub fn fast(self) -> Self {
        Self { guidance_interval: [0.2, 1.0], deep_cache: 3, ..self }
    }

    /// Whether both can be drawn in one batch: they begin with noise, and differ in nothing but words,
    /// seeds and how many pictures they want.
    pub fn goes_with(&self, other: &Self) -> bool {
        let alike = |request: &Self| Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            seed: 0,
            subseed: 0,
            count: 1,
            ..request.clone()
        };
        let begins_with_noise = self.init.is_none() && self.mask.is_none();
        begins_with_noise && self.prompt_to.is_none() && alike(self) == alike(other)
    }

    /// The seed of every picture.
    pub fn seeds(&self) -> Vec<u64> {
        self.picture_seeds().into_iter().map(|seed| seed.seed).collect()
    }

    /// The seeds of every picture.
    pub fn picture_seeds(&self) -> Vec<PictureSeed> {
        let next = |first: u64, i: u64| first.wrapping_add(i);
        let seeds = |i| match self.subseed_strength {
            0.0 => PictureSeed { seed: next(self.seed, i), subseed: self.subseed },
            _ => PictureSeed { seed: self.seed, subseed: next(self.subseed, i) },
        };
        (0..self.count as u64).map(seeds).collect()
    }

    /// The noise of pictures with these seeds.
    ///
    /// # Errors
    /// If there is no such noise, or not with these seeds.
    pub fn noise(&self, seeds: &[PictureSeed]) -> Result<Noise, RequestError> {
        let first: Vec<u64> = seeds.iter().map(|seed| seed.seed).collect();
        let subseeds = seeds.iter().map(|seed| seed.subseed).collect();
        let variation = Variation { subseeds, strength: self.subseed_strength };
        let noise = Noise::new(NoiseRule::find(&self.rng)?, &first)?;
        Ok(noise.with_seed_delta(self.eta_noise_seed_delta)?.with_variation(variation)?)
    }
}
