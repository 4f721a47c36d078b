//! The parts of the model that are trained already, for the one that is not.

use aquatint_models::{UNet2DConditionConfig, UNet2DConditionModel};
use aquatint_pipeline::{AutoencoderConfig, Components, ModelConfig, ModelSource};

use crate::colours::COLOURS;
use crate::conditioning::Conditioning;
use crate::data::Dataset;
use crate::data::buckets;
use crate::diffusion::{DiffusionConfig, DiffusionNetworks, DiffusionTask};
use crate::error::TrainError;
use crate::inpainting::channels_beside;
use crate::layouts::{self, Layouts};
use crate::text_part::{self, TextPart};
use crate::widened;

/// What can be said about the configuration before anything is loaded.
pub fn check(config: &DiffusionConfig) -> Result<(), TrainError> {
    let DiffusionTask { variants_per_image, empty_captions, sample_steps, .. } = config.task;
    let drafts = config.task.draft_batch_size;
    let wrong = |message: String| Err(TrainError::Data(message));
    if !(1..=COLOURS.len()).contains(&variants_per_image) {
        return wrong(format!("`task.variants_per_image` is {variants_per_image}, not 1 to 10"));
    }
    if drafts > 1 << 16 {
        return wrong(format!("`task.draft_batch_size` is {drafts}; it must be at most 65536"));
    }
    if !(0.0..=1.0).contains(&empty_captions) {
        return wrong(format!("`task.empty_captions` is {empty_captions}, not 0 to 1"));
    }
    let DiffusionNetworks { unet, scheduler, text } = &config.model;
    unet.validate().and_then(|()| scheduler.validate()).map_err(TrainError::Data)?;
    config.task.loss.validate().map_err(TrainError::Data)?;
    layouts::check(config).map_err(TrainError::Data)?;
    if let Some(text) = text {
        text.check(config.task.train_text_encoder).map_err(TrainError::Data)?;
    }
    if !(1..=scheduler.num_train_timesteps).contains(&sample_steps) {
        return wrong(format!("`task.sample_steps` is {sample_steps}, not 1 to the timesteps"));
    }
    Ok(())
}

/// The parts that are there or begin with drawn weights, and a new U-Net between them.
pub fn load(
    config: &DiffusionConfig,
    data: &Dataset,
    layouts: Option<&Layouts>,
) -> Result<Components, TrainError> {
    let DiffusionTask { parts_from, first_stage, conditioning, start_from, .. } = &config.task;
    let folder = parts_from.as_ref().unwrap_or(&config.run.export);
    let dtype = config.run.dtype.into();
    let vae = first_stage.load(folder, config.data.size, dtype)?;
    let section = config.model.text.as_ref();
    let TextPart { tokenizer, text_encoder } =
        text_part::load(section, folder, data, layouts, config.run.seed, dtype)?;
    let model = ModelConfig {
        text_encoder: text_encoder.config(),
        unet: config.model.unet.clone(),
        vae: vae.config(),
        scheduler: config.model.scheduler.clone(),
        ..Default::default()
    };
    fits_together(*conditioning, &model).map_err(|reason| {
        TrainError::Data(format!(
            "`model.unet` and the parts in {} do not fit together: {reason}",
            folder.display()
        ))
    })?;
    let side = config.data.size / vae.downsampling_factor();
    if let Some(draft) = config.model.unet.draft.as_ref().filter(|draft| draft.size != side) {
        return Err(TrainError::Data(format!(
            "`model.unet.draft.size` is {}; for pictures of {} pixels and the first stage of this \
             run it must be {side}",
            draft.size, config.data.size
        )));
    }
    let unet = match start_from {
        None => UNet2DConditionModel::new(&model.unet),
        Some(folder) => {
            let weights = ModelSource::Folder(folder.clone())
                .weights("diffusion_pytorch_model.safetensors")
                .map_err(TrainError::checkpoint(folder))?;
            widened::load(&model.unet, &weights, config.run.seed)
                .map_err(TrainError::checkpoint(folder))?
        }
    };
    Ok(Components { tokenizer, text_encoder, second_encoder: None, unet, vae, config: model })
}

/// Refuses sizes that these networks cannot have.
pub fn buckets_fit(config: &DiffusionConfig, factor: usize) -> Result<(), TrainError> {
    let unet = &config.model.unet;
    if config.task.conditioning == Conditioning::Inpainting {
        buckets::refuse(&config.data, "what in-painting hides is drawn on squares")?;
    }
    if unet.draft.is_some() {
        buckets::refuse(&config.data, "the drafts of `model.unet.draft` are squares")?;
    }
    buckets::fit(&config.data, factor, unet.block_out_channels.len() - 1)
}

/// [`ModelConfig::fits_together`], with the input channels that this conditioning has.
fn fits_together(conditioning: Conditioning, model: &ModelConfig) -> Result<(), String> {
    let (here, latents) = (model.unet.in_channels, model.vae.latent_channels());
    let whose = match model.vae {
        AutoencoderConfig::Pixels => "pixels",
        _ => "the vae's latents",
    };
    let (there, what) = match conditioning {
        Conditioning::Inpainting => {
            let of = if whose == "pixels" { "" } else { "the latents of " };
            (latents + channels_beside(latents), format!(", a mask and {of}the masked picture"))
        }
        _ => (latents, String::new()),
    };
    if here != there {
        return Err(format!("in_channels is {here}, but {whose}{what} have {there}"));
    }
    let unet = UNet2DConditionConfig { in_channels: latents, ..model.unet.clone() };
    ModelConfig { unet, ..model.clone() }.fits_together()
}
