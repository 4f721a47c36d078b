//! What a model is, without its weights: cheap to read, and enough to refuse a request.

use std::collections::BTreeMap;

use aquatint_models::{AutoencoderKLConfig, ClipTextConfig, UNet2DConditionConfig};
use serde_json::{Value, json};

use crate::autoencoder::AutoencoderConfig;
use crate::outline::{Beside, ListensTo, NoiseLevels, Outline, default_size};
use crate::scheduler::SchedulerConfig;
use crate::text_encoder::TextEncoderConfig;
use crate::{ModelError, ModelSource};

/// Where each part of a model has its configuration.
pub(crate) const INDEX: &str = "model_index.json";
pub(crate) const TEXT_ENCODER_CONFIG: &str = "text_encoder/config.json";
pub(crate) const TEXT_ENCODER_2_CONFIG: &str = "text_encoder_2/config.json";
pub(crate) const UNET_CONFIG: &str = "unet/config.json";
pub(crate) const SCHEDULER_CONFIG: &str = "scheduler/scheduler_config.json";
const LOW_RES_SCHEDULER_CONFIG: &str = "low_res_scheduler/scheduler_config.json";

/// The largest noise level of a model that does not say it: diffusers'.
const MAX_NOISE_LEVEL: usize = 350;

/// diffusers' classes of pipelines that we know, with what they call the text encoder and the
/// autoencoder.
const CLASSES: [(&str, &str, &str); 6] = [
    ("StableDiffusionPipeline", "text_encoder", "vae"),
    (INPAINT, "text_encoder", "vae"),
    (ENLARGES, "text_encoder", "vae"),
    (XL, "text_encoder", "vae"),
    (XL_INPAINT, "text_encoder", "vae"),
    (LDM, "bert", "vqvae"),
];
const LDM: &str = "LDMTextToImagePipeline";
const INPAINT: &str = "StableDiffusionInpaintPipeline";
const ENLARGES: &str = "StableDiffusionUpscalePipeline";
const XL: &str = "StableDiffusionXLPipeline";
const XL_INPAINT: &str = "StableDiffusionXLInpaintPipeline";

/// The configurations of the parts of a model, which fit together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelConfig {
    /// The text encoder's.
    pub text_encoder: TextEncoderConfig,
    /// The second text encoder's, which SDXL has.
    pub text_encoder_2: Option<ClipTextConfig>,
    /// Whether a negative prompt without words is zeros rather than what the text encoders say
    /// about no words.
    pub zeros_for_empty_prompt: bool,
    /// The U-Net's.
    pub unet: UNet2DConditionConfig,
    /// That of the first stage.
    pub vae: AutoencoderConfig,
    /// The noise schedule's.
    pub scheduler: SchedulerConfig,
    /// How much noise the small picture may have, if the model enlarges one.
    pub noise_levels: Option<NoiseLevels>,
}

impl ModelConfig {
    /// Reads the configurations of a model.
    ///
    /// # Errors
    /// If one is missing, or describes what we cannot build, or they do not fit together.
    pub fn read(source: &ModelSource) -> Result<Self, ModelError> {
        let index: BTreeMap<String, Value> = source.json(INDEX)?;
        let class = index.get("_class_name").and_then(Value::as_str).unwrap_or_default();
        let Some(&(_, text_encoder, vae)) = CLASSES.iter().find(|(name, ..)| *name == class) else {
            let known: Vec<&str> = CLASSES.iter().map(|(name, ..)| *name).collect();
            let known = known.join(", ");
            let reason = format!("it describes a `{class}`; known are {known}");
            return Err(source.malformed(INDEX, reason));
        };
        let config = |part: &str| format!("{part}/config.json");
        let second = [XL, XL_INPAINT]
            .contains(&class)
            .then(|| source.json(TEXT_ENCODER_2_CONFIG))
            .transpose()?;
        let noise_levels = (class == ENLARGES).then(|| noise_levels(source, &index)).transpose()?;
        let mut vae = AutoencoderConfig::read(source, vae, index.get(vae))?;
        // What the file leaves out is 0.18215, but was 0.08333 in all models that enlarge.
        if class == ENLARGES
            && vae.scaling_factor() == AutoencoderKLConfig::default().scaling_factor
        {
            vae.set_scaling_factor(0.08333);
        }
        let config = Self {
            text_encoder: source.json(&config(text_encoder))?,
            text_encoder_2: second,
            zeros_for_empty_prompt: index
                .get("force_zeros_for_empty_prompt")
                .is_some_and(|value| value == &Value::Bool(true)),
            unet: source.json(UNET_CONFIG)?,
            vae,
            scheduler: source.json(SCHEDULER_CONFIG)?,
            noise_levels,
        };
        for (file, validity) in [
            (TEXT_ENCODER_CONFIG, config.text_encoder.validate()),
            (
                TEXT_ENCODER_2_CONFIG,
                config.text_encoder_2.as_ref().map_or(Ok(()), ClipTextConfig::validate),
            ),
            (UNET_CONFIG, config.unet.validate()),
            (SCHEDULER_CONFIG, config.scheduler.validate()),
            (UNET_CONFIG, config.fits_together()),
        ] {
            validity.map_err(|reason| source.malformed(file, reason))?;
        }
        Ok(config)
    }

