//! The loss of training, for every kind of prediction.

use aquatint_tensor::Tensor;

use crate::{LossWeight, PredictionType, Schedule};

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
    let even = LossWeight::Even;
    weighted_denoising_loss(network, prediction_type, even, schedule, x0, t, noise)
}

/// [`denoising_loss`], where the error of each picture counts as much as `weight` says at its step.
#[track_caller]
pub fn weighted_denoising_loss(
    network: impl FnOnce(&Tensor, &[f32]) -> Tensor,
    prediction_type: PredictionType,
    weight: LossWeight,
    schedule: &Schedule,
    x0: &Tensor,
    t: &[usize],
    noise: &Tensor,
) -> Tensor {
    let xt = prediction_type.noisy(schedule, x0, t, noise);
    let target = prediction_type.target(schedule, x0, t, noise);
    let timesteps: Vec<f32> = t.iter().map(|&t| t as f32).collect();
    let error = network(&xt, &timesteps).sub(&target);
    if weight == LossWeight::Even {
        return error.sqr().mean();
    }
    let root = |&t: &usize| weight.at(prediction_type, schedule.sigma(t)).sqrt() as f32;
    error.scale_per_picture(&t.iter().map(root).collect::<Vec<f32>>()).sqr().mean()
}
