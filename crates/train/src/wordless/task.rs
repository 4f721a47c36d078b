//! The sections `[task]` and `[model]` of a third stage without words.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aquatint_models::UNet2DConfig;
use aquatint_pipeline::SchedulerConfig;
use serde::{Deserialize, Serialize};

use crate::conditioning::Conditioning;
use crate::config::Config;
use crate::first_stage::FirstStage;
use crate::weighting::LossConfig;

/// The section `[task]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordlessTask {
    /// What the network hears of.
    pub conditioning: Conditioning,
    /// The folder of the model whose autoencoder is used, and copied; without one, it is that
    /// which the run writes to.
    #[serde(default)]
    pub parts_from: Option<PathBuf>,
    /// What the network works on: "autoencoder", the latents of that in the folder, or "pixels".
    #[serde(default, skip_serializing_if = "FirstStage::is_autoencoder")]
    pub first_stage: FirstStage,
    /// On how many backgrounds each picture is seen: white and others, 1 to 10.
    pub variants_per_image: usize,
    /// A folder with a trained U-Net to begin with; without one, weights are drawn. It may be one
    /// with classes for one without, or one with cross-attention, whose residual blocks are used.
    #[serde(default)]
    pub start_from: Option<PathBuf>,
    /// The keys of `metadata.jsonl` that name a picture's class.
    #[serde(default)]
    pub class_keys: Vec<String>,
    /// Words in place of what is said under a key.
    #[serde(default)]
    pub class_words: BTreeMap<String, BTreeMap<String, String>>,
    /// The part of the pictures whose class is left out.
    #[serde(default)]
    pub empty_classes: f64,
    /// The most noise that a small picture is given, as a standard deviation of values from -1 to
    /// 1, so that the network forgives what is wrong with small pictures of other makes.
    #[serde(default)]
    pub low_resolution_noise: f64,
    /// How errors are weighed, and what the noise is.
    #[serde(default, skip_serializing_if = "LossConfig::is_plain")]
    pub loss: LossConfig,
    /// How far samples follow their class: see [`aquatint_diffusion::Guidance`].
    #[serde(default = "one")]
    pub guidance_scale: f64,
    /// Steps of the DDIM sampler for samples.
    pub sample_steps: usize,
    /// How many samples are drawn: of the classes in turn, of held-out pictures, or of nothing.
    pub samples: usize,
}

fn one() -> f64 {
    1.0
}

/// The section `[model]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WordlessNetworks {
    /// The network. `num_class_embeds` follows from the data.
    pub unet: UNet2DConfig,
    /// The noise.
    pub scheduler: SchedulerConfig,
}

/// A whole configuration file.
pub type WordlessConfig = Config<WordlessTask, WordlessNetworks>;
