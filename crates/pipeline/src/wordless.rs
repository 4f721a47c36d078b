//! Models that read no words: the paper's unconditional ones, and those whose condition is a
//! picture beside the latents.

use std::borrow::Cow;

use aquatint_models::{AutoencoderKL, UNet2DConfig, UNet2DModel};
use serde_json::{Map, Value};

use crate::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::class_model::{ClassConfig, ClassModel};
use crate::config::{INDEX, SCHEDULER_CONFIG, UNET_CONFIG};
use crate::model::{Conditioner, Model, Network};
use crate::outline::{Beside, ListensTo, Outline, default_size};
use crate::parts::Parts;
use crate::{Classes, LoadOptions, ModelError, ModelSource, SchedulerConfig, Stages};

/// The folder of the autoencoder, which diffusers calls so of whatever kind it is.
pub(crate) const VQVAE: &str = "vqvae";

/// diffusers' classes of pipelines without words.
const CLASSES: [&str; 5] =
    ["LDMPipeline", "LDMInpaintPipeline", ENLARGES, "DDPMPipeline", "DDIMPipeline"];
const ENLARGES: &str = "LDMSuperResolutionPipeline";

/// The configurations of the parts of a model without words, which fit together.
#[derive(Clone, Debug, PartialEq)]
pub struct WordlessConfig {
    /// The U-Net's.
    pub unet: UNet2DConfig,
    /// The autoencoder's.
    pub autoencoder: AutoencoderConfig,
    /// The noise schedule's.
    pub scheduler: SchedulerConfig,
    /// What the U-Net sees beside the noisy latents.
    pub beside: Beside,
    /// The classes that it draws, if it draws some.
    pub classes: Option<Classes>,
}

impl WordlessConfig {
    /// Reads the configurations of a model, or tells that it is one with words.
    ///
    /// # Errors
    /// If one is missing, or describes what we cannot build, or they do not fit together.
    pub fn read(source: &ModelSource) -> Result<Option<Self>, ModelError> {
        let index: Map<String, Value> = source.json(INDEX)?;
        let class = index.get("_class_name").and_then(Value::as_str).unwrap_or_default();
        if !CLASSES.contains(&class) {
            return Ok(None);
        }
        let mut autoencoder = AutoencoderConfig::read(source, VQVAE, index.get(VQVAE))?;
        if class == ENLARGES {
            // diffusers decodes what the U-Net makes as it is.
            autoencoder.set_scaling_factor(1.0);
        }
        let unet: UNet2DConfig = source.json(UNET_CONFIG)?;
        let beside = match (class, unet.in_channels) {
            (ENLARGES, _) => Beside::SmallPicture,
            (_, channels) if channels == autoencoder.latent_channels() => Beside::Nothing,
            _ => Beside::PictureAndMask,
        };
        let classes = unet.num_class_embeds.map(|rows| Classes::new(rows, &index)).transpose();
        let classes = classes.map_err(|reason| source.malformed(INDEX, reason))?;
        let scheduler = source.json(SCHEDULER_CONFIG)?;
        let config = Self { unet, autoencoder, scheduler, beside, classes };
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
        self.autoencoder.fits(unet.out_channels)?;
        let (seen, what) = match self.beside {
            Beside::SmallPicture => (latent + 3, "and the small picture's three"),
            Beside::Nothing => (latent, "and nothing beside them"),
            _ => (2 * latent + 1, "and as much again and a mask"),
        };
        if unet.in_channels != seen {
            return Err(format!(
                "in_channels is {}, but should be {seen}: the vqvae's latents have {latent}, {what}",
                unet.in_channels
            ));
        }
        if unet.class_embed_type.is_some() {
            return Err("class_embed_type is for a kind of labels that we do not have".into());
        }
        Ok(())
    }

    /// What a request has to know.
    pub fn outline(&self) -> Outline {
        let latent_channels = self.autoencoder.latent_channels();
        let factor = self.autoencoder.downsampling_factor();
        Outline {
            listens_to: self.classes.clone().map_or(ListensTo::Nothing, ListensTo::Classes),
            beside: self.beside,
            latent_channels,
            downsampling_factor: factor,
            default_size: default_size(self.unet.sample_size.as_ref(), factor),
            skippable_layers: None,
            skip_connections: 0,
            scheduler: self.scheduler.clone(),
            noise_levels: None,
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
    let adapted = !(options.loras.is_empty() && options.embeddings.is_empty());
    let classes = ClassConfig::read(source)?;
    if adapted && (classes.is_some() || WordlessConfig::read(source)?.is_some()) {
        return Err(ModelError::NoAdapters);
    }
    if let Some(config) = classes {
        return Ok(Box::new(ClassModel::open(Parts { source, options }, config)?));
    }
    Ok(match WordlessConfig::read(source)? {
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
        self.config.autoencoder.check(&self.parts, VQVAE)
    }
}

impl Model for Wordless<'_> {
    fn outline(&self) -> Outline {
        self.config.outline()
    }

    fn conditioner(&self) -> Result<Conditioner<'_>, ModelError> {
        Ok(self.config.classes.clone().map_or(Conditioner::Nothing, Conditioner::Classes))
    }

    fn network(&self) -> Result<Network<'_>, ModelError> {
        let mut unet = UNet2DModel::new(&self.config.unet);
        self.parts.fill("unet", &mut unet)?;
        Ok(Network::Plain(Cow::Owned(unet)))
    }

    fn encoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        self.config.autoencoder.load(&self.parts, VQVAE, &AutoencoderKL::encodes)
    }

    fn decoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        self.config.autoencoder.load(&self.parts, VQVAE, &|name| !AutoencoderKL::encodes(name))
    }
}
