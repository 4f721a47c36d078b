//! Which noise levels a run visits: timesteps of the schedule, or a curve of σ. And the list of
//! them, by the names that others have for them.

mod align_your_steps;
mod beta;
mod distilled;
mod exponential;
mod find;
mod karras;
mod kl_optimal;
mod list;
mod sgm_uniform;
mod simple;
mod timesteps;
mod uniform;

pub use self::align_your_steps::{STABLE_DIFFUSION, STABLE_DIFFUSION_XL, align_your_steps};
pub use self::beta::beta;
pub use self::distilled::distilled;
pub use self::exponential::exponential;
pub use self::find::{UnknownSpacing, find};
pub use self::karras::karras;
pub use self::kl_optimal::kl_optimal;
pub use self::list::SPACINGS;
pub use self::sgm_uniform::sgm_uniform;
pub use self::simple::simple;
pub use self::timesteps::{FinalSigma, TimestepSpacing, sigmas, timesteps};
pub use self::uniform::uniform;
use crate::Schedule;

/// What a spacing is told of a run.
#[derive(Clone, Copy, Debug)]
pub struct Stops<'a> {
    /// The schedule that the model was trained with.
    pub schedule: &'a Schedule,
    /// How many steps there are to be.
    pub steps: usize,
    /// Moves `leading` timesteps up.
    pub steps_offset: usize,
    /// Where runs over timesteps end. All other end without noise.
    pub final_sigma: FinalSigma,
}

/// A spacing and what there is to say about it.
pub struct SpacingInfo {
    /// Its name here.
    pub name: &'static str,
    /// Its name in Stable Diffusion web UI (A1111), the "schedule type".
    pub web_ui: Option<&'static str>,
    /// What chooses it in diffusers.
    pub diffusers: Option<&'static str>,
    /// Its names elsewhere.
    pub aliases: &'static [&'static str],
    /// Where it was published.
    pub paper: &'static str,
    /// What it is, for a help text.
    pub one_line: &'static str,
    sigmas: fn(Stops<'_>) -> Vec<f64>,
}

impl SpacingInfo {
    /// The noise levels of a run, falling, one more than there are steps. Some may repeat, where
    /// there are too few timesteps for so many steps.
    ///
    /// # Panics
    /// If there are no steps or more than timesteps.
    #[track_caller]
    pub fn sigmas(&self, stops: Stops<'_>) -> Vec<f64> {
        let (steps, t_max) = (stops.steps, stops.schedule.len());
        assert!((1..=t_max).contains(&steps), "{steps} steps over {t_max} timesteps");
        (self.sigmas)(stops)
    }

    /// All its names, ours first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let elsewhere = self.web_ui.into_iter().chain(self.diffusers);
        [self.name].into_iter().chain(elsewhere).chain(self.aliases.iter().copied())
    }
}

/// `steps` numbers from `from` to `to`, both among them, at even distances; one alone is `from`.
pub(crate) fn evenly(from: f64, to: f64, steps: usize) -> impl DoubleEndedIterator<Item = f64> {
    let step = (to - from) / (steps - 1).max(1) as f64;
    (0..steps).map(move |i| from + i as f64 * step)
}
