//! Stage 1: the KL autoencoder (Rombach et al., arXiv:2112.10752, section 3.1 and appendix G).
//!
//! The loss is the reconstruction's mean absolute error, if asked for with some squared error, and
//! a little of the KL divergence to a standard normal so that the latents do not wander off.

use std::path::Path;

use aquatint_models::{AutoencoderKL, AutoencoderKLConfig};
use aquatint_nn::Module;
use aquatint_pipeline::{Picture, contact_sheet};
use aquatint_tensor::{Rng, Tensor};
use serde::{Deserialize, Serialize};

use crate::colours::COLOURS;
use crate::config::Config;
use crate::data::{Dataset, Drawing};
use crate::error::TrainError;
use crate::export;
use crate::order::Order;
use crate::part::Part;
use crate::pictures::{View, batch};
use crate::standardize::{Moments, standardize};
use crate::task::{Figures, StepLoss, Task};

/// The section `[task]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderTask {
    /// Width and height of the random part of a picture that is trained on.
    pub crop: usize,
    /// Whether half of them are mirrored.
    #[serde(default)]
    pub flip: bool,
    /// Weight of the mean squared error.
    #[serde(default)]
    pub mse_weight: f32,
    /// Weight of the KL divergence, in nats for one number of the latents.
    pub kl_weight: f32,
    /// How many pictures the validation figures are measured on.
    #[serde(default = "default_validation_pictures")]
    pub validation_pictures: usize,
}

fn default_validation_pictures() -> usize {
    64
}

/// A whole configuration file.
pub type AutoencoderConfig = Config<AutoencoderTask, AutoencoderKLConfig>;

/// Pictures that pass through the network at once outside of training.
const AT_ONCE: usize = 16;
/// Training pictures that the scale of the latents is measured on.
const SCALE_PICTURES: usize = 256;
/// Columns of the sample grid.
const COLUMNS: usize = 8;

/// The autoencoder in training.
pub struct Autoencoder {
    config: AutoencoderConfig,
    data: Dataset,
    order: Order,
    model: AutoencoderKL,
}

impl Autoencoder {
    /// Checks that configuration and data fit together.
    pub fn new(config: AutoencoderConfig, data: Dataset) -> Result<Self, TrainError> {
        config.model.validate().map_err(TrainError::Data)?;
        let (factor, crop) = (config.model.downsampling_factor(), config.task.crop);
        for (key, size) in [("task.crop", crop), ("data.size", data.size)] {
            if size == 0 || size > data.size || !size.is_multiple_of(factor) {
                return Err(TrainError::Data(format!(
                    "`{key}` is {size}; it must be a multiple of {factor}, at most {}",
                    data.size
                )));
            }
        }
        if config.model.in_channels != 3 || config.model.out_channels != 3 {
            return Err(TrainError::Data("pictures have three channels".into()));
        }
        let order = Order::new(data.train.len(), config.run.seed);
        let model = AutoencoderKL::new(&config.model);
        Ok(Self { config, data, order, model })
    }

    /// What is validated on: held-out pictures, each colour behind one after the other.
    fn validation(&self) -> Vec<View<'_>> {
        let pictures = self.data.validation.iter().take(self.config.task.validation_pictures);
        on_every_colour(pictures).collect()
    }

    fn whole(&self, views: &[View<'_>]) -> Tensor {
        batch(views, self.data.size, self.data.size)
    }

    /// The moments of the latents of training pictures.
    fn moments(&self) -> Moments {
        let train = &self.data.train;
        let spread = (train.len() / SCALE_PICTURES).max(1);
        let chosen = train.iter().step_by(spread).take(SCALE_PICTURES);
        let views: Vec<View<'_>> = on_every_colour(chosen).collect();
        let latents = views.chunks(AT_ONCE).map(|some| self.model.encode(&self.whole(some)).mode());
        Moments::of(latents, self.config.model.latent_channels)
    }
}

fn on_every_colour<'a>(
    drawings: impl Iterator<Item = &'a Drawing>,
) -> impl Iterator<Item = View<'a>> {
    drawings.zip(COLOURS.iter().cycle()).map(|(drawing, colour)| View::whole(drawing, colour.rgb))
}

