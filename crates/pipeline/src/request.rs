//! What a user asks for: one type for the command line, the library and whoever comes later, and
//! one place that says whether it can be done.

use aquatint_diffusion::samplers::{self, UnknownSampler};
use aquatint_diffusion::spacing::{self, UnknownSpacing};
use aquatint_diffusion::{SamplerInfo, SpacingInfo};
use aquatint_tensor::RngKind;
use aquatint_tensor::rng::{SeedTooLarge, UnknownRng};
use serde::{Deserialize, Serialize};

use crate::ModelConfig;

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
/// The longest prompt, in bytes. A text encoder reads a small part of that.
pub const MAX_PROMPT: usize = 4096;

/// A wish for pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateRequest {
    /// What to show.
    pub prompt: String,
    /// What not to show.
    pub negative_prompt: String,
    /// The seed of the first picture; the next has the next. How many of its bits count is a
    /// matter of `rng`.
    pub seed: u64,
    /// Whose random numbers the seed stands for: a name of an [`RngKind`].
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
}

impl Default for GenerateRequest {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            seed: 0,
            rng: RngKind::default().name().into(),
            steps: 50,
            sampler: "ddim".into(),
            schedule: None,
            guidance_scale: 5.0,
            guidance_interval: [0.0, 1.0],
            deep_cache: 1,
            deep_cache_branch: 0,
            token_merging: 0.0,
            eta: None,
            width: None,
            height: None,
            count: 1,
        }
    }
}

