//! The parts of the model that are trained already, for the one that is not.

use aquatint_models::{AutoencoderKL, UNet2DConditionConfig, UNet2DConditionModel};
use aquatint_nn::ModuleExt;
use aquatint_pipeline::{
    Components, ModelConfig, ModelSource, TextEncoder, Tokenizer, check_vocabulary, load_module,
};

use crate::colours::COLOURS;
use crate::conditioning::Conditioning;
use crate::data::buckets;
use crate::diffusion::{DiffusionConfig, DiffusionNetworks, DiffusionTask};
use crate::error::TrainError;
use crate::inpainting::channels_beside;
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
    let DiffusionNetworks { unet, scheduler } = &config.model;
    unet.validate().and_then(|()| scheduler.validate()).map_err(TrainError::Data)?;
    config.task.loss.validate().map_err(TrainError::Data)?;
    if !(1..=scheduler.num_train_timesteps).contains(&sample_steps) {
        return wrong(format!("`task.sample_steps` is {sample_steps}, not 1 to the timesteps"));
    }
    Ok(())
}

/// The parts in the model folder, and a new U-Net between them.
pub fn load(config: &DiffusionConfig) -> Result<Components, TrainError> {
    let folder = config.task.parts_from.as_ref().unwrap_or(&config.run.export);
    let source = ModelSource::Folder(folder.clone());
    for (file, stage) in [("vae/config.json", "autoencoder"), ("tokenizer/vocab.json", "clip")] {
        if !source.has(file) {
            return Err(TrainError::Data(format!(
                "{} has no {file}: train the {stage} first",
                folder.display()
            )));
        }
    }
    let failed = |error| TrainError::checkpoint(folder)(error);
    let tokenizer = Tokenizer::load(&source, "tokenizer").map_err(failed)?;
    let model = ModelConfig {
        text_encoder: source.json("text_encoder/config.json").map_err(failed)?,
        unet: config.model.unet.clone(),
        vae: source.json("vae/config.json").map_err(failed)?,
        scheduler: config.model.scheduler.clone(),
        ..Default::default()
    };
    model.text_encoder.validate().and_then(|()| model.vae.validate()).map_err(TrainError::Data)?;
    fits_together(config.task.conditioning, &model).map_err(|reason| {
        TrainError::Data(format!(
            "`model.unet` and the parts in {} do not fit together: {reason}",
            folder.display()
        ))
    })?;
    check_vocabulary(&source, &tokenizer, &model).map_err(failed)?;
    let (size, factor) = (config.data.size, model.vae.downsampling_factor());
    // The U-Net takes latents of any size, so the autoencoder alone decides.
    if !size.is_multiple_of(factor) {
        return Err(TrainError::Data(format!(
            "`data.size` is {size}; for the autoencoder in {} it must be a multiple of {factor}",
            folder.display()
        )));
    }

    let side = size / factor;
    if let Some(draft) = config.model.unet.draft.as_ref().filter(|draft| draft.size != side) {
        return Err(TrainError::Data(format!(
            "`model.unet.draft.size` is {}; for pictures of {size} pixels and the autoencoder in \
             {} it must be {side}",
            draft.size,
            folder.display()
        )));
    }

    let weights = |file: &str| source.weights(file).map_err(failed);
    let mut text_encoder = TextEncoder::new(&model.text_encoder, true);
    load_module(&mut text_encoder, &weights("text_encoder/model.safetensors")?)
        .map_err(TrainError::checkpoint(folder))?;
    let mut vae = AutoencoderKL::new(&model.vae);
    load_module(&mut vae, &weights("vae/diffusion_pytorch_model.safetensors")?)
        .map_err(TrainError::checkpoint(folder))?;
    text_encoder.set_precision(config.run.dtype.into());
    vae.set_precision(config.run.dtype.into());
    let unet = match &config.task.start_from {
        None => UNet2DConditionModel::new(&model.unet),
        Some(folder) => {
            let weights = ModelSource::Folder(folder.clone())
                .weights("diffusion_pytorch_model.safetensors")
                .map_err(TrainError::checkpoint(folder))?;
            widened::load(&model.unet, &weights).map_err(TrainError::checkpoint(folder))?
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
    let (here, latents) = (model.unet.in_channels, model.vae.latent_channels);
    let (there, what) = match conditioning {
        Conditioning::Inpainting => {
            (latents + channels_beside(latents), ", a mask and the latents of the masked picture")
        }
        _ => (latents, ""),
    };
    if here != there {
        return Err(format!("in_channels is {here}, but the vae's latents{what} have {there}"));
    }
    let unet = UNet2DConditionConfig { in_channels: latents, ..model.unet.clone() };
    ModelConfig { unet, ..model.clone() }.fits_together()
}
