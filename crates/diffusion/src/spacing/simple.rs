//! Whole timesteps from the top: ComfyUI's "simple".

use crate::Schedule;

/// σ at the timesteps T − 1 − ⌊i T / n⌋ for steps i < n, and then 0: `trailing`, rounded up.
pub fn simple(schedule: &Schedule, steps: usize) -> Vec<f64> {
    let t_max = schedule.len();
    (0..steps).map(|i| schedule.sigma(t_max - 1 - i * t_max / steps)).chain([0.0]).collect()
}
