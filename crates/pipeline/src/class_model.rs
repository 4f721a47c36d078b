//! Models that are told a class as they would be told words: the paper's class-conditional ones
//! (Rombach et al. 2022, section 4.1 and appendix E.2).

use std::borrow::Cow;

use aquatint_models::{
    AutoencoderKL, ClassEmbedder, ClassEmbedderConfig, UNet2DConditionConfig, UNet2DConditionModel,
};
use serde_json::{Map, Value};

use crate::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::config::{INDEX, SCHEDULER_CONFIG, UNET_CONFIG};
use crate::model::{Conditioner, Model, Network};
use crate::outline::{Beside, ListensTo, Outline, default_size};
use crate::parts::Parts;
use crate::wordless::VQVAE;
use crate::{Classes, ModelError, ModelSource, SchedulerConfig, int8};

/// The part that turns classes into words.
const EMBEDDER: &str = "class_embedder";

/// The configurations of the parts of such a model, which fit together.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassConfig {
    /// The U-Net's.
    pub unet: UNet2DConditionConfig,
    /// That of the table of classes.
    pub class_embedder: ClassEmbedderConfig,
    /// The autoencoder's.
    pub autoencoder: AutoencoderConfig,
    /// The noise schedule's.
    pub scheduler: SchedulerConfig,
    /// The classes.
    pub classes: Classes,
}

impl ClassConfig {
    /// Reads the configurations of a model, or tells that it is of another kind.
    ///
    /// # Errors
    /// If one is missing, or describes what we cannot build, or they do not fit together.
    pub fn read(source: &ModelSource) -> Result<Option<Self>, ModelError> {
        let index: Map<String, Value> = source.json(INDEX)?;
        if index.get(EMBEDDER).is_none_or(Value::is_null) {
            return Ok(None);
        }
        let file = format!("{EMBEDDER}/config.json");
        let class_embedder: ClassEmbedderConfig = source.json(&file)?;
        let classes = Classes::new(class_embedder.n_classes, &index);
        let classes = classes.map_err(|reason| source.malformed(INDEX, reason))?;
        let config = Self {
            unet: source.json(UNET_CONFIG)?,
            class_embedder,
            autoencoder: AutoencoderConfig::read(source, VQVAE, index.get(VQVAE))?,
            scheduler: source.json(SCHEDULER_CONFIG)?,
            classes,
        };
        for (file, validity) in [
            (file.as_str(), config.class_embedder.validate()),
            (UNET_CONFIG, config.unet.validate()),
            (SCHEDULER_CONFIG, config.scheduler.validate()),
            (UNET_CONFIG, config.fits_together()),
        ] {
            validity.map_err(|reason| source.malformed(file, reason))?;
        }
        Ok(Some(config))
    }

    fn fits_together(&self) -> Result<(), String> {
        let (unet, latent) = (&self.unet, self.autoencoder.latent_channels());
        self.autoencoder.fits(unet.out_channels)?;
        for (what, here, there, whose) in [
            ("in_channels", unet.in_channels, latent, "the vqvae's latents"),
            (
                "cross_attention_dim",
                unet.cross_attention_dim,
                self.class_embedder.embed_dim,
                "the vectors of the classes",
            ),
        ] {
            if here != there {
                return Err(format!("{what} is {here}, but {whose} have {there}"));
            }
        }
        Ok(())
    }

    /// What a request has to know.
    pub fn outline(&self) -> Outline {
        let factor = self.autoencoder.downsampling_factor();
        Outline {
            skippable_layers: None,
            listens_to: ListensTo::Classes(self.classes.clone()),
            beside: Beside::Nothing,
            latent_channels: self.autoencoder.latent_channels(),
            downsampling_factor: factor,
            default_size: default_size(self.unet.sample_size.as_ref(), factor),
            skip_connections: self.unet.skip_connections(),
            scheduler: self.scheduler.clone(),
            noise_levels: None,
        }
    }
}

/// A model of classes of which one part at a time is in memory.
pub(crate) struct ClassModel<'a> {
    parts: Parts<'a>,
    config: ClassConfig,
}

impl<'a> ClassModel<'a> {
    /// Looks at everything that is known of the model without reading its numbers.
    ///
    /// # Errors
    /// If a part is missing or damaged, or not as described.
    pub fn open(parts: Parts<'a>, config: ClassConfig) -> Result<Self, ModelError> {
        parts.check(EMBEDDER, &ClassEmbedder::new(&config.class_embedder))?;
        parts.check("unet", &UNet2DConditionModel::new(&config.unet))?;
        config.autoencoder.check(&parts, VQVAE)?;
        Ok(Self { parts, config })
    }
}

impl Model for ClassModel<'_> {
    fn outline(&self) -> Outline {
        self.config.outline()
    }

    fn conditioner(&self) -> Result<Conditioner<'_>, ModelError> {
        let mut embedder = ClassEmbedder::new(&self.config.class_embedder);
        self.parts.fill(EMBEDDER, &mut embedder)?;
        Ok(Conditioner::Embedder(Box::new(embedder), self.config.classes.clone()))
    }

    fn network(&self) -> Result<Network<'_>, ModelError> {
        let mut unet = UNet2DConditionModel::new(&self.config.unet);
        if self.parts.options.int8 {
            int8::choose(&mut unet);
        }
        self.parts.fill("unet", &mut unet)?;
        Ok(Network::Conditioned(Cow::Owned(unet)))
    }

    fn encoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        self.config.autoencoder.load(&self.parts, VQVAE, &AutoencoderKL::encodes)
    }

    fn decoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        self.config.autoencoder.load(&self.parts, VQVAE, &|name| !AutoencoderKL::encodes(name))
    }
}