/// Mean squared difference, for values from -1 to 1, as decibels below the whole range.
fn psnr(mean_squared: f64) -> f64 {
    10.0 * (4.0 / mean_squared.max(1e-12)).log10()
}

impl Task for Autoencoder {
    fn name(&self) -> &'static str {
        "autoencoder"
    }

    fn model(&self) -> &dyn Module {
        &self.model
    }

    fn model_mut(&mut self) -> &mut dyn Module {
        &mut self.model
    }

    fn loss(&mut self, step: u64, part: Part, rng: &mut Rng) -> StepLoss {
        let AutoencoderTask { crop, flip, mse_weight, kl_weight, .. } = self.config.task;
        let size = self.data.size;
        let views: Vec<View<'_>> = self
            .order
            .batch(step, self.config.run.batch_size)
            .into_iter()
            .map(|i| View {
                drawing: &self.data.train[i],
                background: COLOURS[rng.below(COLOURS.len())].rgb,
                corner: [rng.below(size - crop + 1), rng.below(size - crop + 1)],
                mirrored: flip && rng.below(2) == 1,
            })
            .collect();
        let image = batch(&part.share(views), size, crop);

        let posterior = self.model.encode(&image);
        let latents = posterior.at(&part.randn(posterior.mean.shape(), rng));
        let error = self.model.decode(&latents).sub(&image);
        let absolute = error.abs().mean();
        let squared = error.sqr().mean();
        let per_latent = image.dim(0) as f32 / latents.len() as f32;
        let kl = posterior.kl().scale(per_latent);
        let parts = vec![
            ("absolute", f64::from(absolute.item())),
            ("psnr", psnr(f64::from(squared.item()))),
            ("kl", f64::from(kl.item())),
        ];
        let loss = absolute.add(&squared.scale(mse_weight)).add(&kl.scale(kl_weight));
        StepLoss { loss, parts }
    }

    fn validate(&mut self) -> Figures {
        let views = self.validation();
        if views.is_empty() {
            return Vec::new();
        }
        let (mut absolute, mut decibels) = (0.0, 0.0);
        for views in views.chunks(AT_ONCE) {
            let image = self.whole(views);
            let error = self.model.decode(&self.model.encode(&image).mode()).sub(&image);
            absolute += f64::from(error.abs().mean().item()) * views.len() as f64;
            // The mean of the pictures' figures, as it is usually given.
            let values = error.to_vec();
            for picture in values.chunks_exact(values.len() / views.len()) {
                let squared: f64 = picture.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
                decibels += psnr(squared / picture.len() as f64);
            }
        }
        let count = views.len() as f64;
        vec![("psnr", decibels / count), ("absolute", absolute / count)]
    }

    fn samples(&mut self) -> Option<Picture> {
        let drawings =
            if self.data.validation.is_empty() { &self.data.train } else { &self.data.validation };
        let spread = (drawings.len() / (2 * COLUMNS)).max(1);
        let views: Vec<View<'_>> =
            on_every_colour(drawings.iter().step_by(spread).take(2 * COLUMNS)).collect();
        let mut rows = Vec::new();
        for views in views.chunks(COLUMNS) {
            let image = self.whole(views);
            let again = self.model.decode(&self.model.encode(&image).mode());
            rows.extend(Picture::from_images(&image));
            rows.extend(Picture::from_images(&again));
        }
        Some(contact_sheet(&rows, COLUMNS.min(views.len())))
    }

    /// The latents of the exported autoencoder have mean 0 and variance 1, as far as it has the
    /// means for that; what is missing does its scaling factor.
    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        let folder = folder.join("vae");
        let moments = self.moments();
        let mut vae = self.model.clone();
        let standard = standardize(&mut vae, &moments);
        let mut config = self.config.model.clone();
        config.scaling_factor = if standard { 1.0 } else { 1.0 / moments.overall_std() };
        config.sample_size = Some(aquatint_models::PerBlock::Same(self.data.size));
        export::weights(&folder.join("diffusion_pytorch_model.safetensors"), &vae)?;
        export::json(&folder.join("config.json"), &config)
    }
}
