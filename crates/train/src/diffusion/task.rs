//! The sections `[task]` and `[model]` of a third stage with words.

use std::path::PathBuf;

use aquatint_models::UNet2DConditionConfig;
use aquatint_pipeline::SchedulerConfig;
use serde::{Deserialize, Serialize};

use crate::conditioning::Conditioning;
use crate::config::Config;
use crate::first_stage::FirstStage;
use crate::text_part::TextSection;
use crate::weighting::LossConfig;

/// The section `[task]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffusionTask {
    /// What the network hears of: text, that and a picture with a hole, or a layout.
    #[serde(default, skip_serializing_if = "Conditioning::is_text")]
    pub conditioning: Conditioning,
    /// The folder of the model whose autoencoder and text encoder are used, and copied, as far as
    /// these are not said to be others; without one, it is that which the run writes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts_from: Option<PathBuf>,
    /// What the network works on: "autoencoder", the latents of that in the folder, or "pixels".
    #[serde(default, skip_serializing_if = "FirstStage::is_autoencoder")]
    pub first_stage: FirstStage,
    /// On how many backgrounds each picture is seen: white and others, 1 to 10.
    pub variants_per_image: usize,
    /// The part of the captions that are left empty.
    pub empty_captions: f64,
    /// A folder with a trained U-Net to begin with, `config.json` and weights as diffusers has
    /// them; without one, weights are drawn. It may see less than this one, that is, have fewer
    /// input channels.
    #[serde(default)]
    pub start_from: Option<PathBuf>,
    /// Whether the text encoder of the folder learns too, from where it is.
    #[serde(default)]
    pub train_text_encoder: bool,
    /// Pictures a step whose drafts are compared with their latents, for a U-Net that makes
    /// drafts: these cost next to nothing, so there can be more of them than of the others.
    #[serde(default)]
    pub draft_batch_size: usize,
    /// How errors are weighed, and what the noise is.
    #[serde(default, skip_serializing_if = "LossConfig::is_plain")]
    pub loss: LossConfig,
    /// How far samples follow their prompts: see [`aquatint_diffusion::Guidance`].
    pub guidance_scale: f64,
    /// Steps of the DDIM sampler for samples.
    pub sample_steps: usize,
    /// For layouts, how many places a coordinate may have; 64 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout_grid: Option<usize>,
    /// What samples are drawn of; for layouts, held-out ones if nothing is given; for in-painting, held-out pictures are completed instead.
    #[serde(default)]
    pub prompts: Vec<String>,
}

/// The section `[model]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffusionNetworks {
    /// The network.
    pub unet: UNet2DConditionConfig,
    /// The noise.
    pub scheduler: SchedulerConfig,
    /// The text encoder, if it is not that of the model folder.
    pub text: Option<TextSection>,
}

/// A whole configuration file.
pub type DiffusionConfig = Config<DiffusionTask, DiffusionNetworks>;

impl DiffusionConfig {
    /// Whether there is a text encoder that begins with drawn weights and learns with the U-Net.
    pub(crate) fn trains_a_new_text_encoder(&self) -> bool {
        self.model.text.as_ref().is_some_and(TextSection::is_new)
    }
}
