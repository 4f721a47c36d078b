//! What a first stage is, without its weights.

use aquatint_models::{AutoencoderKL, AutoencoderKLConfig, VQModel, VQModelConfig};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Autoencoder;
use crate::parts::Parts;
use crate::{ModelError, ModelSource};

/// The configuration of a first stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AutoencoderConfig {
    /// One that is regularized to a Gaussian.
    Kl(AutoencoderKLConfig),
    /// A vector-quantized one.
    Vq(VQModelConfig),
    /// There is none: the latents are the pixels, in [−1, 1].
    Pixels,
}

impl AutoencoderConfig {
    /// The configuration in the folder `part` of a model, or that there is none if `index`, its
    /// `model_index.json`, has no class for that part.
    ///
    /// # Errors
    /// If it is missing, or describes what we cannot build.
    pub(crate) fn read(
        source: &ModelSource,
        part: &str,
        class: Option<&Value>,
    ) -> Result<Self, ModelError> {
        let file = &format!("{part}/config.json");
        let named = class.is_some_and(|class| class[1].is_string());
        if !named && !source.has(file) {
            return Ok(Self::Pixels);
        }
        let config: Self = source.json(file)?;
        config.validate().map_err(|reason| source.malformed(file, reason))?;
        Ok(config)
    }

    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            Self::Kl(config) => config.validate(),
            Self::Vq(config) => config.validate(),
            Self::Pixels => Ok(()),
        }
    }

    /// How many times smaller the latents are than the picture, in each direction.
    pub fn downsampling_factor(&self) -> usize {
        match self {
            Self::Kl(config) => config.downsampling_factor(),
            Self::Vq(config) => config.downsampling_factor(),
            Self::Pixels => 1,
        }
    }

    /// Channels of the latents.
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::Kl(config) => config.latent_channels,
            Self::Vq(config) => config.embed_dim(),
            Self::Pixels => 3,
        }
    }

    /// What the latents are multiplied by for the U-Net.
    pub fn scaling_factor(&self) -> f64 {
        match self {
            Self::Kl(config) => config.scaling_factor,
            Self::Vq(config) => config.scaling_factor,
            Self::Pixels => 1.0,
        }
    }

    /// Changes what the latents are multiplied by, where there is an autoencoder.
    pub fn set_scaling_factor(&mut self, factor: f64) {
        match self {
            Self::Kl(config) => config.scaling_factor = factor,
            Self::Vq(config) => config.scaling_factor = factor,
            Self::Pixels => {}
        }
    }

    /// Whether it takes and makes pictures of three channels.
    pub fn is_of_colours(&self) -> bool {
        let channels = match self {
            Self::Kl(config) => [config.in_channels, config.out_channels],
            Self::Vq(config) => [config.in_channels, config.out_channels],
            Self::Pixels => [3, 3],
        };
        channels == [3, 3]
    }

    /// diffusers' class of it, if there is one.
    pub fn class_name(&self) -> Option<&'static str> {
        match self {
            Self::Kl(_) => Some("AutoencoderKL"),
            Self::Vq(_) => Some("VQModel"),
            Self::Pixels => None,
        }
    }

    /// Whether it is one of RGB pictures, whose latents have as many channels as the U-Net's.
    ///
    /// # Errors
    /// A sentence about the U-Net's configuration, or the part.
    pub(crate) fn fits(&self, out_channels: usize) -> Result<(), String> {
        let latent = self.latent_channels();
        if out_channels != latent {
            let whose = if *self == Self::Pixels { "pixels" } else { "the vqvae's latents" };
            return Err(format!("out_channels is {out_channels}, but {whose} have {latent}"));
        }
        if !self.is_of_colours() {
            return Err("the vqvae is not one of RGB pictures".into());
        }
        Ok(())
    }

    /// Whether the weights of the autoencoder are there, in the folder `part`.
    ///
    /// # Errors
    /// If they are not, or not as described, or if some were given for a model without one.
    pub(crate) fn check(&self, parts: &Parts<'_>, part: &str) -> Result<(), ModelError> {
        match self {
            Self::Kl(config) => parts.check(part, &AutoencoderKL::new(config)),
            Self::Vq(config) => parts.check(part, &VQModel::new(config)),
            Self::Pixels => parts.options.parts.get("vae").map_or(Ok(()), |file| {
                let reason = "is for a model with an autoencoder, but this one draws pixels".into();
                Err(ModelError::NoModel { file: file.display().to_string(), reason })
            }),
        }
    }

    /// The autoencoder with those weights of the folder `part` that are `wanted` by name.
    ///
    /// # Errors
    /// If they cannot be read any more.
    pub(crate) fn load(
        &self,
        parts: &Parts<'_>,
        part: &str,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Autoencoder<'static>, ModelError> {
        let mut autoencoder = Autoencoder::new(self);
        match &mut autoencoder {
            Autoencoder::Kl(vae) => parts.fill_some(part, vae.to_mut(), wanted)?,
            Autoencoder::Vq(vae) => parts.fill_some(part, vae.to_mut(), wanted)?,
            Autoencoder::Pixels => {}
        }
        Ok(autoencoder)
    }
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self::Kl(AutoencoderKLConfig::default())
    }
}

impl<'de> Deserialize<'de> for AutoencoderConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let parsed = match value.get("_class_name").and_then(Value::as_str) {
            Some("VQModel") => serde_json::from_value(value).map(Self::Vq),
            _ if value.get("num_vq_embeddings").is_some() => {
                serde_json::from_value(value).map(Self::Vq)
            }
            _ => serde_json::from_value(value).map(Self::Kl),
        };
        parsed.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_known_by_its_class() {
        let read = |text: &str| serde_json::from_str::<AutoencoderConfig>(text).expect("JSON");
        assert_eq!(read("{}"), AutoencoderConfig::default());
        let vq = read("{\"_class_name\": \"VQModel\", \"scaling_factor\": 0.5}");
        assert_eq!((vq.class_name(), vq.scaling_factor()), (Some("VQModel"), 0.5));
        assert_eq!(read(&serde_json::to_string(&vq).expect("JSON")), vq);
    }
}
