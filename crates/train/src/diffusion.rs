//! Stage 3: the U-Net, by Algorithm 1 of DDPM on latents (arXiv:2006.11239, arXiv:2112.10752).
//!
//! The autoencoder and the text encoder are read from the model folder and stay as they are. One
//! caption in ten is empty, so that the same network also learns what pictures look like when
//! nothing is asked for, which classifier-free guidance needs (arXiv:2207.12598).

use std::path::{Path, PathBuf};

use aquatint_checkpoint::DType;
use aquatint_diffusion::{
    Condition, Guidance, GuidanceInterval, ModelDenoiser, Noise, PredictionType, Run, Schedule,
    denoising_loss, samplers,
};
use aquatint_models::{UNet2DConditionConfig, UNet2DConditionModel};
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::{Picture, SchedulerConfig, Tiling, contact_sheet, decode, square_columns};
use aquatint_tensor::{Rng, RngKind, Tensor};
use serde::{Deserialize, Serialize};

use crate::captions::{self, Form};
use crate::colours::{COLOURS, WHITE};
use crate::config::Config;
use crate::data::Dataset;
use crate::error::TrainError;
use crate::frozen::{check, load};
use crate::latents::{Latents, backgrounds, encode_views};
use crate::monitor::Monitor;
use crate::networks::Networks;
use crate::order::Order;
use crate::pictures::View;
use crate::sums;
use crate::task::{Figures, StepLoss, Task};

/// The section `[task]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffusionTask {
    /// On how many backgrounds each picture is seen: white and others, 1 to 10.
    pub variants_per_image: usize,
    /// The part of the captions that are left empty.
    pub empty_captions: f64,
    /// A folder with a trained U-Net to begin with, `config.json` and weights as diffusers has
    /// them; without one, weights are drawn.
    #[serde(default)]
    pub start_from: Option<PathBuf>,
    /// Whether the text encoder learns too, from where it is.
    #[serde(default)]
    pub train_text_encoder: bool,
    /// Pictures a step whose drafts are compared with their latents, for a U-Net that makes
    /// drafts: these cost next to nothing, so there can be more of them than of the others.
    #[serde(default)]
    pub draft_batch_size: usize,
    /// How far samples follow their prompts: see [`Guidance`].
    pub guidance_scale: f64,
    /// Steps of the DDIM sampler for samples.
    pub sample_steps: usize,
    /// What samples are drawn of.
    pub prompts: Vec<String>,
}

/// The section `[model]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffusionNetworks {
    /// The network.
    pub unet: UNet2DConditionConfig,
    /// The noise.
    pub scheduler: SchedulerConfig,
}

/// A whole configuration file.
pub type DiffusionConfig = Config<DiffusionTask, DiffusionNetworks>;

/// Pictures that pass through the network at once outside of training.
const AT_ONCE: usize = 32;

/// The U-Net in training, with the frozen parts around it.
pub struct Diffusion {
    config: DiffusionConfig,
    data: Dataset,
    order: Order,
    schedule: Schedule,
    prediction_type: PredictionType,
    latents: Latents,
    networks: Networks,
    /// A sum of the text encoder, if that stays as it is.
    text_encoder: Option<String>,
}

impl Diffusion {
    /// Loads the frozen parts from the model folder and encodes the pictures.
    pub fn new(
        config: DiffusionConfig,
        data: Dataset,
        monitor: &mut dyn Monitor,
    ) -> Result<Self, TrainError> {
        check(&config)?;
        let components = load(&config)?;
        let schedule = config.model.scheduler.schedule().map_err(TrainError::Data)?;
        std::fs::create_dir_all(&config.run.folder).map_err(TrainError::io(&config.run.folder))?;
        let prediction_type = config.model.scheduler.prediction_type().map_err(TrainError::Data)?;
        let path = config.run.folder.join("latents.safetensors");
        let variants = config.task.variants_per_image;
        let latents = Latents::open(&path, &data, variants, &components.vae, monitor)?;
        let order = Order::new(data.train.len(), config.run.seed);
        let encoder = &components.text_encoder;
        let frozen = !config.task.train_text_encoder;
        let text_encoder = frozen.then(|| sums::network(encoder, &encoder.config()));
        let networks = Networks::new(components, !frozen);
        Ok(Self { config, data, order, schedule, prediction_type, latents, networks, text_encoder })
    }

