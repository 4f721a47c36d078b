//! What a request comes to with a model that enlarges pictures.

use super::{GenerateRequest, MAX_PIXELS, Plan, RequestError, SIZES};
use crate::{Inputs, Outline};

/// Timesteps of noise that are added to a picture by habit: diffusers'.
const NOISE_LEVEL: usize = 20;

/// What the sides of a small picture are made a multiple of, so that they can be halved thrice.
pub(crate) const SMALL_STEP: usize = 8;

impl GenerateRequest {
    /// The picture to begin with is the small one; its size says that of the result.
    pub(super) fn plan_enlarging(
        &self,
        model: &Outline,
        inputs: &Inputs,
    ) -> Result<Plan, RequestError> {
        let Some(small) = &inputs.init else { return Err(RequestError::EnlargesOnly) };
        for (what, given) in [
            ("a strength", self.strength.is_some()),
            ("a mask", self.mask.is_some()),
            ("extending", self.extend.is_some()),
            ("a second pass", self.hires.is_some()),
        ] {
            if given {
                return Err(RequestError::NotEnlarging(what));
            }
        }
        match (self.noise_level, &model.noise_levels) {
            (Some(_), None) => return Err(RequestError::NoNoiseLevels),
            (Some(level), Some(levels)) if level > levels.most => {
                return Err(RequestError::NoiseLevel(level, levels.most));
            }
            _ => {}
        }
        let factor = model.downsampling_factor;
        let (width, height) = (small.width, small.height);
        // A request that was read from a picture says what comes of it anyway.
        let other = |given: Option<usize>, small: usize| given.is_some_and(|n| n != factor * small);
        if other(self.width, width) || other(self.height, height) {
            return Err(RequestError::NotEnlarging("a width or a height"));
        }
        let side = |side: usize| side.checked_next_multiple_of(SMALL_STEP)?.checked_mul(factor);
        let base = side(width).zip(side(height)).filter(|&(width, height)| {
            width.max(height) <= *SIZES.end() && width * height <= MAX_PIXELS
        });
        let Some(base) = base else {
            return Err(RequestError::TooLargeToEnlarge { width, height, factor });
        };
        self.check_steps_and_words(model)?;
        let size = (factor * width, factor * height);
        Ok(Plan { base, size, skipped: 0, steps: self.steps, second: None })
    }

    /// The level of noise for a model that knows some.
    pub(crate) fn noise_level_for(&self, model: &Outline) -> Option<usize> {
        let levels = model.noise_levels.as_ref()?;
        Some(self.noise_level.unwrap_or(NOISE_LEVEL.min(levels.most)))
    }
}
