//! Stage 3: the U-Net, by Algorithm 1 of DDPM on latents (arXiv:2006.11239, arXiv:2112.10752).
//!
//! The first stage and the text encoder are read from a model folder and stay as they are, unless
//! the text encoder is to learn with the U-Net. One caption in ten is empty, so that the same
//! network also learns what pictures look like when nothing is asked for, which classifier-free
//! guidance needs (arXiv:2207.12598). For in-painting the network sees a picture with a hole beside
//! the noisy latents of the whole.

mod captioned;
mod draft;
mod samples;
mod task;
#[cfg(test)]
mod ten_steps;

use std::path::Path;

use aquatint_checkpoint::DType;
use aquatint_models::PerBlock;
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::Picture;
use aquatint_tensor::{Rng, Tensor};

pub use self::task::{DiffusionConfig, DiffusionNetworks, DiffusionTask};

use self::captioned::Captioned;
use crate::captions;
use crate::colours::WHITE;
use crate::conditioning::Conditioning;
use crate::data::Dataset;
use crate::denoising::Denoising;
use crate::error::TrainError;
use crate::frozen::{buckets_fit, check, load};
use crate::inpainting::Holes;
use crate::layouts::{self, Layouts};
use crate::monitor::Monitor;
use crate::networks::Networks;
use crate::part::Part;
use crate::pictures::View;
use crate::ranks::Ranks;
use crate::sums;
use crate::task::{Figures, StepLoss, Task};
use crate::weighting::LossConfig;

/// The U-Net in training, with the frozen parts around it.
pub struct Diffusion {
    config: DiffusionConfig,
    denoising: Denoising,
    networks: Networks,
    /// A sum of the text encoder, if that stays as it is.
    text_encoder: Option<String>,
    /// What is said of pictures in place of captions.
    layouts: Option<Layouts>,
}

impl Diffusion {
    /// Loads the frozen parts and encodes the pictures.
    ///
    /// # Errors
    /// If the configuration or the parts make no model.
    pub fn new(
        mut config: DiffusionConfig,
        data: Dataset,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        check(&config)?;
        let layouts = layouts::of(&config, &data)?;
        let mut components = load(&config, &data, layouts.as_ref())?;
        buckets_fit(&config, components.vae.downsampling_factor())?;
        let (variants, vae) = (config.task.variants_per_image, &components.vae);
        let scheduler = &config.model.scheduler;
        let mut denoising =
            Denoising::new(&config.run, scheduler, data, variants, vae, monitor, ranks)?;
        if config.task.conditioning != Conditioning::Inpainting {
            denoising.needs_latents_only();
        }
        let side = PerBlock::Same(denoising.side);
        components.config.unet.sample_size.get_or_insert(side);
        let encoder = &components.text_encoder;
        config.task.train_text_encoder |= config.trains_a_new_text_encoder();
        let frozen = !config.task.train_text_encoder;
        let text_encoder = frozen.then(|| sums::network(encoder, &encoder.config()));
        let networks = Networks::new(components, !frozen, config.run.gradient_checkpointing);
        Ok(Self { config, denoising, networks, text_encoder, layouts })
    }

    /// What the network sees beside the latents of these views, for in-painting.
    fn beside(&self, views: &[View<'_>], part: Part, rng: &mut Rng) -> Option<Tensor> {
        let inpainting = self.config.task.conditioning == Conditioning::Inpainting;
        let vae = &self.networks.components.vae;
        inpainting.then(|| Holes::draw(views, self.denoising.data.size, part, rng).beside(vae))
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
        if self.config.trains_a_new_text_encoder() {
            self.networks.components.text_encoder.init(seed);
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
        let layouts = self.layouts.as_ref().map(|known| ("layouts", sums::lines(&known.of_train)));
        [self.denoising.built_on()].into_iter().chain(encoder).chain(layouts).collect()
    }

    fn cannot_be_cut(&self, parts: usize) -> Option<String> {
        let drafts = self.config.task.draft_batch_size;
        (!drafts.is_multiple_of(parts)).then(|| format!("`task.draft_batch_size` is {drafts}"))
    }

    fn fetch(&mut self, step: u64, part: Part) -> Result<(), TrainError> {
        self.denoising.fetch(step, part)
    }

    fn loss(&mut self, step: u64, part: Part, rng: &mut Rng) -> StepLoss {
        let Captioned { chosen, captions, recurring } = self.captioned(step, part, rng);
        let context = self.networks.contexts(&captions, |i| recurring[i]);
        let Self { denoising, config, networks, .. } = &*self;
        let x0 = denoising.x0(&chosen);
        let views: Vec<View<'_>> = chosen.iter().map(|&chosen| denoising.view(chosen)).collect();
        let beside = self.beside(&views, part, rng);
        let network = |xt: &Tensor, t: &[f32]| networks.predict(xt, t, &context, beside.as_ref());
        let denoising = denoising.loss(&config.task.loss, network, &x0, part, rng);
        let Some(draft) = self.draft_loss(part, rng) else {
            return StepLoss { loss: denoising, parts: Vec::new() };
        };
        let parts =
            vec![("denoising", f64::from(denoising.item())), ("draft", f64::from(draft.item()))];
        StepLoss { loss: denoising.add(&draft), parts }
    }

    /// The loss on held-out pictures with plain captions.
    fn validate(&mut self) -> Figures {
        let drawings = self.denoising.data.validation.iter();
        let captions: Vec<String> = match &self.layouts {
            Some(layouts) => layouts.of_validation.clone(),
            None => drawings.map(|drawing| captions::plain(drawing, WHITE)).collect(),
        };
        let Self { denoising, networks, config, .. } = self;
        let vae = networks.components.vae.clone();
        denoising.validate(&vae, |some, views, x0, rng| {
            let context = networks.contexts(&captions[some], |_| false);
            let inpainting = config.task.conditioning == Conditioning::Inpainting;
            let size = denoising.data.size;
            let beside =
                inpainting.then(|| Holes::draw(views, size, Part::WHOLE, rng).beside(&vae));
            let network =
                |xt: &Tensor, t: &[f32]| networks.predict(xt, t, &context, beside.as_ref());
            denoising.loss(&LossConfig::default(), network, x0, Part::WHOLE, rng)
        })
    }

    fn samples(&mut self) -> Option<Picture> {
        match self.config.task.conditioning {
            Conditioning::Inpainting => self.completed(),
            _ => self.prompted(),
        }
    }

    /// The whole model: what was read from a folder is written again as it was.
    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.networks.components.save(folder, DType::F16).map_err(TrainError::io(folder))
    }
}