    /// Lines 3 to 5 of Algorithm 1 of the DDPM paper, for whatever the network predicts.
    fn denoising_loss(
        &self,
        unet: &UNet2DConditionModel,
        x0: &Tensor,
        context: &Tensor,
        rng: &mut Rng,
    ) -> Tensor {
        let t: Vec<usize> = (0..x0.dim(0)).map(|_| rng.below(self.schedule.len())).collect();
        let noise = rng.randn(x0.shape());
        let network = |xt: &Tensor, timesteps: &[f32]| unet.forward(xt, timesteps, context);
        denoising_loss(network, self.prediction_type, &self.schedule, x0, &t, &noise)
    }

    /// How far drafts of plain captions are from the latents, for a U-Net that makes drafts.
    fn draft_loss(&mut self, rng: &mut Rng) -> Option<Tensor> {
        let DiffusionTask { variants_per_image, draft_batch_size, .. } = self.config.task;
        if self.config.model.unet.draft.is_none() || draft_batch_size == 0 {
            return None;
        }
        let chosen: Vec<(usize, usize)> = (0..draft_batch_size)
            .map(|_| (rng.below(self.data.train.len()), rng.below(variants_per_image)))
            .collect();
        let caption = |&(i, variant): &(usize, usize)| {
            let drawing = &self.data.train[i];
            captions::plain(drawing, backgrounds(drawing, variants_per_image)[variant])
        };
        let captions: Vec<String> = chosen.iter().map(caption).collect();
        let context = self.networks.contexts(&captions, |_| true);
        let draft = self.networks.components.unet.draft(&context)?;
        Some(draft.sub(&self.latents.batch(&chosen)).sqr().mean())
    }

    /// Latents for these prompts by DDIM, every one from a noise of its own.
    fn sample(&mut self, prompts: &[String], first_seed: u64) -> Tensor {
        let prompted = self.networks.contexts(prompts, |_| false);
        let empty = self.networks.contexts(&vec![String::new(); prompts.len()], |_| false);
        let unet = &self.networks.components.unet;
        let conditioned = |xt: &Tensor, timesteps: &[f32], conditions: &[Condition]| {
            // Guidance asks for both, or at scale 1 for the prompts alone.
            let context = match conditions {
                [Condition::Prompt] => prompted.clone(),
                _ => Tensor::cat_rows([&empty, &prompted]),
            };
            unet.forward(xt, timesteps, &context)
        };
        let guidance_scale = self.config.task.guidance_scale;
        let interval = GuidanceInterval::ALL;
        let guidance = Guidance {
            conditioned: &conditioned,
            guidance_scale,
            interval,
            more: Default::default(),
        };
        let denoiser = ModelDenoiser {
            network: &guidance,
            schedule: &self.schedule,
            prediction_type: self.prediction_type,
        };
        let scheduler = &self.config.model.scheduler;
        let sigmas = scheduler
            .sigmas(&self.schedule, self.config.task.sample_steps)
            .expect("the configuration was checked at the start");
        let seeds: Vec<u64> = (first_seed..).take(prompts.len()).collect();
        let side = self.data.size / self.networks.components.config.vae.downsampling_factor();
        let shape = [prompts.len(), side, side, self.networks.components.config.unet.in_channels];
        let mut noise = Noise::new(RngKind::TorchCpu, &seeds).expect("PyTorch takes every seed");
        let run = Run {
            denoiser: &denoiser,
            sigmas: &sigmas,
            eta: None,
            noise: &mut noise,
            watch: &mut (),
        };
        samplers::find("ddim").expect("there is always DDIM").sample(&shape, run)
    }
}

