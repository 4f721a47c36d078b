//! The loss of training, for every kind of prediction.

use aquatint_tensor::Tensor;

use crate::{PredictionType, Schedule, ddpm};

/// The mean of ‖F(xt, t) − target‖² over all pictures and values, for data x0 `[N, ..]` with this
/// noise at the steps `t`. For epsilon it is line 5 of Algorithm 1, with t and ε drawn by the
/// caller.
///
/// `network` is called once, with xt `[N, ..]` and the timesteps as numbers.
#[track_caller]
pub fn denoising_loss(
    network: impl FnOnce(&Tensor, &[f32]) -> Tensor,
    prediction_type: PredictionType,
    schedule: &Schedule,
    x0: &Tensor,
    t: &[usize],
    noise: &Tensor,
) -> Tensor {
    let xt = ddpm::q_sample(schedule, x0, t, noise);
    let target = prediction_type.target(schedule, x0, t, noise);
    let timesteps: Vec<f32> = t.iter().map(|&t| t as f32).collect();
    network(&xt, &timesteps).sub(&target).sqr().mean()
}
