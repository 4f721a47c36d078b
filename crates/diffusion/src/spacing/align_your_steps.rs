//! Levels that were optimised for a family of models: Sabour et al. 2024 (arXiv:2404.14507).

use super::evenly;
use crate::Schedule;

/// The ten steps of the paper for Stable Diffusion 1.
pub const STABLE_DIFFUSION: [f64; 11] =
    [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029];

/// The ten steps of the paper for SDXL.
pub const STABLE_DIFFUSION_XL: [f64; 11] =
    [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029];

/// The published levels brought to `steps` steps, linear in ln σ between them as its authors
/// recommend, with 0 as the last. No level is above the schedule's own.
pub fn align_your_steps(published: &[f64; 11], schedule: &Schedule, steps: usize) -> Vec<f64> {
    let most = schedule.sigma(schedule.len() - 1);
    let end = (published.len() - 1) as f64;
    let level = |at: f64| {
        let below = (at as usize).min(published.len() - 2);
        let part = at - below as f64;
        let [from, to] = [published[below], published[below + 1]];
        let level = from.powf(1.0 - part) * to.powf(part);
        // The schedule's own last σ has more digits than the paper prints.
        if level > 0.999 * most { most } else { level }
    };
    evenly(0.0, end, steps + 1).take(steps).map(level).chain([0.0]).collect()
}
