//! Models that read no words: the paper's unconditional ones, and those whose condition is a
//! picture beside the latents.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aquatint_models::{
    AutoencoderKL, AutoencoderKLConfig, UNet2DConfig, UNet2DModel, VQModel, VQModelConfig,
};
use serde_json::Value;

use crate::config::{INDEX, SCHEDULER_CONFIG, UNET_CONFIG};
use crate::model::{Autoencoder, Conditioner, Model, Network};
use crate::outline::{Beside, ListensTo, Outline, default_size};
use crate::parts::Parts;
use crate::{LoadOptions, ModelError, ModelSource, SchedulerConfig, Stages};

/// The folder of the autoencoder, which diffusers calls so of whatever kind it is.
pub(crate) const VQVAE: &str = "vqvae";

/// diffusers' classes of pipelines without words.
const CLASSES: [&str; 2] = ["LDMPipeline", "LDMInpaintPipeline"];

/// The configurations of the parts of a model without words, which fit together.
#[derive(Clone, Debug, PartialEq)]
pub struct WordlessConfig {
    /// The U-Net's.
    pub unet: UNet2DConfig,
    /// The autoencoder's.
    pub autoencoder: AutoencoderConfig,
    /// The noise schedule's.
    pub scheduler: SchedulerConfig,
}

/// The configuration of an autoencoder of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum AutoencoderConfig {
    /// One that is regularized to a Gaussian.
    Kl(AutoencoderKLConfig),
    /// A vector-quantized one.
    Vq(VQModelConfig),
}

impl AutoencoderConfig {
    /// The configuration in a file, after a look at its class.
    pub(crate) fn read(source: &ModelSource, file: &str) -> Result<Self, ModelError> {
        let json: BTreeMap<String, Value> = source.json(file)?;
        let config = match json.get("_class_name").and_then(Value::as_str) {
            Some("AutoencoderKL") => Self::Kl(source.json(file)?),
            _ => Self::Vq(source.json(file)?),
        };
        let validity = match &config {
            Self::Kl(config) => config.validate(),
            Self::Vq(config) => config.validate(),
        };
        validity.map_err(|reason| source.malformed(file, reason))?;
        Ok(config)
    }

    /// How many times smaller the latents are than the picture, in each direction.
    pub fn downsampling_factor(&self) -> usize {
        match self {
            Self::Kl(config) => config.downsampling_factor(),
            Self::Vq(config) => config.downsampling_factor(),
        }
    }

    /// Channels of the latents.
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::Kl(config) => config.latent_channels,
            Self::Vq(config) => config.embed_dim(),
        }
    }

    fn channels(&self) -> [usize; 2] {
        match self {
            Self::Kl(config) => [config.in_channels, config.out_channels],
            Self::Vq(config) => [config.in_channels, config.out_channels],
        }
    }
}

impl WordlessConfig {
    /// Reads the configurations of a model, or tells that it is one with words.
    ///
    /// # Errors
    /// If one is missing, or describes what we cannot build, or they do not fit together.
    pub fn read(source: &ModelSource) -> Result<Option<Self>, ModelError> {
        let index: BTreeMap<String, Value> = source.json(INDEX)?;
        let class = index.get("_class_name").and_then(Value::as_str).unwrap_or_default();
        if !CLASSES.contains(&class) {
            return Ok(None);
        }
        let vqvae = format!("{VQVAE}/config.json");
        let config = Self {
            unet: source.json(UNET_CONFIG)?,
            autoencoder: AutoencoderConfig::read(source, &vqvae)?,
            scheduler: source.json(SCHEDULER_CONFIG)?,
        };
        for (file, validity) in [
            (UNET_CONFIG, config.unet.validate()),
            (SCHEDULER_CONFIG, config.scheduler.validate()),
            (UNET_CONFIG, config.fits_together()),
        ] {
            validity.map_err(|reason| source.malformed(file, reason))?;
        }
        Ok(Some(config))
    }

