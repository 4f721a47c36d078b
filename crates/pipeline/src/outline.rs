//! What there is to know about a model before a request for it can be refused: less than its
//! configurations, and the same for all kinds of models.

use aquatint_models::PerBlock;

use crate::class_model::ClassConfig;
use crate::{Classes, ModelConfig, ModelError, ModelSource, SchedulerConfig, WordlessConfig};

/// Sizes and channels, and what the U-Net is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// What the U-Net is told about the picture.
    pub listens_to: ListensTo,
    /// What the U-Net sees beside the noisy latents.
    pub beside: Beside,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// How many times smaller the latents are than the picture, in each direction.
    pub downsampling_factor: usize,
    /// Width and height of the pictures that the model was trained on, in pixels.
    pub default_size: (usize, usize),
    /// How many of the text encoder's last layers can be skipped; `None` if it is not known for
    /// its layers.
    pub skippable_layers: Option<usize>,
    /// Skip connections of the U-Net to cache below; without any it cannot be cached.
    pub skip_connections: usize,
    /// The noise schedule.
    pub scheduler: SchedulerConfig,
    /// How much noise the small picture may have, for a model that enlarges and wants to hear it.
    pub noise_levels: Option<NoiseLevels>,
}

/// Noise that is added to a picture before it is enlarged, so that the model may replace what it
/// would otherwise keep (Ho et al. 2021, "Cascaded diffusion models", section 4.2).
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseLevels {
    /// The largest level: a timestep of the schedule.
    pub most: usize,
    /// What the levels mean.
    pub scheduler: SchedulerConfig,
}

/// What a U-Net is told about the picture besides the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListensTo {
    /// A prompt.
    Words,
    /// The number of a class.
    Classes(Classes),
    /// Nothing.
    Nothing,
}

/// What a U-Net sees beside the noisy latents, in more channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// The mask, 1 where to paint, and the latents of the picture that is grey there: Stable
    /// Diffusion's models for in-painting, of 9 channels.
    MaskAndPicture,
    /// The latents of the picture that is black where to paint, and the mask, 1 there and −1
    /// elsewhere: the paper's model for in-painting (Rombach et al. 2022, section 4.5), of 7
    /// channels.
    PictureAndMask,
    /// The pixels of a picture as small as the latents, which it enlarges: the paper's model for
    /// super-resolution (Rombach et al. 2022, section 4.4), and Stable Diffusion's.
    SmallPicture,
}

impl Outline {
    /// That of the model in `source`.
    ///
    /// # Errors
    /// If its configurations are not those of a model that we can draw with.
    pub fn read(source: &ModelSource) -> Result<Self, ModelError> {
        if let Some(config) = ClassConfig::read(source)? {
            return Ok(config.outline());
        }
        Ok(match WordlessConfig::read(source)? {
            Some(config) => config.outline(),
            None => ModelConfig::read(source)?.outline(),
        })
    }

    /// Whether there is anything that a picture can be guided away from.
    pub fn guided(&self) -> bool {
        match &self.listens_to {
            ListensTo::Words => true,
            ListensTo::Classes(classes) => classes.none.is_some(),
            ListensTo::Nothing => false,
        }
    }

    /// Whether the model is for in-painting only.
    pub fn paints_in(&self) -> bool {
        matches!(self.beside, Beside::MaskAndPicture | Beside::PictureAndMask)
    }
}

/// Width and height in pixels, where `sample_size` is that of the latents.
pub(crate) fn default_size(sample_size: Option<&PerBlock<usize>>, factor: usize) -> (usize, usize) {
    match sample_size {
        Some(PerBlock::Same(side)) => (side.saturating_mul(factor), side.saturating_mul(factor)),
        Some(PerBlock::Each(sides)) if sides.len() == 2 => {
            (sides[1].saturating_mul(factor), sides[0].saturating_mul(factor))
        }
        _ => (64 * factor, 64 * factor),
    }
}
