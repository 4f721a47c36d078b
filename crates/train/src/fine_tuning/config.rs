//! The sections `[task]` and `[model]` of a fine-tuning, and what cannot work.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::weighting::LossConfig;

/// The section `[task]`, the same for all three stages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FineTuningTask {
    /// The caption of every picture, in place of what the folder says; needed if that says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The part of the captions that are left empty, so that the model keeps knowing what pictures
    /// look like when nothing is asked for.
    #[serde(default)]
    pub empty_captions: f64,
    /// How errors are weighed, and what the noise is.
    #[serde(default, skip_serializing_if = "LossConfig::is_plain")]
    pub loss: LossConfig,
    /// What sample pictures are drawn of, each with the seed of its place in the list.
    #[serde(default)]
    pub prompts: Vec<String>,
    /// How far samples follow their prompts.
    #[serde(default = "guidance_scale")]
    pub guidance_scale: f64,
    /// Steps of the sampler for samples.
    #[serde(default = "sample_steps")]
    pub sample_steps: usize,
    /// Low-rank changes of layers, which are trained instead of the layers themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
    /// Pictures of the class to which the thing belongs, which must not be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<PriorConfig>,
    /// A new word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<WordConfig>,
    /// Whether the text encoder learns too, where whole networks learn.
    #[serde(default)]
    pub train_text_encoder: bool,
}

fn guidance_scale() -> f64 {
    GUIDANCE_SCALE
}

const GUIDANCE_SCALE: f64 = 5.0;

fn sample_steps() -> usize {
    25
}

/// The section `[task.lora]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// Rows of the first matrix and columns of the second.
    pub rank: usize,
    /// What the product is multiplied by, times the rank; the rank if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Which layers of the U-Net are changed: "attention", "feed-forward", "convolutions", "draft",
    /// or "all".
    pub targets: Vec<String>,
    /// Whether the layers of the text encoder's attention are changed too.
    pub text_encoder: bool,
    /// The chance of each of the `rank` parts to be left out of a step (rank dropout), 0 to 1.
    pub dropout: f64,
    /// Whose names the file has.
    pub naming: Naming,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: None,
            targets: vec!["attention".into()],
            text_encoder: false,
            dropout: 0.0,
            naming: Naming::Kohya,
        }
    }
}

impl LoraConfig {
    /// What up · down is multiplied by (Hu et al. 2021, section 4.1).
    pub fn scale(&self) -> f64 {
        self.alpha() / self.rank as f64
    }

    /// α.
    pub fn alpha(&self) -> f64 {
        self.alpha.unwrap_or(self.rank as f64)
    }
}

/// Whose names a LoRA's file has. All programs that draw read both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// `lora_unet_…_to_q.lora_down.weight`, with α as a tensor.
    #[default]
    Kohya,
    /// `unet.….to_q.lora_A.weight`, with α in the attached text, as diffusers writes it.
    Peft,
}

/// The section `[task.prior]`: prior preservation (Ruiz et al. 2022, section 3.3).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorConfig {
    /// Pictures of the class. Those that are missing are drawn by the model before it learns.
    pub folder: PathBuf,
    /// What they are pictures of, such as "a photo of a dog".
    pub prompt: String,
    /// How many there should be.
    #[serde(default = "hundred")]
    pub count: usize,
    /// How much their loss counts: λ.
    #[serde(default = "one")]
    pub weight: f64,
}

fn hundred() -> usize {
    100
}

fn one() -> f64 {
    1.0
}

/// The section `[task.word]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordConfig {
    /// How the word is written in captions and prompts, such as `<cat-toy>`.
    pub name: String,
    /// The word of the vocabulary whose meaning it begins with, such as `toy`.
    pub start: String,
    /// How many tokens it takes.
    #[serde(default = "one_vector")]
    pub vectors: usize,
}

fn one_vector() -> usize {
    1
}

/// The section `[model]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaseModel {
    /// What is fine-tuned: a model's folder, or a single file.
    pub base: PathBuf,
}

/// A whole configuration file.
pub type FineTuningConfig = Config<FineTuningTask, BaseModel>;