    fn fits_together(&self) -> Result<(), String> {
        let (latent, unet) = (self.autoencoder.latent_channels(), &self.unet);
        if unet.out_channels != latent {
            let there = unet.out_channels;
            return Err(format!("out_channels is {there}, but the vqvae's latents have {latent}"));
        }
        if ![latent, 2 * latent + 1].contains(&unet.in_channels) {
            let there = unet.in_channels;
            return Err(format!(
                "in_channels is {there}, but the vqvae's latents have {latent}: we know models \
                 that see nothing beside them, or as much again and a mask"
            ));
        }
        if self.autoencoder.channels() != [3, 3] {
            return Err("the vqvae is not one of RGB pictures".into());
        }
        if unet.num_class_embeds.is_some() || unet.class_embed_type.is_some() {
            return Err("num_class_embeds is for a model of classes".into());
        }
        Ok(())
    }

    /// What a request has to know.
    pub fn outline(&self) -> Outline {
        let latent_channels = self.autoencoder.latent_channels();
        let factor = self.autoencoder.downsampling_factor();
        let alone = self.unet.in_channels == latent_channels;
        Outline {
            listens_to: ListensTo::Nothing,
            beside: if alone { Beside::Nothing } else { Beside::PictureAndMask },
            latent_channels,
            downsampling_factor: factor,
            default_size: default_size(self.unet.sample_size.as_ref(), factor),
            skippable_layers: None,
            skip_connections: 0,
            scheduler: self.scheduler.clone(),
        }
    }
}

/// Opens a model of any kind, to load its parts when their stage comes.
///
/// # Errors
/// If a part is missing, damaged, or does not fit the others.
pub fn open_model<'a>(
    source: &'a ModelSource,
    options: &'a LoadOptions,
) -> Result<Box<dyn Model + 'a>, ModelError> {
    Ok(match WordlessConfig::read(source)? {
        Some(_) if !(options.loras.is_empty() && options.embeddings.is_empty()) => {
            return Err(ModelError::NoAdapters);
        }
        Some(config) => {
            let stages = Wordless { parts: Parts { source, options }, config };
            stages.check()?;
            Box::new(stages)
        }
        None => Box::new(Stages::open(source, options)?),
    })
}

/// A model without words of which one part at a time is in memory.
struct Wordless<'a> {
    parts: Parts<'a>,
    config: WordlessConfig,
}

impl Wordless<'_> {
    fn check(&self) -> Result<(), ModelError> {
        self.parts.check("unet", &UNet2DModel::new(&self.config.unet))?;
        match &self.config.autoencoder {
            AutoencoderConfig::Kl(config) => self.parts.check(VQVAE, &AutoencoderKL::new(config)),
            AutoencoderConfig::Vq(config) => self.parts.check(VQVAE, &VQModel::new(config)),
        }
    }

    fn autoencoder(
        &self,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Autoencoder<'static>, ModelError> {
        Ok(match &self.config.autoencoder {
            AutoencoderConfig::Kl(config) => {
                let mut vae = AutoencoderKL::new(config);
                self.parts.fill_some(VQVAE, &mut vae, wanted)?;
                Autoencoder::Kl(Cow::Owned(vae))
            }
            AutoencoderConfig::Vq(config) => {
                let mut vae = VQModel::new(config);
                self.parts.fill_some(VQVAE, &mut vae, wanted)?;
                Autoencoder::Vq(Cow::Owned(vae))
            }
        })
    }
}

impl Model for Wordless<'_> {
    fn outline(&self) -> Outline {
        self.config.outline()
    }

    fn conditioner(&self) -> Result<Conditioner<'_>, ModelError> {
        Ok(Conditioner::Nothing)
    }

    fn network(&self) -> Result<Network<'_>, ModelError> {
        let mut unet = UNet2DModel::new(&self.config.unet);
        self.parts.fill("unet", &mut unet)?;
        Ok(Network::Plain(Cow::Owned(unet)))
    }

    fn encoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        self.autoencoder(&AutoencoderKL::encodes)
    }

    fn decoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        self.autoencoder(&|name| !AutoencoderKL::encodes(name))
    }
}
