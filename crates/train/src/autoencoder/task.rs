//! The section `[task]` of a first stage.

use std::path::{Path, PathBuf};

use aquatint_models::PatchDiscriminator;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// What keeps the latents from wandering off: the key `task.regularization`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regularization {
    /// A KL divergence to a standard normal (Kingma & Welling 2014): `[model]` is an
    /// `AutoencoderKL`.
    #[default]
    Kl,
    /// A codebook (van den Oord et al. 2017): `[model]` is a `VQModel`.
    Vq,
}

/// How the loss is gathered: the key `task.loss_form`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossForm {
    /// Means over all numbers of the pictures, and of the latents for the KL divergence: what the
    /// paper's VQ-regularized models were trained with.
    #[default]
    Mean,
    /// Sums over the numbers of a picture and of its latents, means over pictures: what its
    /// KL-regularized models were trained with.
    Sum,
}

/// The section `[task]`. What is not written into a fingerprint if it is not given came later than
/// the first runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderTask {
    /// "kl" or "vq".
    #[serde(default, skip_serializing_if = "is_default")]
    pub regularization: Regularization,
    /// Width and height of the random part of a picture that is trained on.
    pub crop: usize,
    /// Whether half of them are mirrored.
    #[serde(default)]
    pub flip: bool,
    /// "mean" or "sum".
    #[serde(default, skip_serializing_if = "is_default")]
    pub loss_form: LossForm,
    /// Weight of the squared error beside the absolute one.
    #[serde(default)]
    pub mse_weight: f32,
    /// Weight of the KL divergence in nats: for one number of the latents if the loss is made of
    /// means, for a picture if it is made of sums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_weight: Option<f32>,
    /// Weight of the codebook's loss; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codebook_weight: Option<f32>,
    /// Logarithm of the variance that the errors are thought to have, by which sums are divided.
    /// The paper's code calls it a parameter, but gives it to no optimizer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub logvar: f32,
    /// A network of perceptual distances: VGG16, with LPIPS's weights or without, or
    /// EfficientNet-Lite0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perceptual_file: Option<PathBuf>,
    /// LPIPS's weights for VGG16, if they are not in the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perceptual_heads: Option<PathBuf>,
    /// Weight of the perceptual distance; 1 if there is a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perceptual_weight: Option<f32>,
    /// The judge of patches, if there is to be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discriminator: Option<DiscriminatorConfig>,
    /// How many pictures the validation figures are measured on.
    #[serde(default = "default_validation_pictures")]
    pub validation_pictures: usize,
}

/// The section `[task.discriminator]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiscriminatorConfig {
    /// The first step, counted from 0, at which it is there.
    pub start: u64,
    /// Weight of what it says, beside the one that its gradient decides.
    pub weight: f32,
    /// Convolutions with normalization.
    pub layers: usize,
    /// Channels of the first convolution.
    pub channels: usize,
    /// Its highest learning rate; the autoencoder's if not given.
    pub learning_rate: Option<f64>,
}

impl Default for DiscriminatorConfig {
    fn default() -> Self {
        Self { start: 0, weight: 0.5, layers: 3, channels: 64, learning_rate: None }
    }
}

fn default_validation_pictures() -> usize {
    64
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Regularization {
    /// What the file at `path` asks for, which says how to read the rest of it. A file that is no
    /// TOML asks for nothing: whoever reads the rest of it will say what is wrong with it.
    ///
    /// # Errors
    /// If the file cannot be read, or the key has another value.
    pub fn of_file(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let table: toml::Table = toml::from_str(&text).unwrap_or_default();
        match table.get("task").and_then(|task| task.get("regularization")) {
            None => Ok(Self::Kl),
            Some(value) if value.as_str() == Some("kl") => Ok(Self::Kl),
            Some(value) if value.as_str() == Some("vq") => Ok(Self::Vq),
            Some(value) => {
                let value = serde_json::to_string(value).unwrap_or_default();
                let message =
                    format!("`task.regularization` is {value}; it must be \"kl\" or \"vq\"");
                Err(TrainError::Config { path: path.to_path_buf(), message })
            }
        }
    }
}

impl AutoencoderTask {
    /// The weight of the perceptual distance, 0 if there is none.
    pub fn weight_of_perceptual(&self) -> f32 {
        match (self.perceptual_weight, &self.perceptual_file) {
            (Some(weight), _) => weight,
            (None, Some(_)) => 1.0,
            (None, None) => 0.0,
        }
    }

    /// Says what cannot be trained on pictures of width `size` with latents `factor` times smaller.
    pub(super) fn check(&self, factor: usize, size: usize) -> Result<(), String> {
        for (key, value) in [("task.crop", self.crop), ("data.size", size)] {
            if value == 0 || value > size || !value.is_multiple_of(factor) {
                return Err(format!(
                    "`{key}` is {value}; it must be a multiple of {factor}, at most {size}"
                ));
            }
        }
        let vq = self.regularization == Regularization::Vq;
        if vq && self.kl_weight.is_some() {
            return Err("`task.kl_weight` is for regularization = \"kl\"; leave it out".into());
        }
        if !vq && self.kl_weight.is_none() {
            return Err("`task.kl_weight` is missing; 1e-6 is a good beginning".into());
        }
        if !vq && self.codebook_weight.is_some() {
            return Err(
                "`task.codebook_weight` is for regularization = \"vq\"; leave it out".into()
            );
        }
        if self.logvar != 0.0 && self.loss_form == LossForm::Mean {
            return Err("`task.logvar` is for loss_form = \"sum\"; leave it out".into());
        }
        for (key, weight) in [
            ("mse_weight", Some(self.mse_weight)),
            ("kl_weight", self.kl_weight),
            ("codebook_weight", self.codebook_weight),
            ("perceptual_weight", self.perceptual_weight),
            ("discriminator.weight", self.discriminator.as_ref().map(|d| d.weight)),
        ] {
            if let Some(weight) = weight.filter(|w| !w.is_finite() || *w < 0.0) {
                return Err(format!("`task.{key}` is {weight}; it must be 0 or more"));
            }
        }
        if self.weight_of_perceptual() > 0.0 && self.perceptual_file.is_none() {
            return Err(
                "`task.perceptual_weight` needs `task.perceptual_file`: a file of LPIPS or \
                        VGG16, or what `cargo xtask data efficientnet-lite0 FILE` writes"
                    .into(),
            );
        }
        self.discriminator.as_ref().map_or(Ok(()), |judge| judge.check(self.crop))
    }
}

impl DiscriminatorConfig {
    fn check(&self, crop: usize) -> Result<(), String> {
        for (key, value, most) in [("layers", self.layers, 8), ("channels", self.channels, 1024)] {
            if !(1..=most).contains(&value) {
                return Err(format!(
                    "`task.discriminator.{key}` is {value}; it must be from 1 to {most}"
                ));
            }
        }
        if let Some(rate) = self.learning_rate.filter(|rate| !rate.is_finite() || *rate <= 0.0) {
            return Err(format!(
                "`task.discriminator.learning_rate` is {rate}; it must be above 0"
            ));
        }
        let least = PatchDiscriminator::smallest(self.layers);
        if crop < least {
            return Err(format!(
                "`task.crop` is {crop}; a discriminator of {} layers needs at least {least}",
                self.layers
            ));
        }
        Ok(())
    }
}
