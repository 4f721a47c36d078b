//! What a model is, without its weights: cheap to read, and enough to refuse a request.

use std::collections::BTreeMap;

use aquatint_models::{AutoencoderKLConfig, ClipTextConfig, PerBlock, UNet2DConditionConfig};
use serde_json::{Value, json};

use crate::scheduler::SchedulerConfig;
use crate::{ModelError, ModelSource};

/// Where each part of a model has its configuration.
pub(crate) const INDEX: &str = "model_index.json";
pub(crate) const TEXT_ENCODER_CONFIG: &str = "text_encoder/config.json";
pub(crate) const UNET_CONFIG: &str = "unet/config.json";
pub(crate) const VAE_CONFIG: &str = "vae/config.json";
pub(crate) const SCHEDULER_CONFIG: &str = "scheduler/scheduler_config.json";

/// The configurations of the parts of a model, which fit together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelConfig {
    /// The text encoder's.
    pub text_encoder: ClipTextConfig,
    /// The U-Net's.
    pub unet: UNet2DConditionConfig,
    /// The autoencoder's.
    pub vae: AutoencoderKLConfig,
    /// The noise schedule's.
    pub scheduler: SchedulerConfig,
}

impl ModelConfig {
    /// Reads the configurations of a model.
    ///
    /// # Errors
    /// If one is missing, or describes what we cannot build, or they do not fit together.
    pub fn read(source: &ModelSource) -> Result<Self, ModelError> {
        let index: BTreeMap<String, Value> = source.json(INDEX)?;
        let class = index.get("_class_name").and_then(Value::as_str).unwrap_or_default();
        if class != "StableDiffusionPipeline" {
            let reason = format!("it describes a `{class}`, only StableDiffusionPipeline is known");
            return Err(source.malformed(INDEX, reason));
        }
        let config = Self {
            text_encoder: source.json(TEXT_ENCODER_CONFIG)?,
            unet: source.json(UNET_CONFIG)?,
            vae: source.json(VAE_CONFIG)?,
            scheduler: source.json(SCHEDULER_CONFIG)?,
        };
        for (file, validity) in [
            (TEXT_ENCODER_CONFIG, config.text_encoder.validate()),
            (UNET_CONFIG, config.unet.validate()),
            (VAE_CONFIG, config.vae.validate()),
            (SCHEDULER_CONFIG, config.scheduler.validate()),
            (UNET_CONFIG, config.fits_together()),
        ] {
            validity.map_err(|reason| source.malformed(file, reason))?;
        }
        Ok(config)
    }

    /// Tells whether channels and contexts are the same where parts meet, and pictures RGB.
    ///
    /// # Errors
    /// A sentence that names the key of the U-Net's configuration, or the part.
    pub fn fits_together(&self) -> Result<(), String> {
        for (what, here, there, whose) in [
            ("in_channels", self.unet.in_channels, self.vae.latent_channels, "the vae's latents"),
            ("out_channels", self.unet.out_channels, self.vae.latent_channels, "the vae's latents"),
            (
                "cross_attention_dim",
                self.unet.cross_attention_dim,
                self.text_encoder.hidden_size,
                "the text encoder's hidden_size",
            ),
        ] {
            if here != there {
                return Err(format!("{what} is {here}, but {whose} have {there}"));
            }
        }
        if self.vae.in_channels != 3 || self.vae.out_channels != 3 {
            return Err("the vae is not one of RGB pictures".into());
        }
        Ok(())
    }

    /// Width and height of the pictures that the model was trained on.
    pub fn default_size(&self) -> (usize, usize) {
        let factor = self.vae.downsampling_factor();
        match &self.unet.sample_size {
            Some(PerBlock::Same(side)) => {
                (side.saturating_mul(factor), side.saturating_mul(factor))
            }
            Some(PerBlock::Each(sides)) if sides.len() == 2 => {
                (sides[1].saturating_mul(factor), sides[0].saturating_mul(factor))
            }
            _ => (64 * factor, 64 * factor),
        }
    }

    /// The files that [`ModelConfig::read`] reads, as text by their names.
    pub(crate) fn files(&self) -> [(&'static str, String); 5] {
        let index = json!({
            "_class_name": "StableDiffusionPipeline",
            "_diffusers_version": "0.30.0",
            "feature_extractor": [null, null],
            "requires_safety_checker": false,
            "safety_checker": [null, null],
            "scheduler": ["diffusers", self.scheduler.class_name],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        });
        [
            (INDEX, format!("{index:#}\n")),
            (TEXT_ENCODER_CONFIG, text(&self.text_encoder)),
            (UNET_CONFIG, text(&self.unet)),
            (VAE_CONFIG, text(&self.vae)),
            (SCHEDULER_CONFIG, text(&self.scheduler)),
        ]
    }
}

fn text(config: &impl serde::Serialize) -> String {
    let json = serde_json::to_string_pretty(config);
    json.unwrap_or_else(|error| panic!("a configuration is JSON, but {error}")) + "\n"
}
