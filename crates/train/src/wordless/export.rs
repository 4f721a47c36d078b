//! The model as diffusers' `LDMPipeline` or `LDMSuperResolutionPipeline` has it.

use std::path::Path;

use aquatint_models::PerBlock;
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
    vqvae: [&'a str; 2],
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
        let side = self.data.size / self.vae.config().downsampling_factor();
        unet.sample_size = Some(PerBlock::Same(side));
        let scheduler = &self.config.model.scheduler;
        let weights = |part: &str| folder.join(part).join("diffusion_pytorch_model.safetensors");
        let config = |part: &str| folder.join(part).join("config.json");
        export::weights(&weights(AUTOENCODER), &self.vae)?;
        export::json(&config(AUTOENCODER), self.vae.config())?;
        export::weights(&weights("unet"), &self.unet)?;
        export::json(&config("unet"), &unet)?;
        export::json(&folder.join("scheduler/scheduler_config.json"), scheduler)?;
        let index = Index {
            _class_name: match self.config.task.conditioning {
                Conditioning::LowResolution => "LDMSuperResolutionPipeline",
                _ => "LDMPipeline",
            },
            _diffusers_version: "0.30.0",
            id2label: self.classes.as_ref().map(|classes| &classes.names[..]),
            scheduler: ["diffusers", &scheduler.class_name],
            unet: ["diffusers", "UNet2DModel"],
            vqvae: ["diffusers", "AutoencoderKL"],
        };
        export::json(&folder.join("model_index.json"), &index)
    }
}