impl Task for Diffusion {
    fn name(&self) -> &'static str {
        "diffusion"
    }

    fn model(&self) -> &dyn Module {
        &self.networks
    }

    fn model_mut(&mut self) -> &mut dyn Module {
        &mut self.networks
    }

    fn init(&mut self, seed: u64) {
        if self.config.task.start_from.is_none() {
            self.networks.components.unet.init(seed);
        }
    }

    fn started_from(&self) -> Option<&Path> {
        self.config.task.start_from.as_deref()
    }

    fn built_on(&self) -> Vec<(&'static str, String)> {
        let encoder = self.text_encoder.clone().map(|sum| ("text encoder", sum));
        [("pictures or the autoencoder", self.latents.key.clone())]
            .into_iter()
            .chain(encoder)
            .collect()
    }

    fn loss(&mut self, step: u64, rng: &mut Rng) -> StepLoss {
        let DiffusionTask { variants_per_image, empty_captions, .. } = self.config.task;
        let batch = self.order.batch(step, self.config.run.batch_size);
        let mut chosen = Vec::with_capacity(batch.len());
        let mut captions = Vec::with_capacity(batch.len());
        let mut recurring = Vec::with_capacity(batch.len());
        for i in batch {
            let drawing = &self.data.train[i];
            let form = Form::draw(rng);
            let variant = if form.names_colour() { rng.below(variants_per_image) } else { 0 };
            let colour = backgrounds(drawing, variants_per_image)[variant];
            let caption = captions::write(drawing, form, colour, rng);
            let empty = rng.uniform() < empty_captions;
            chosen.push((i, variant));
            captions.push(if empty { String::new() } else { caption });
            recurring.push(empty || form == Form::Plain);
        }
        let context = self.networks.contexts(&captions, |i| recurring[i]);
        let unet = &self.networks.components.unet;

        let x0 = self.latents.batch(&chosen);
        let denoising = self.denoising_loss(unet, &x0, &context, rng);
        let Some(draft) = self.draft_loss(rng) else {
            return StepLoss { loss: denoising, parts: Vec::new() };
        };
        let parts =
            vec![("denoising", f64::from(denoising.item())), ("draft", f64::from(draft.item()))];
        StepLoss { loss: denoising.add(&draft), parts }
    }

    /// The loss on held-out pictures with plain captions, with noise that is always the same.
    fn validate(&mut self) -> Figures {
        let count = self.data.validation.len();
        let (mut rng, mut sum) = (Rng::new(0), 0.0);
        for first in (0..count).step_by(AT_ONCE) {
            let drawings = &self.data.validation[first..(first + AT_ONCE).min(count)];
            let views: Vec<View<'_>> =
                drawings.iter().map(|d| View::whole(d, COLOURS[WHITE].rgb)).collect();
            let x0 = encode_views(&views, self.data.size, &self.networks.components.vae);
            let captions: Vec<String> =
                drawings.iter().map(|d| captions::plain(d, WHITE)).collect();
            let context = self.networks.contexts(&captions, |_| false);
            let unet = &self.networks.components.unet;
            let loss = self.denoising_loss(unet, &x0, &context, &mut rng);
            sum += f64::from(loss.item()) * captions.len() as f64;
        }
        if count == 0 { Vec::new() } else { vec![("loss", sum / count as f64)] }
    }

    fn samples(&mut self) -> Option<Picture> {
        let prompts = self.config.task.prompts.clone();
        let mut pictures = Vec::new();
        for (i, some) in prompts.chunks(AT_ONCE / 2).enumerate() {
            let latents = self.sample(some, (i * AT_ONCE / 2) as u64);
            // Where there are no numbers there is no picture; the loop says so of the next loss.
            pictures.extend(decode(&self.networks.components.vae, &latents, Tiling::Auto).ok()?);
        }
        let columns = square_columns(pictures.len());
        (!pictures.is_empty()).then(|| contact_sheet(&pictures, columns))
    }

    /// The whole model: what was read from the folder is written again as it was.
    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.networks.components.save(folder, DType::F16).map_err(TrainError::io(folder))
    }
}
