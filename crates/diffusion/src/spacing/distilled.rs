//! The timesteps that consistency models were distilled on: Luo et al. 2023 (arXiv:2310.04378).

use crate::Schedule;

/// Steps that the teacher took, which the distillation was told to leap over: the authors' and
/// diffusers' habit.
const TEACHER_STEPS: usize = 50;

/// σ at `steps` of the 50 timesteps T/50 − 1, 2 T/50 − 1, …, T − 1, from the last downwards at even
/// distances, rounded up, and then 0.
pub fn distilled(schedule: &Schedule, steps: usize) -> Vec<f64> {
    let teacher_steps = TEACHER_STEPS.min(schedule.len());
    let ratio = schedule.len() / teacher_steps;
    let timestep = |i: usize| (teacher_steps - i * teacher_steps / steps) * ratio - 1;
    (0..steps).map(|i| schedule.sigma(timestep(i))).chain([0.0]).collect()
}
