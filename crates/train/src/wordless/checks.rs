//! What can be said about a configuration without words before anything is computed.

use aquatint_pipeline::AutoencoderConfig;

use super::{WordlessConfig, WordlessTask};
use crate::colours::COLOURS;
use crate::conditioning::Conditioning;
use crate::data::buckets;
use crate::first_stage::FirstStage;

/// Channels of a small picture.
const RGB: usize = 3;

/// Says what is wrong with the section `[task]`, or with the networks by themselves.
pub fn task(config: &WordlessConfig) -> Result<(), String> {
    let WordlessTask { variants_per_image, empty_classes, sample_steps, samples, .. } = config.task;
    let WordlessTask { conditioning, low_resolution_noise, guidance_scale, .. } = config.task;
    if !(1..=COLOURS.len()).contains(&variants_per_image) {
        return Err(format!("`task.variants_per_image` is {variants_per_image}, not 1 to 10"));
    }
    if !(0.0..=1.0).contains(&empty_classes) {
        return Err(format!("`task.empty_classes` is {empty_classes}, not 0 to 1"));
    }
    if !(0.0..=1.0).contains(&low_resolution_noise) {
        return Err(format!("`task.low_resolution_noise` is {low_resolution_noise}, not 0 to 1"));
    }
    if !(1..=1024).contains(&samples) {
        return Err(format!("`task.samples` is {samples}, not 1 to 1024"));
    }
    for (key, there, whose) in [
        ("class_keys", !config.task.class_keys.is_empty(), Conditioning::Class),
        ("class_words", !config.task.class_words.is_empty(), Conditioning::Class),
        ("empty_classes", empty_classes != 0.0, Conditioning::Class),
        ("guidance_scale", guidance_scale != 1.0, Conditioning::Class),
        ("low_resolution_noise", low_resolution_noise != 0.0, Conditioning::LowResolution),
    ] {
        if there && conditioning != whose {
            let (is, whose) = (name(conditioning), name(whose));
            return Err(format!(
                "`task.{key}` is for `task.conditioning = {whose}`, and that is {is}"
            ));
        }
    }
    if conditioning == Conditioning::LowResolution && config.task.first_stage == FirstStage::Pixels
    {
        return Err("`task.first_stage = \"pixels\"` makes a picture no smaller, so there is no \
                    small picture for `task.conditioning = \"low-resolution\"`"
            .into());
    }
    if conditioning == Conditioning::Class && guidance_scale != 1.0 && empty_classes == 0.0 {
        return Err(format!(
            "`task.guidance_scale` is {guidance_scale}, which needs pictures whose class is left \
             out; `task.empty_classes` is 0"
        ));
    }
    let scheduler = &config.model.scheduler;
    config.model.unet.validate().and_then(|()| scheduler.validate())?;
    config.task.loss.validate()?;
    if !(1..=scheduler.num_train_timesteps).contains(&sample_steps) {
        return Err(format!("`task.sample_steps` is {sample_steps}, not 1 to the timesteps"));
    }
    Ok(())
}

fn name(conditioning: Conditioning) -> String {
    serde_json::to_string(&conditioning).expect("a name")
}

/// Says what is wrong between the U-Net, the latents of width `side`, and the rows that the
/// classes need.
pub fn unet(
    config: &WordlessConfig,
    vae: &AutoencoderConfig,
    rows: Option<usize>,
    side: usize,
) -> Result<(), String> {
    let unet = &config.model.unet;
    let latents = vae.latent_channels();
    let whose = if *vae == AutoencoderConfig::Pixels { "pixels" } else { "the vae's latents" };
    let (beside, what) = match config.task.conditioning {
        Conditioning::LowResolution => (RGB, " and the small picture"),
        _ => (0, ""),
    };
    for (key, here, there, what) in [
        ("in_channels", unet.in_channels, latents + beside, what),
        ("out_channels", unet.out_channels, latents, ""),
    ] {
        if here != there {
            return Err(format!("`model.unet.{key}` is {here}, but {whose}{what} have {there}"));
        }
    }
    if unet.class_embed_type.is_some() {
        return Err("`model.unet.class_embed_type` must not be there: classes are a table".into());
    }
    if let Some(wanted) = unet.num_class_embeds.filter(|&wanted| Some(wanted) != rows) {
        return Err(match rows {
            Some(rows) => format!(
                "`model.unet.num_class_embeds` is {wanted}, but the data has {} classes, and one \
                 row is for none; leave the key out",
                rows - 1
            ),
            None => "`model.unet.num_class_embeds` is for `task.conditioning = \"class\"`".into(),
        });
    }
    let halvings = unet.block_out_channels.len() - 1;
    let sizes = match config.task.conditioning {
        Conditioning::LowResolution => buckets::refuse(&config.data, "small pictures are squares"),
        _ => buckets::fit(&config.data, vae.downsampling_factor(), halvings),
    };
    sizes.map_err(|error| error.to_string())?;
    if !side.is_multiple_of(1 << halvings) {
        return Err(format!(
            "{} of width {side} cannot be halved {halvings} times, as \
             `model.unet.block_out_channels` say",
            if *vae == AutoencoderConfig::Pixels { "pictures" } else { "latents" }
        ));
    }
    Ok(())
}
