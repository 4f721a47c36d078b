//! The model as diffusers' `LDMPipeline`, `LDMSuperResolutionPipeline` or, without a first stage,
//! `DDPMPipeline` has it.

use std::path::Path;

use aquatint_models::PerBlock;
use aquatint_pipeline::AutoencoderConfig;
use serde::{Serialize, Serializer};

use super::Wordless;
use crate::conditioning::Conditioning;
use crate::error::TrainError;
use crate::export;

/// What diffusers calls the autoencoder of these pipelines.
const AUTOENCODER: &str = "vqvae";

/// `model_index.json`.
#[derive(Serialize)]
struct Index<'a> {
    _class_name: &'a str,
    _diffusers_version: &'a str,
    /// The names of the classes by their numbers, as diffusers' `DiTPipeline` has them; the class
    /// after the last is none in particular.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "numbered")]
    id2label: Option<&'a [String]>,
    scheduler: [&'a str; 2],
    unet: [&'a str; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    vqvae: Option<[&'a str; 2]>,
}

/// In the order of the numbers.
fn numbered<S: Serializer>(names: &Option<&[String]>, serializer: S) -> Result<S::Ok, S::Error> {
    let names = names.unwrap_or_default().iter().enumerate();
    serializer.collect_map(names.map(|(number, name)| (number.to_string(), name)))
}

impl Wordless {
    /// The whole model; the autoencoder is written as it was read. `model_index.json` comes last,
    /// so that a folder with one is complete.
    pub(super) fn write(&self, folder: &Path) -> Result<(), TrainError> {
        let mut unet = self.config.model.unet.clone();
        unet.sample_size = Some(PerBlock::Same(self.denoising.side));
        let scheduler = &self.config.model.scheduler;
        let weights = |part: &str| folder.join(part).join("diffusion_pytorch_model.safetensors");
        let config = |part: &str| folder.join(part).join("config.json");
        let vae = self.vae.config();
        if vae.class_name().is_some() {
            export::weights(&weights(AUTOENCODER), &self.vae)?;
            export::json(&config(AUTOENCODER), &vae)?;
        }
        export::weights(&weights("unet"), &self.unet)?;
        export::json(&config("unet"), &unet)?;
        export::json(&folder.join("scheduler/scheduler_config.json"), scheduler)?;
        let index = Index {
            _class_name: match (self.config.task.conditioning, &vae) {
                (_, AutoencoderConfig::Pixels) => "DDPMPipeline",
                (Conditioning::LowResolution, _) => "LDMSuperResolutionPipeline",
                _ => "LDMPipeline",
            },
            _diffusers_version: "0.30.0",
            id2label: self.classes.as_ref().map(|classes| &classes.names[..]),
            scheduler: ["diffusers", &scheduler.class_name],
            unet: ["diffusers", "UNet2DModel"],
            vqvae: vae.class_name().map(|class| ["diffusers", class]),
        };
        export::json(&folder.join("model_index.json"), &index)
    }
}
