//! What a request comes to with a model and pictures: sizes and steps, or why it cannot be done.

use super::validate::check_size;
use super::{Extend, GenerateRequest, HiresSize, RequestError, SIZE_STEP, SIZES};
use crate::outline::Beside;
use crate::{Inputs, Outline};

/// Sizes in pixels and numbers of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Width and height of the first or only pass.
    pub base: (usize, usize),
    /// Width and height of the finished picture.
    pub size: (usize, usize),
    /// Steps of the first pass that are left out, because the picture to begin with is as good.
    pub skipped: usize,
    /// Steps that are taken for one batch of pictures, in all passes.
    pub steps: usize,
    /// Steps of the second pass and how many of these are left out, if there is one.
    pub second: Option<(usize, usize)>,
}

impl GenerateRequest {
    /// Looks at everything that can be wrong before any part of a model is loaded.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn plan(&self, model: &Outline, inputs: &Inputs) -> Result<Plan, RequestError> {
        self.validate_with(inputs)?;
        if model.beside == Beside::SmallPicture {
            return self.plan_enlarging(model, inputs);
        }
        if self.noise_level.is_some() {
            return Err(RequestError::NoNoiseLevels);
        }
        if model.paints_in() && (inputs.mask.is_none() && self.extend.is_none()) {
            return Err(RequestError::PaintsInOnly);
        }
        let base = match (&inputs.init, self.extend) {
            (Some(init), Some(extend)) => {
                let size = extended((init.width, init.height), extend);
                check_extended(size, extend, model.downsampling_factor)?;
                size
            }
            (Some(init), None) => {
                let own = (init.width, init.height);
                let (size, step) = (self.fitted(own, model), model.downsampling_factor);
                let own_size = self.width.is_none() || self.height.is_none();
                if own_size && check_size(size.0, size.1, step).is_err() {
                    let (width, height) = own;
                    return Err(RequestError::InitSize {
                        width,
                        height,
                        step: step.max(SIZE_STEP),
                    });
                }
                size
            }
            (None, _) => {
                let (width, height) = model.default_size;
                (self.width.unwrap_or(width), self.height.unwrap_or(height))
            }
        };
        self.check_for(base, model)?;
        let strength = if inputs.init.is_some() { self.strength_with(inputs) } else { 1.0 };
        let skipped = skipped(self.steps, strength)?;
        let taken = self.steps - skipped;
        let mut plan = Plan { base, size: base, skipped, steps: taken, second: None };
        if let Some(hires) = &self.hires {
            plan.size = self.enlarged(hires.size, base, model.downsampling_factor)?;
            let steps = hires.steps.unwrap_or(self.steps);
            let timesteps = model.scheduler.num_train_timesteps;
            if steps > timesteps {
                return Err(RequestError::Steps(steps, timesteps));
            }
            let skipped = self::skipped(steps, hires.strength)?;
            plan.second = Some((steps, skipped));
            plan.steps += steps - skipped;
        }
        Ok(plan)
    }

    /// How much of the picture to begin with is made anew, where it is not said.
    pub fn strength_with(&self, inputs: &Inputs) -> f64 {
        let painted = inputs.mask.is_some() || self.extend.is_some();
        self.strength.unwrap_or(if painted { 1.0 } else { 0.75 })
    }

    /// As [`GenerateRequest::validate`], with the pictures.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate_with(&self, inputs: &Inputs) -> Result<(), RequestError> {
        self.validate()?;
        let Some(init) = &inputs.init else {
            return match self {
                _ if inputs.mask.is_some() => Err(RequestError::WithoutInit("a mask")),
                Self { extend: Some(_), .. } => Err(RequestError::WithoutInit("extending")),
                Self { strength: Some(_), .. } => Err(RequestError::WithoutInit("a strength")),
                Self { mask_blur: Some(_), .. } => Err(RequestError::WithoutMask),
                _ => Ok(()),
            };
        };
        if self.hires.is_some() {
            return Err(RequestError::HiresWithInit);
        }
        if self.extend.is_some() && inputs.mask.is_some() {
            return Err(RequestError::ExtendAndMask);
        }
        if self.mask_blur.is_some() && inputs.mask.is_none() && self.extend.is_none() {
            return Err(RequestError::WithoutMask);
        }
        if let Some(mask) = &inputs.mask {
            let (mask, init) = ((mask.width, mask.height), (init.width, init.height));
            if mask != init {
                return Err(RequestError::MaskSize { mask, init });
            }
        }
        Ok(())
    }

    /// The size to which a picture is fitted: that of the request, or its own as far as the model
    /// can do it.
    fn fitted(&self, (width, height): (usize, usize), model: &Outline) -> (usize, usize) {
        let step = model.downsampling_factor.max(SIZE_STEP);
        let nearest = |side: f64| ((side / step as f64).round() as usize * step).max(step);
        let ratio = width as f64 / height as f64;
        match (self.width, self.height) {
            (Some(width), Some(height)) => (width, height),
            (Some(width), None) => (width, nearest(width as f64 / ratio)),
            (None, Some(height)) => (nearest(height as f64 * ratio), height),
            (None, None) => (nearest(width as f64), nearest(height as f64)),
        }
    }

    fn enlarged(
        &self,
        size: HiresSize,
        (width, height): (usize, usize),
        factor: usize,
    ) -> Result<(usize, usize), RequestError> {
        let step = factor.max(SIZE_STEP);
        let size = match size {
            HiresSize::Pixels(width, height) => (width, height),
            HiresSize::Scale(scale) => {
                let side =
                    |side: usize| (side as f64 * scale / step as f64).round() as usize * step;
                (side(width), side(height))
            }
        };
        check_size(size.0, size.1, factor)?;
        if size.0 < width || size.1 < height {
            return Err(RequestError::HiresSmaller { base: (width, height), size });
        }
        Ok(size)
    }
}

/// The size of a picture that has grown.
pub(crate) fn extended((width, height): (usize, usize), extend: Extend) -> (usize, usize) {
    let sum = |a: usize, b: usize, c: usize| a.saturating_add(b).saturating_add(c);
    (sum(width, extend.left, extend.right), sum(height, extend.top, extend.bottom))
}

/// What is kept is kept as it is, so it is for the new part to make the sides what they must be.
fn check_extended(
    (width, height): (usize, usize),
    extend: Extend,
    step: usize,
) -> Result<(), RequestError> {
    let sides = [(width, "left or right"), (height, "top or bottom")];
    for (side, which) in sides {
        if SIZES.contains(&side) && !side.is_multiple_of(step) {
            let more = side.next_multiple_of(step) - side;
            return Err(RequestError::Extended { width, height, step, more, which, extend });
        }
    }
    Ok(())
}

/// How many of the first steps a picture spares that is to be changed this much: diffusers' rule.
fn skipped(steps: usize, strength: f64) -> Result<usize, RequestError> {
    let taken = (steps as f64 * strength) as usize;
    if taken == 0 && strength > 0.0 {
        return Err(RequestError::NoSteps { steps, strength });
    }
    Ok(steps - taken.min(steps))
}
