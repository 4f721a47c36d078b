//! The network that is trained against the model, if there is one.

use aquatint_nn::Module;

use super::Run;
use crate::config::OptimizerConfig;
use crate::error::TrainError;
use crate::optimizer::{Optimizer, grad_norm};
use crate::task::Task;

/// The adversary's optimizer. It learns as the model does, at a rate of its own.
pub(super) struct Second {
    pub(super) optimizer: Optimizer,
    /// The first step, counted from 0, at which it learns.
    start: u64,
    /// Its learning rate over the model's.
    ratio: f64,
}

impl Second {
    /// For the adversary of `task`.
    pub(super) fn new(task: &dyn Task, config: &OptimizerConfig) -> Option<Self> {
        let adversary = task.adversary()?;
        let rate = adversary.learning_rate.unwrap_or(config.learning_rate);
        Some(Self {
            optimizer: Optimizer::new(adversary.model, config),
            start: adversary.start,
            ratio: rate / config.learning_rate,
        })
    }
}

impl Run<'_> {
    /// What the adversary learns in the step that the model has just done at the rate `lr`.
    pub(super) fn second_step(&mut self, lr: f64) -> Result<(), TrainError> {
        let (Some(second), Some(loss)) = (&mut self.second, self.task.adversary_loss()) else {
            return Ok(());
        };
        let value = f64::from(loss.item());
        let mut grads = loss.backward();
        let (_, Some(model)) = self.task.networks_mut() else { return Ok(()) };
        let norm = grad_norm(model as &dyn Module, &grads);
        if value.is_finite() && norm.is_finite() {
            let done = self.step - second.start;
            second.optimizer.step(model, &mut grads, norm, lr * second.ratio, done);
        }
        // The step has been counted, and is the one to name.
        let step = self.step - 1;
        self.check_finite_at(step, "discriminator's loss", value)?;
        self.check_finite_at(step, "discriminator's gradient", norm)
    }
}
