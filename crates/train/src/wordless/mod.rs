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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aquatint_diffusion::{PredictionType, Schedule, weighted_denoising_loss};
use aquatint_models::{AutoencoderKL, UNet2DConfig, UNet2DModel};
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::{ModelSource, Picture, SchedulerConfig};
use aquatint_tensor::{Rng, Tensor};
use serde::{Deserialize, Serialize};

use self::heard::{Heard, Noise};
use crate::classes::Classes;
use crate::colours::{COLOURS, WHITE};
use crate::conditioning::Conditioning;
use crate::config::Config;
use crate::data::Dataset;
use crate::error::TrainError;
use crate::frozen_vae;
use crate::latents::{Latents, backgrounds, encode_views};
use crate::monitor::Monitor;
use crate::order::Order;
use crate::part::Part;
use crate::pictures::View;
use crate::ranks::Ranks;
use crate::sums;
use crate::task::{Figures, StepLoss, Task};
use crate::weighting::LossConfig;

/// The section `[task]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordlessTask {
    /// What the network hears of.
    pub conditioning: Conditioning,
    /// The folder of the model whose autoencoder is used, and copied; without one, it is that
    /// which the run writes to.
    #[serde(default)]
    pub parts_from: Option<PathBuf>,
    /// On how many backgrounds each picture is seen: white and others, 1 to 10.
    pub variants_per_image: usize,
    /// A folder with a trained U-Net to begin with; without one, weights are drawn. It may be one
    /// with classes for one without, or one with cross-attention, whose residual blocks are used.
    #[serde(default)]
    pub start_from: Option<PathBuf>,
    /// The keys of `metadata.jsonl` that name a picture's class.
    #[serde(default)]
    pub class_keys: Vec<String>,
    /// Words in place of what is said under a key.
    #[serde(default)]
    pub class_words: BTreeMap<String, BTreeMap<String, String>>,
    /// The part of the pictures whose class is left out.
    #[serde(default)]
    pub empty_classes: f64,
    /// The most noise that a small picture is given, as a standard deviation of values from -1 to
    /// 1, so that the network forgives what is wrong with small pictures of other makes.
    #[serde(default)]
    pub low_resolution_noise: f64,
    /// How errors are weighed, and what the noise is.
    #[serde(default, skip_serializing_if = "LossConfig::is_plain")]
    pub loss: LossConfig,
    /// How far samples follow their class: see [`aquatint_diffusion::Guidance`].
    #[serde(default = "one")]
    pub guidance_scale: f64,
    /// Steps of the DDIM sampler for samples.
    pub sample_steps: usize,
    /// How many samples are drawn: of the classes in turn, of held-out pictures, or of nothing.
    pub samples: usize,
}

fn one() -> f64 {
    1.0
}

/// The section `[model]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WordlessNetworks {
    /// The network. `num_class_embeds` follows from the data.
    pub unet: UNet2DConfig,
    /// The noise.
    pub scheduler: SchedulerConfig,
}

/// A whole configuration file.
pub type WordlessConfig = Config<WordlessTask, WordlessNetworks>;

/// Pictures that pass through the network at once outside of training.
const AT_ONCE: usize = 32;

/// The U-Net in training, with the frozen autoencoder.
pub struct Wordless {
    config: WordlessConfig,
    data: Dataset,
    order: Order,
    schedule: Schedule,
    prediction_type: PredictionType,
    latents: Latents,
    /// If there are classes.
    classes: Option<Classes>,
    unet: UNet2DModel,
    vae: AutoencoderKL,
}

impl Wordless {
    /// Loads the autoencoder and encodes the pictures.
    pub fn new(
        mut config: WordlessConfig,
        mut data: Dataset,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        checks::task(&config).map_err(TrainError::Data)?;
        let parts = config.task.parts_from.as_ref().unwrap_or(&config.run.export);
        let vae = frozen_vae::load(parts, data.size, config.run.dtype.into())?;
        let classes = match config.task.conditioning {
            Conditioning::Class => {
                Some(Classes::of(&data, &config.task.class_keys, &config.task.class_words)?)
            }
            _ => None,
        };
        let rows = classes.as_ref().map(Classes::rows);
        let side = data.size / vae.config().downsampling_factor();
        checks::unet(&config, vae.config(), rows, side).map_err(TrainError::Data)?;
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
        let schedule = config.model.scheduler.schedule().map_err(TrainError::Data)?;
        let prediction_type = config.model.scheduler.prediction_type().map_err(TrainError::Data)?;
        std::fs::create_dir_all(&config.run.folder).map_err(TrainError::io(&config.run.folder))?;
        let path = config.run.folder.join("latents.safetensors");
        let variants = config.task.variants_per_image;
        let latents = Latents::open(&path, &data, variants, &vae, monitor, ranks)?;
        if config.task.conditioning != Conditioning::LowResolution {
            data.let_go();
        }
        let order = Order::of(&data, config.run.seed);
        Ok(Self { config, data, order, schedule, prediction_type, latents, classes, unet, vae })
    }

