//! Stage 3 without words: a U-Net that hears of a class, of a small picture, or of nothing
//! (Rombach et al. 2022, sections 3.3 and 4; Algorithm 1 of DDPM on latents).
//!
//! A class is a row of a table that is added to the time. Some are left out, so that the last row
//! learns what pictures look like when none is asked for, which guidance needs. A small picture
//! lies beside the noisy latents, as channels.

mod begun;
mod checks;
mod export;
mod heard;
mod samples;
mod task;

use std::path::Path;

use aquatint_models::UNet2DModel;
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::{Autoencoder, ModelSource, Picture};
use aquatint_tensor::{Rng, Tensor};

pub use self::task::{WordlessConfig, WordlessNetworks, WordlessTask};

use self::heard::Noise;
use crate::classes::Classes;
use crate::conditioning::Conditioning;
use crate::data::Dataset;
use crate::denoising::Denoising;
use crate::error::TrainError;
use crate::monitor::Monitor;
use crate::part::Part;
use crate::pictures::View;
use crate::ranks::Ranks;
use crate::sums;
use crate::task::{Figures, StepLoss, Task};
use crate::weighting::LossConfig;

/// The U-Net in training, with the frozen first stage.
pub struct Wordless {
    config: WordlessConfig,
    denoising: Denoising,
    /// If there are classes.
    classes: Option<Classes>,
    unet: UNet2DModel,
    vae: Autoencoder<'static>,
}

impl Wordless {
    /// Loads the first stage and encodes the pictures.
    ///
    /// # Errors
    /// If the configuration, the data or the first stage do not fit together.
    pub fn new(
        mut config: WordlessConfig,
        data: Dataset,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        checks::task(&config).map_err(TrainError::Data)?;
        let parts = config.task.parts_from.as_ref().unwrap_or(&config.run.export);
        let vae = config.task.first_stage.load(parts, data.size, config.run.dtype.into())?;
        let classes = match config.task.conditioning {
            Conditioning::Class => {
                Some(Classes::of(&data, &config.task.class_keys, &config.task.class_words)?)
            }
            _ => None,
        };
        let rows = classes.as_ref().map(Classes::rows);
        let side = data.size / vae.downsampling_factor();
        checks::unet(&config, &vae.config(), rows, side).map_err(TrainError::Data)?;
        config.model.unet.num_class_embeds = rows;

        let unet = match &config.task.start_from {
            None => UNet2DModel::new(&config.model.unet),
            Some(folder) => {
                let weights = ModelSource::Folder(folder.clone())
                    .weights("diffusion_pytorch_model.safetensors")
                    .map_err(TrainError::checkpoint(folder))?;
                begun::load(&config.model.unet, &weights, config.run.seed)
                    .map_err(TrainError::checkpoint(folder))?
            }
        };
        let variants = config.task.variants_per_image;
        let scheduler = &config.model.scheduler;
        let mut denoising =
            Denoising::new(&config.run, scheduler, data, variants, &vae, monitor, ranks)?;
        if config.task.conditioning != Conditioning::LowResolution {
            denoising.needs_latents_only();
        }
        Ok(Self { config, denoising, classes, unet, vae })
    }

    /// The class of a training picture, or the null class for what has none.
    fn class(&self, of: impl Fn(&Classes) -> usize) -> usize {
        self.classes.as_ref().map_or(0, of)
    }
}

impl Task for Wordless {
    fn name(&self) -> &'static str {
        "diffusion"
    }

    fn model(&self) -> &dyn Module {
        &self.unet
    }

    fn model_mut(&mut self) -> &mut dyn Module {
        &mut self.unet
    }

    fn init(&mut self, seed: u64) {
        if self.config.task.start_from.is_none() {
            self.unet.init(seed);
        }
    }

    fn started_from(&self) -> Option<&Path> {
        self.config.task.start_from.as_deref()
    }

    fn parts_from(&self) -> Option<&Path> {
        self.config.task.parts_from.as_deref()
    }

    fn built_on(&self) -> Vec<(&'static str, String)> {
        let classes = self.classes.as_ref().map(|classes| ("classes", sums::lines(&classes.names)));
        [self.denoising.built_on()].into_iter().chain(classes).collect()
    }

    fn fetch(&mut self, step: u64, part: Part) -> Result<(), TrainError> {
        self.denoising.fetch(step, part)
    }

    fn loss(&mut self, step: u64, part: Part, rng: &mut Rng) -> StepLoss {
        let batch = self.denoising.batch(step);
        let (denoising, task) = (&self.denoising, &self.config.task);
        let chosen: Vec<(usize, usize)> =
            batch.into_iter().map(|i| (i, rng.below(task.variants_per_image))).collect();
        let classes: Vec<usize> = chosen
            .iter()
            .map(|&(i, _)| {
                let left_out = rng.uniform() < task.empty_classes;
                self.class(|known| if left_out { known.null() } else { known.of_train[i] })
            })
            .collect();
        let noise = Noise::draw(task.low_resolution_noise, chosen.len(), part, rng);
        let chosen = part.share(chosen);
        let views: Vec<View<'_>> = chosen.iter().map(|&chosen| denoising.view(chosen)).collect();
        let heard = self.heard(&views, part.share(classes), &noise);
        let network = |xt: &Tensor, t: &[f32]| self.answer(xt, t, &heard);
        let loss = denoising.loss(&task.loss, network, &denoising.x0(&chosen), part, rng);
        StepLoss { loss, parts: Vec::new() }
    }

    /// The loss on held-out pictures.
    fn validate(&mut self) -> Figures {
        let denoising = &self.denoising;
        denoising.validate(&self.vae, |some, views, x0, rng| {
            let classes = some.map(|i| self.class(|known| known.of_validation[i])).collect();
            let heard = self.heard(views, classes, &Noise::NONE);
            let network = |xt: &Tensor, t: &[f32]| self.answer(xt, t, &heard);
            denoising.loss(&LossConfig::default(), network, x0, Part::WHOLE, rng)
        })
    }

    fn samples(&mut self) -> Option<Picture> {
        self.sheet()
    }

    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.write(folder)
    }
}
