//! Even timesteps without the first: Stability AI's generative-models.

use super::evenly;
use crate::Schedule;

/// σ at `steps` timesteps from T − 1 down to one step above 0, and then 0: the last step goes as
/// far as all others, as in `trailing`. For distilled models such as SDXL Turbo and Lightning.
pub fn sgm_uniform(schedule: &Schedule, steps: usize) -> Vec<f64> {
    let last = (schedule.len() - 1) as f64;
    let timesteps = evenly(last, 0.0, steps + 1).take(steps);
    timesteps.map(|t| schedule.sigma_at(t)).chain([0.0]).collect()
}
