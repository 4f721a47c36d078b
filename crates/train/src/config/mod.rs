//! Configuration files: TOML, the same four sections for every task and two of its own.

mod file;
mod limits;

use std::path::PathBuf;

use aquatint_tensor::Precision;
use serde::{Deserialize, Serialize};

use crate::data::DataConfig;
use crate::lr_schedule::{LrSchedule, Shape};
use crate::model_card::CardConfig;

/// A whole file. `T` is the section `[task]`, `M` the section `[model]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config<T, M> {
    /// Where the pictures are.
    pub data: DataConfig,
    /// How long, how often, where to.
    pub run: RunConfig,
    /// How weights change.
    pub optimizer: OptimizerConfig,
    /// What only this task knows.
    pub task: T,
    /// The networks, in the words of diffusers and transformers.
    pub model: M,
    /// What the model card says besides what was measured.
    #[serde(default)]
    pub card: CardConfig,
}

/// The section `[run]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Checkpoint, metrics and samples go here.
    pub folder: PathBuf,
    /// The model folder, in diffusers' layout, that the trained parts are written to.
    pub export: PathBuf,
    /// All random numbers follow from this one.
    #[serde(default)]
    pub seed: u64,
    /// How many steps there are in all.
    pub steps: u64,
    /// Pictures in a step.
    pub batch_size: usize,
    /// In how many parts a step is computed, one after the other: as much less memory is needed,
    /// and the result is the same but for rounding.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub accumulate: usize,
    /// Whether the U-Net computes what its layers save for the gradient again instead of keeping
    /// it: slower by a third, in a part of the memory; the result is the same to the bit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub gradient_checkpointing: bool,
    /// Precision of matrix products and convolutions; weights and sums are always f32.
    #[serde(default)]
    pub dtype: Dtype,
    /// A checkpoint and an export are written every so many steps.
    #[serde(default = "thousand")]
    pub checkpoint_every: u64,
    /// Samples are drawn and validation figures measured every so many steps.
    #[serde(default = "thousand")]
    pub sample_every: u64,
    /// A line of metrics is written every so many steps.
    #[serde(default = "ten")]
    pub log_every: u64,
}

fn thousand() -> u64 {
    1000
}

fn one() -> usize {
    1
}

fn is_one(parts: &usize) -> bool {
    *parts == 1
}

fn is_false(value: &bool) -> bool {
    !value
}

fn ten() -> u64 {
    10
}

/// The name of a [`Precision`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Single precision.
    #[default]
    F32,
    /// Products of bf16 numbers, summed in f32.
    Bf16,
}

impl From<Dtype> for Precision {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::Bf16 => Self::Bf16,
        }
    }
}

/// The section `[optimizer]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// What follows the warm-up: "constant", "cosine" or "constant-with-cooldown".
    pub schedule: Shape,
    /// Steps until the highest rate.
    pub warmup_steps: u64,
    /// Part of the run that the cool-down takes, where the schedule has one.
    pub cooldown: f64,
    /// Decay of the running mean of gradients.
    pub beta1: f64,
    /// Decay of the running mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the latter.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Longer gradients are shortened to this length.
    pub max_grad_norm: f64,
    /// Decay of the running average of weights.
    pub ema_decay: f64,
    /// In how many bits what the two means remember is kept: "32bit", or "8bit" for a quarter of
    /// that memory.
    #[serde(skip_serializing_if = "State::is_whole")]
    pub state: State,
}

/// The key `optimizer.state`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Single precision.
    #[default]
    #[serde(rename = "32bit")]
    ThirtyTwoBits,
    /// Rounded block by block: see `moment.rs`.
    #[serde(rename = "8bit")]
    EightBits,
}

impl State {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_whole(&self) -> bool {
        *self == Self::ThirtyTwoBits
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            schedule: Shape::Constant,
            warmup_steps: 0,
            cooldown: 0.2,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
            ema_decay: 0.999,
            state: State::ThirtyTwoBits,
        }
    }
}

impl OptimizerConfig {
    /// The learning rates of a run of so many steps.
    pub fn lr_schedule(&self, steps: u64) -> LrSchedule {
        LrSchedule {
            peak: self.learning_rate,
            warmup_steps: self.warmup_steps,
            steps,
            shape: self.schedule,
            cooldown: self.cooldown,
        }
    }
}