    /// The folder of the text encoder.
    pub(crate) fn text_encoder_part(&self) -> &'static str {
        if self.is_of_the_paper() { "bert" } else { "text_encoder" }
    }

    /// The folder of the autoencoder.
    pub(crate) fn vae_part(&self) -> &'static str {
        if self.is_of_the_paper() { "vqvae" } else { "vae" }
    }

    /// Whether the parts are those that diffusers has in its pipeline for the paper's
    /// text-to-image model: another text encoder than CLIP's, or a vector-quantized autoencoder.
    fn is_of_the_paper(&self) -> bool {
        !matches!(self.text_encoder, TextEncoderConfig::Clip(_))
            || matches!(self.vae, AutoencoderConfig::Vq(_))
    }

    /// Tells whether channels and contexts are the same where parts meet, and pictures RGB.
    ///
    /// # Errors
    /// A sentence that names the key of the U-Net's configuration, or the part.
    pub fn fits_together(&self) -> Result<(), String> {
        let latent = self.vae.latent_channels();
        let latents = match self.vae {
            AutoencoderConfig::Pixels => "pixels",
            _ => "the vae's latents",
        };
        // A model for in-painting sees a mask and the latents of the masked picture as well.
        let seen = match self.beside() {
            Beside::SmallPicture => latent + 3,
            Beside::MaskAndPicture => 2 * latent + 1,
            _ => latent,
        };
        for (what, here, there, whose) in [
            ("in_channels", self.unet.in_channels, seen, latents),
            ("out_channels", self.unet.out_channels, latent, latents),
            (
                "cross_attention_dim",
                self.unet.cross_attention_dim,
                self.text_encoder.hidden_size()
                    + self.text_encoder_2.as_ref().map_or(0, |second| second.hidden_size),
                "the text encoder's states",
            ),
        ] {
            if here != there {
                return Err(format!("{what} is {here}, but {whose} have {there}"));
            }
        }
        if let Some(levels) = &self.noise_levels
            && self.unet.num_class_embeds.is_none_or(|rows| rows <= levels.most)
        {
            let most = levels.most;
            return Err(format!("num_class_embeds has no row for the noise level {most}"));
        }
        if !self.vae.is_of_colours() {
            return Err("the vae is not one of RGB pictures".into());
        }
        Ok(())
    }

    /// Whether the U-Net is one for in-painting, which sees a mask and a picture beside the latents.
    pub fn paints_in(&self) -> bool {
        self.beside() == Beside::MaskAndPicture
    }

    /// What the U-Net sees beside the noisy latents.
    fn beside(&self) -> Beside {
        if self.noise_levels.is_some() {
            Beside::SmallPicture
        } else if self.unet.in_channels == 2 * self.vae.latent_channels() + 1 {
            Beside::MaskAndPicture
        } else {
            Beside::Nothing
        }
    }

    /// Width and height of the pictures that the model was trained on.
    pub fn default_size(&self) -> (usize, usize) {
        default_size(self.unet.sample_size.as_ref(), self.vae.downsampling_factor())
    }

    /// What a request has to know.
    pub fn outline(&self) -> Outline {
        Outline {
            listens_to: ListensTo::Words,
            beside: self.beside(),
            latent_channels: self.vae.latent_channels(),
            downsampling_factor: self.vae.downsampling_factor(),
            default_size: self.default_size(),
            skippable_layers: self.skippable_layers(),
            skip_connections: self.unet.skip_connections(),
            scheduler: self.scheduler.clone(),
            noise_levels: self.noise_levels.clone(),
        }
    }

    fn skippable_layers(&self) -> Option<usize> {
        let layers = self.text_encoder.skippable_layers()?;
        let second = self.text_encoder_2.as_ref().map(|second| second.num_hidden_layers);
        Some(layers.min(second.unwrap_or(layers)))
    }

    /// The files that [`ModelConfig::read`] reads, as text by their names; the index first.
    /// `tokenizer` is transformers' class of the tokenizer.
    pub(crate) fn files(&self, tokenizer: &str) -> Vec<(String, String)> {
        let (encoder, vae) = (self.text_encoder_part(), self.vae_part());
        let mut index = json!({
            "_diffusers_version": "0.30.0",
            "scheduler": ["diffusers", self.scheduler.class_name],
            "tokenizer": ["transformers", tokenizer],
            "unet": ["diffusers", "UNet2DConditionModel"],
            vae: match self.vae.class_name() {
                Some(class) => json!(["diffusers", class]),
                None => json!([null, null]),
            },
            encoder: match self.text_encoder {
                TextEncoderConfig::Clip(_) => json!(["transformers", "CLIPTextModel"]),
                TextEncoderConfig::Bert(_) => json!(["latent_diffusion", "LDMBertModel"]),
                TextEncoderConfig::Sentence(_) => json!(["transformers", "BertModel"]),
            },
        });
        let (class, more) = match &self.text_encoder_2 {
            _ if self.is_of_the_paper() => (LDM, json!({})),
            Some(_) => (
                if self.paints_in() { XL_INPAINT } else { XL },
                json!({
                    "force_zeros_for_empty_prompt": self.zeros_for_empty_prompt,
                    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
                    "tokenizer_2": ["transformers", "CLIPTokenizer"],
                }),
            ),
            _ => (
                match self.beside() {
                    Beside::SmallPicture => ENLARGES,
                    Beside::MaskAndPicture => INPAINT,
                    _ => "StableDiffusionPipeline",
                },
                json!({
                    "feature_extractor": [null, null],
                    "requires_safety_checker": false,
                    "safety_checker": [null, null],
                }),
            ),
        };
        index["_class_name"] = class.into();
        if let (Value::Object(index), Value::Object(more)) = (&mut index, more) {
            index.extend(more);
        }
        if let Some(NoiseLevels { most, scheduler }) = &self.noise_levels {
            index["low_res_scheduler"] = json!(["diffusers", scheduler.class_name]);
            index["max_noise_level"] = json!(most);
        }
        let mut files = vec![
            (INDEX.to_owned(), format!("{index:#}\n")),
            (format!("{encoder}/config.json"), text(&self.text_encoder)),
            (UNET_CONFIG.to_owned(), text(&self.unet)),
            (SCHEDULER_CONFIG.to_owned(), text(&self.scheduler)),
        ];
        if self.vae != AutoencoderConfig::Pixels {
            files.push((format!("{vae}/config.json"), text(&self.vae)));
        }
        if let Some(NoiseLevels { scheduler, .. }) = &self.noise_levels {
            files.push((LOW_RES_SCHEDULER_CONFIG.to_owned(), text(scheduler)));
        }
        if let Some(second) = &self.text_encoder_2 {
            files.push((TEXT_ENCODER_2_CONFIG.to_owned(), text(second)));
        }
        files
    }
}

/// The levels of noise that a model which enlarges was trained with.
fn noise_levels(
    source: &ModelSource,
    index: &BTreeMap<String, Value>,
) -> Result<NoiseLevels, ModelError> {
    let scheduler: SchedulerConfig = source.json(LOW_RES_SCHEDULER_CONFIG)?;
    scheduler.validate().map_err(|reason| source.malformed(LOW_RES_SCHEDULER_CONFIG, reason))?;
    let most = index.get("max_noise_level").and_then(Value::as_u64);
    let most = most.map_or(MAX_NOISE_LEVEL, |most| usize::try_from(most).unwrap_or(usize::MAX));
    // A level is a timestep, and has a row in the U-Net's table.
    Ok(NoiseLevels { most: most.min(scheduler.num_train_timesteps - 1), scheduler })
}

fn text(config: &impl serde::Serialize) -> String {
    let json = serde_json::to_string_pretty(config);
    json.unwrap_or_else(|error| panic!("a configuration is JSON, but {error}")) + "\n"
}
