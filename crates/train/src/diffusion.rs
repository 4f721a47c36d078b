//! Stage 3: the U-Net, by Algorithm 1 of DDPM on latents (arXiv:2006.11239, arXiv:2112.10752).
//!
//! The autoencoder and the text encoder are read from the model folder and stay as they are. One
//! caption in ten is empty, so that the same network also learns what pictures look like when
//! nothing is asked for, which classifier-free guidance needs (arXiv:2207.12598). For in-painting
//! the network sees a picture with a hole beside the noisy latents of the whole.

mod samples;
#[cfg(test)]
mod ten_steps;

use std::path::{Path, PathBuf};

use aquatint_checkpoint::DType;
use aquatint_diffusion::{PredictionType, Schedule, weighted_denoising_loss};
use aquatint_models::unet::{Shortcuts, UNetConditions};
use aquatint_models::{UNet2DConditionConfig, UNet2DConditionModel};
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::{Picture, SchedulerConfig};
use aquatint_tensor::{Rng, Tensor};
use serde::{Deserialize, Serialize};

use crate::captions::{self, Form};
use crate::colours::{COLOURS, WHITE};
use crate::conditioning::Conditioning;
use crate::config::Config;
use crate::data::Dataset;
use crate::error::TrainError;
use crate::export;
use crate::frozen::{buckets_fit, check, load};
use crate::inpainting::Holes;
use crate::latents::{Latents, backgrounds, encode_views};
use crate::monitor::Monitor;
use crate::networks::Networks;
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
pub struct DiffusionTask {
    /// What the network hears of: text, or that and a picture with a hole.
    #[serde(default, skip_serializing_if = "Conditioning::is_text")]
    pub conditioning: Conditioning,
    /// The folder of the model whose autoencoder and text encoder are used, and copied; without
    /// one, it is that which the run writes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts_from: Option<PathBuf>,
    /// On how many backgrounds each picture is seen: white and others, 1 to 10.
    pub variants_per_image: usize,
    /// The part of the captions that are left empty.
    pub empty_captions: f64,
    /// A folder with a trained U-Net to begin with, `config.json` and weights as diffusers has
    /// them; without one, weights are drawn. It may see less than this one, that is, have fewer
    /// input channels.
    #[serde(default)]
    pub start_from: Option<PathBuf>,
    /// Whether the text encoder learns too, from where it is.
    #[serde(default)]
    pub train_text_encoder: bool,
    /// Pictures a step whose drafts are compared with their latents, for a U-Net that makes
    /// drafts: these cost next to nothing, so there can be more of them than of the others.
    #[serde(default)]
    pub draft_batch_size: usize,
    /// How errors are weighed, and what the noise is.
    #[serde(default, skip_serializing_if = "LossConfig::is_plain")]
    pub loss: LossConfig,
    /// How far samples follow their prompts: see [`aquatint_diffusion::Guidance`].
    pub guidance_scale: f64,
    /// Steps of the DDIM sampler for samples.
    pub sample_steps: usize,
    /// What samples are drawn of; for in-painting, held-out pictures are completed instead.
    #[serde(default)]
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
        mut data: Dataset,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        check(&config)?;
        let components = load(&config)?;
        buckets_fit(&config, components.vae.config().downsampling_factor())?;
        let schedule = config.model.scheduler.schedule().map_err(TrainError::Data)?;
        std::fs::create_dir_all(&config.run.folder).map_err(TrainError::io(&config.run.folder))?;
        let prediction_type = config.model.scheduler.prediction_type().map_err(TrainError::Data)?;
        let path = config.run.folder.join("latents.safetensors");
        let variants = config.task.variants_per_image;
        let latents = Latents::open(&path, &data, variants, &components.vae, monitor, ranks)?;
        if config.task.conditioning != Conditioning::Inpainting {
            data.let_go();
        }
        let order = Order::of(&data, config.run.seed);
        let encoder = &components.text_encoder;
        let frozen = !config.task.train_text_encoder;
        let text_encoder = frozen.then(|| sums::network(encoder, &encoder.config()));
        let networks = Networks::new(components, !frozen);
        Ok(Self { config, data, order, schedule, prediction_type, latents, networks, text_encoder })
    }

    /// Lines 3 to 5 of Algorithm 1 of the DDPM paper, for whatever the network predicts.
    fn denoising_loss(
        &self,
        loss: &LossConfig,
        unet: &UNet2DConditionModel,
        x0: &Tensor,
        context: &Tensor,
        beside: Option<&Tensor>,
        part: Part,
        rng: &mut Rng,
    ) -> Tensor {
        let t = (0..x0.dim(0) * part.of).map(|_| rng.below(self.schedule.len())).collect();
        let t = part.share(t);
        let noise = loss.noise(x0.shape(), part, rng);
        let recompute = self.config.run.gradient_checkpointing;
        let forward = |xt: &Tensor, timesteps: &[f32]| {
            let shortcuts = Shortcuts { recompute, ..Shortcuts::default() };
            let (context, conditions) = (context.into(), UNetConditions::default());
            unet.forward_shortened(xt, timesteps, &context, &conditions, shortcuts, &mut |_, _| {})
        };
        let network = |xt: &Tensor, timesteps: &[f32]| match beside {
            Some(beside) => forward(&Tensor::cat([xt, beside]), timesteps),
            None => forward(xt, timesteps),
        };
        let (kind, weight) = (self.prediction_type, loss.weight());
        weighted_denoising_loss(network, kind, weight, &self.schedule, x0, &t, &noise)
    }

    /// How far drafts of plain captions are from the latents, for a U-Net that makes drafts.
    fn draft_loss(&mut self, part: Part, rng: &mut Rng) -> Option<Tensor> {
        let DiffusionTask { variants_per_image, draft_batch_size, .. } = self.config.task;
        if self.config.model.unet.draft.is_none() || draft_batch_size == 0 {
            return None;
        }
        let chosen: Vec<(usize, usize)> = (0..draft_batch_size)
            .map(|_| (rng.below(self.data.train.len()), rng.below(variants_per_image)))
            .collect();
        let chosen = part.share(chosen);
        let caption = |&(i, variant): &(usize, usize)| {
            let drawing = &self.data.train[i];
            captions::plain(drawing, backgrounds(drawing, variants_per_image)[variant])
        };
        let captions: Vec<String> = chosen.iter().map(caption).collect();
        let context = self.networks.contexts(&captions, |_| true);
        let draft = self.networks.components.unet.draft(&context)?;
        Some(draft.sub(&self.latents.batch(&chosen)).sqr().mean())
    }

    /// What the network sees beside the latents of these views, for in-painting.
    fn beside(&self, views: &[View<'_>], part: Part, rng: &mut Rng) -> Option<Tensor> {
        let inpainting = self.config.task.conditioning == Conditioning::Inpainting;
        let vae = &self.networks.components.vae;
        inpainting.then(|| Holes::draw(views, self.data.size, part, rng).beside(vae))
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

    fn parts_from(&self) -> Option<&Path> {
        self.config.task.parts_from.as_deref()
    }

    fn built_on(&self) -> Vec<(&'static str, String)> {
        let encoder = self.text_encoder.clone().map(|sum| ("text encoder", sum));
        [("pictures or the autoencoder", self.latents.key.clone())]
            .into_iter()
            .chain(encoder)
            .collect()
    }

    fn cannot_be_cut(&self, parts: usize) -> Option<String> {
        let drafts = self.config.task.draft_batch_size;
        (!drafts.is_multiple_of(parts)).then(|| format!("`task.draft_batch_size` is {drafts}"))
    }

    /// Latents are at hand; pictures are needed for what is left of them.
    fn fetch(&mut self, step: u64, part: Part) -> Result<(), TrainError> {
        if self.config.task.conditioning != Conditioning::Inpainting {
            return Ok(());
        }
        self.data.hold(&part.share(self.order.batch(step, self.config.run.batch_size)))
    }

    fn loss(&mut self, step: u64, part: Part, rng: &mut Rng) -> StepLoss {
        let DiffusionTask { variants_per_image, empty_captions, .. } = self.config.task;
        let batch = self.order.batch(step, self.config.run.batch_size);
        let mut chosen = Vec::with_capacity(batch.len());
        let mut captions = Vec::with_capacity(batch.len());
        let mut recurring = Vec::with_capacity(batch.len());
        let mut views = Vec::with_capacity(batch.len());
        for i in batch {
            let drawing = &self.data.train[i];
            let form = Form::draw(rng);
            let variant = if form.names_colour() { rng.below(variants_per_image) } else { 0 };
            let colour = backgrounds(drawing, variants_per_image)[variant];
            let caption = captions::write(drawing, form, colour, rng);
            let empty = rng.uniform() < empty_captions;
            chosen.push((i, variant));
            views.push(View::whole(drawing, COLOURS[colour].rgb));
            captions.push(if empty { String::new() } else { caption });
            recurring.push(empty || form == Form::Plain);
        }
        let (captions, recurring) = (part.share(captions), part.share(recurring));
        let context = self.networks.contexts(&captions, |i| recurring[i]);
        let unet = &self.networks.components.unet;

        let x0 = self.latents.batch(&part.share(chosen));
        let beside = self.beside(&part.share(views), part, rng);
        let denoising = self.denoising_loss(
            &self.config.task.loss,
            unet,
            &x0,
            &context,
            beside.as_ref(),
            part,
            rng,
        );
        let Some(draft) = self.draft_loss(part, rng) else {
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
        for some in self.data.validation_batches(AT_ONCE) {
            let drawings = &self.data.validation[some];
            let views: Vec<View<'_>> =
                drawings.iter().map(|d| View::whole(d, COLOURS[WHITE].rgb)).collect();
            let shape = self.data.shape(&drawings[0]);
            let x0 = encode_views(&views, shape, &self.networks.components.vae);
            let captions: Vec<String> =
                drawings.iter().map(|d| captions::plain(d, WHITE)).collect();
            let context = self.networks.contexts(&captions, |_| false);
            let unet = &self.networks.components.unet;
            let whole = Part::WHOLE;
            let beside = self.beside(&views, whole, &mut rng);
            let loss = self.denoising_loss(
                &LossConfig::default(),
                unet,
                &x0,
                &context,
                beside.as_ref(),
                whole,
                &mut rng,
            );
            sum += f64::from(loss.item()) * captions.len() as f64;
        }
        if count == 0 { Vec::new() } else { vec![("loss", sum / count as f64)] }
    }

    fn samples(&mut self) -> Option<Picture> {
        match self.config.task.conditioning {
            Conditioning::Inpainting => self.completed(),
            _ => self.prompted(),
        }
    }

    /// The whole model: what was read from the folder is written again as it was.
    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.networks.components.save(folder, DType::F16).map_err(TrainError::io(folder))?;
        match self.config.task.conditioning {
            Conditioning::Inpainting => {
                export::rename_pipeline(folder, "StableDiffusionInpaintPipeline")
            }
            _ => Ok(()),
        }
    }
}