    /// Lines 3 to 5 of Algorithm 1 of the DDPM paper, for whatever the network predicts.
    fn denoising_loss(
        &self,
        loss: &LossConfig,
        x0: &Tensor,
        heard: &Heard,
        part: Part,
        rng: &mut Rng,
    ) -> Tensor {
        let t = (0..x0.dim(0) * part.of).map(|_| rng.below(self.schedule.len())).collect();
        let t = part.share(t);
        let noise = loss.noise(x0.shape(), part, rng);
        let network = |xt: &Tensor, timesteps: &[f32]| self.answer(xt, timesteps, heard);
        let (kind, weight) = (self.prediction_type, loss.weight());
        weighted_denoising_loss(network, kind, weight, &self.schedule, x0, &t, &noise)
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
        let latents = ("pictures or the autoencoder", self.latents.key.clone());
        [latents].into_iter().chain(classes).collect()
    }

    /// Latents are at hand; pictures are needed to be made small.
    fn fetch(&mut self, step: u64, part: Part) -> Result<(), TrainError> {
        if self.config.task.conditioning != Conditioning::LowResolution {
            return Ok(());
        }
        self.data.hold(&part.share(self.order.batch(step, self.config.run.batch_size)))
    }

    fn loss(&mut self, step: u64, part: Part, rng: &mut Rng) -> StepLoss {
        let task = &self.config.task;
        let batch = self.order.batch(step, self.config.run.batch_size);
        let chosen: Vec<(usize, usize)> =
            batch.into_iter().map(|i| (i, rng.below(task.variants_per_image))).collect();
        let views: Vec<View<'_>> = chosen
            .iter()
            .map(|&(i, variant)| {
                let drawing = &self.data.train[i];
                let colour = backgrounds(drawing, task.variants_per_image)[variant];
                View::whole(drawing, COLOURS[colour].rgb)
            })
            .collect();
        let classes: Vec<usize> = chosen
            .iter()
            .map(|&(i, _)| {
                let left_out = rng.uniform() < task.empty_classes;
                self.class(|known| if left_out { known.null() } else { known.of_train[i] })
            })
            .collect();
        let noise = Noise::draw(task.low_resolution_noise, views.len(), part, rng);
        let heard = self.heard(&part.share(views), part.share(classes), &noise);
        let x0 = self.latents.batch(&part.share(chosen));
        StepLoss {
            loss: self.denoising_loss(&self.config.task.loss, &x0, &heard, part, rng),
            parts: Vec::new(),
        }
    }

    /// The loss on held-out pictures, with noise that is always the same.
    fn validate(&mut self) -> Figures {
        let count = self.data.validation.len();
        let (mut rng, mut sum) = (Rng::new(0), 0.0);
        for some in self.data.validation_batches(AT_ONCE) {
            let drawings = &self.data.validation[some.clone()];
            let views: Vec<View<'_>> =
                drawings.iter().map(|d| View::whole(d, COLOURS[WHITE].rgb)).collect();
            let classes = some.map(|i| self.class(|known| known.of_validation[i])).collect();
            let shape = self.data.shape(&drawings[0]);
            let x0 = encode_views(&views, shape, &self.vae);
            let heard = self.heard(&views, classes, &Noise::NONE);
            let loss =
                self.denoising_loss(&LossConfig::default(), &x0, &heard, Part::WHOLE, &mut rng);
            sum += f64::from(loss.item()) * views.len() as f64;
        }
        if count == 0 { Vec::new() } else { vec![("loss", sum / count as f64)] }
    }

    fn samples(&mut self) -> Option<Picture> {
        self.sheet()
    }

    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.write(folder)
    }
}
