//! Even timesteps, fractions of them too: Crowson's k-diffusion.

use super::evenly;
use crate::Schedule;

/// σ at `steps` timesteps from T − 1 down to 0, and then 0: what the web UI calls "Uniform" and
/// does where nothing else is said, ComfyUI "normal".
pub fn uniform(schedule: &Schedule, steps: usize) -> Vec<f64> {
    let last = (schedule.len() - 1) as f64;
    evenly(last, 0.0, steps).map(|t| schedule.sigma_at(t)).chain([0.0]).collect()
}