/// Why a request cannot be fulfilled: one sentence each.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum RequestError {
    #[error(
        "{width}x{height} is not a possible size: width and height are multiples of {step} from {} to {}",
        SIZES.start(), SIZES.end()
    )]
    Size { width: usize, height: usize, step: usize },
    #[error("{width}x{height} is too large: a picture has at most {MAX_PIXELS} pixels (1536x1536)")]
    Area { width: usize, height: usize },
    #[error("{0} steps are not possible: it must be 1 to {1}")]
    Steps(usize, usize),
    #[error("{0} pictures are not possible: it must be 1 to {MAX_COUNT}")]
    Count(usize),
    #[error("a guidance scale of {0} is not possible: it must be from -100 to 100")]
    GuidanceScale(f64),
    #[error(
        "guidance from {0} to {1} of the steps is not possible: these are fractions, the first at \
         least 0, the second at most 1 and not below the first"
    )]
    GuidanceInterval(f64, f64),
    #[error("computing deep layers every {0} steps is not possible: it must be 1 to {MAX_STEPS}")]
    DeepCache(usize),
    #[error("there is no skip connection {0} to cache below: this model has those from 0 to {1}")]
    DeepCacheBranch(usize, usize),
    #[error("merging a part {0} of the tokens is not possible: it must be from 0 to 0.75")]
    TokenMerging(f64),
    #[error("an eta of {0} is not possible: it must be from 0 to 1")]
    Eta(f64),
    #[error("the sampler `{0}` knows no eta")]
    NoEta(&'static str),
    #[error("the prompt is {0} bytes long: at most {MAX_PROMPT} are read")]
    Prompt(usize),
    #[error(transparent)]
    Sampler(#[from] UnknownSampler),
    #[error(transparent)]
    Schedule(#[from] UnknownSpacing),
    #[error(transparent)]
    Rng(#[from] UnknownRng),
    #[error(transparent)]
    Seed(#[from] SeedTooLarge),
}

impl GenerateRequest {
    /// Says what is wrong, as far as it can be said without a model.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), RequestError> {
        let (sampler, _) = self.sampling()?;
        let rng = RngKind::find(&self.rng)?;
        // The side that is not given is the model's, which is no reason to wait with the other.
        let given = self.width.or(self.height).unwrap_or(*SIZES.start());
        check_size(self.width.unwrap_or(given), self.height.unwrap_or(given), SIZE_STEP)?;
        if !(1..=MAX_STEPS).contains(&self.steps) {
            return Err(RequestError::Steps(self.steps, MAX_STEPS));
        }
        if !(1..=MAX_COUNT).contains(&self.count) {
            return Err(RequestError::Count(self.count));
        }
        self.seeds().into_iter().try_for_each(|seed| rng.check_seed(seed))?;
        if !(-100.0..=100.0).contains(&self.guidance_scale) {
            return Err(RequestError::GuidanceScale(self.guidance_scale));
        }
        let [start, stop] = self.guidance_interval;
        if !(0.0 <= start && start <= stop && stop <= 1.0) {
            return Err(RequestError::GuidanceInterval(start, stop));
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
        match self.prompt.len().max(self.negative_prompt.len()) {
            length if length > MAX_PROMPT => Err(RequestError::Prompt(length)),
            _ => Ok(()),
        }
    }

    /// Says what is wrong with the request for this model, and what it leaves to the model: width
    /// and height in pixels.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn size_for(&self, model: &ModelConfig) -> Result<(usize, usize), RequestError> {
        self.validate()?;
        let (width, height) = model.default_size();
        let (width, height) = (self.width.unwrap_or(width), self.height.unwrap_or(height));
        check_size(width, height, model.vae.downsampling_factor())?;
        let timesteps = model.scheduler.num_train_timesteps;
        if self.steps > timesteps {
            return Err(RequestError::Steps(self.steps, timesteps));
        }
        let last = model.unet.skip_connections() - 1;
        if self.deep_cache_branch > last {
            return Err(RequestError::DeepCacheBranch(self.deep_cache_branch, last));
        }
        Ok((width, height))
    }

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

    /// The same with less work and less exact: not guided in the first fifth of the steps, and
    /// with deep layers of every third step.
    pub fn fast(self) -> Self {
        Self { guidance_interval: [0.2, 1.0], deep_cache: 3, ..self }
    }

    /// The seed of every picture.
    pub fn seeds(&self) -> Vec<u64> {
        (0..self.count as u64).map(|i| self.seed.wrapping_add(i)).collect()
    }
}

fn check_size(width: usize, height: usize, step: usize) -> Result<(), RequestError> {
    if [width, height].iter().any(|side| !SIZES.contains(side) || !side.is_multiple_of(step)) {
        return Err(RequestError::Size { width, height, step });
    }
    if width * height > MAX_PIXELS {
        return Err(RequestError::Area { width, height });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(change: impl FnOnce(&mut GenerateRequest)) -> String {
        let mut request = GenerateRequest::default();
        change(&mut request);
        request.validate().expect_err("this must be refused").to_string()
    }

    #[test]
    fn the_default_is_possible() {
        assert_eq!(GenerateRequest::default().validate(), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let sizes = "is not a possible size: width and height are multiples of 8 from 64 to 2048";
        let error = refused(|r| (r.width, r.height) = (Some(100), Some(100)));
        assert_eq!(error, format!("100x100 {sizes}"));
        let error = refused(|r| (r.width, r.height) = (Some(3), Some(70000)));
        assert_eq!(error, format!("3x70000 {sizes}"));
        assert!(refused(|r| r.height = Some(0)).contains(sizes));
        assert!(refused(|r| r.width = Some(usize::MAX)).contains(sizes));
        let error = refused(|r| (r.width, r.height) = (Some(2048), Some(2048)));
        assert!(error.starts_with("2048x2048 is too large"), "{error}");
        assert!(refused(|r| r.steps = 0).contains("1 to 1000"));
        assert!(refused(|r| r.steps = 1001).contains("1 to 1000"));
        assert!(refused(|r| r.count = 0).contains("1 to 256"));
        assert!(refused(|r| r.count = 257).contains("1 to 256"));
        assert!(refused(|r| r.guidance_scale = f64::NAN).contains("NaN"));
        assert!(refused(|r| r.guidance_scale = f64::INFINITY).contains("inf"));
        for interval in [[-0.1, 1.0], [0.0, 1.1], [0.6, 0.5], [f64::NAN, 1.0], [0.0, f64::NAN]] {
            let [start, stop] = interval;
            let error = refused(|r| r.guidance_interval = interval);
            assert!(error.starts_with(&format!("guidance from {start} to {stop} of")), "{error}");
        }
        assert!(refused(|r| r.deep_cache = 0).contains("every 0 steps is not possible"));
        assert!(refused(|r| r.deep_cache = 1001).contains("1 to 1000"));
        assert!(refused(|r| r.token_merging = 0.8).contains("0.8 of the tokens is not possible"));
        assert!(refused(|r| r.token_merging = f64::NAN).contains("from 0 to 0.75"));
        assert!(refused(|r| r.eta = Some(1.5)).contains("from 0 to 1"));
        let error = refused(|r| (r.sampler, r.eta) = ("heun".into(), Some(0.5)));
        assert_eq!(error, "the sampler `heun` knows no eta");
        assert!(refused(|r| r.prompt = "a".repeat(5000)).contains("5000 bytes"));
        let error = refused(|r| r.sampler = "dddim".into());
        assert!(error.contains("nearest is `ddim`"), "{error}");
        let error = refused(|r| r.schedule = Some("karas".into()));
        assert!(error.contains("nearest is `karras`"), "{error}");
        let error = refused(|r| r.rng = "nunpy".into());
        assert!(error.contains("nearest is `numpy`"), "{error}");
    }

    #[test]
    fn numpy_has_seeds_of_32_bits() {
        let last = u32::MAX as u64;
        let one = GenerateRequest { seed: last, rng: "numpy".into(), ..Default::default() };
        assert_eq!(one.validate(), Ok(()));
        let two = GenerateRequest { count: 2, ..one.clone() };
        assert_eq!(two.validate(), Err(SeedTooLarge { seed: last + 1 }.into()));
        let torch = GenerateRequest { rng: "torch-cuda".into(), ..two };
        assert_eq!(torch.validate(), Ok(()));
    }

    /// A request that was written before there was a choice is one for PyTorch's CPU generator.
    #[test]
    fn no_rng_is_the_default() {
        let read: GenerateRequest = serde_json::from_str(r#"{"seed": 5}"#).expect("a request");
        assert_eq!(
            read,
            GenerateRequest { seed: 5, rng: "torch-cpu".into(), ..Default::default() }
        );
    }

    #[test]
    fn seeds_follow_each_other() {
        let request = GenerateRequest { seed: u64::MAX, count: 3, ..Default::default() };
        assert_eq!(request.seeds(), [u64::MAX, 0, 1]);
    }
}
