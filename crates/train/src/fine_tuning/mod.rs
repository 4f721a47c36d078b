//! Fine-tuning of a loaded model on a few pictures: LoRA, DreamBooth and textual inversion. The loss
//! is that of the third stage; what learns is a small thing beside the model, or all of it.
//!
//! | file | what is in it |
//! |---|---|
//! | `config`, `limits`, `targets` | the sections of a configuration, what cannot work, which layers they name |
//! | `adapters` | low-rank changes of layers (Hu et al. 2021) |
//! | `word` | a new word (Gal et al. 2022) |
//! | `prior` | pictures of the class, so that it is not forgotten (Ruiz et al. 2022) |
//! | `tuned` | a model and the part of it that learns |
//! | `pictures`, `set`, `texts` | what it learns from |
//! | `files` | what it leaves |

mod adapters;
mod config;
mod files;
mod limits;
mod prior;
mod set;
mod targets;
#[cfg(test)]
mod ten_steps;
mod texts;
mod tuned;
mod word;

use std::collections::BTreeMap;
use std::path::Path;

use aquatint_diffusion::{PredictionType, Schedule, weighted_denoising_loss};
use aquatint_nn::Module;
use aquatint_pipeline::{Picture, contact_sheet, png};
use aquatint_tensor::{Rng, Tensor};

pub use self::config::FineTuningConfig;
pub use self::limits::check;
use self::prior::Prior;
use self::set::Set;
use self::texts::Texts;
use self::tuned::{Tuned, begin, drawn, predict};
use crate::Stage;
use crate::colours::{COLOURS, WHITE};
use crate::data::Dataset;
use crate::error::TrainError;
use crate::latents::encode_views;
use crate::monitor::Monitor;
use crate::part::Part;
use crate::pictures::View;
use crate::ranks::Ranks;
use crate::sums;
use crate::task::{Figures, StepLoss, Task};
use crate::weighting::LossConfig;

/// Pairs of pictures in a row of the sheet.
const PAIRS: usize = 3;

/// A model in fine-tuning.
pub struct FineTuning {
    stage: Stage,
    config: FineTuningConfig,
    schedule: Schedule,
    prediction_type: PredictionType,
    tuned: Tuned,
    set: Set,
    prior: Option<Prior>,
    texts: Texts,
    /// What the model drew before it learned anything.
    before: Vec<Picture>,
    /// The newest sheet of samples.
    shown: Option<Picture>,
    /// A sum of the base model.
    base: String,
}

impl FineTuning {
    /// Loads the base model, encodes the pictures, and draws what is to be compared with later.
    pub fn new(
        stage: Stage,
        config: FineTuningConfig,
        data: Dataset,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        if let Some(word) = &config.task.word
            && !data.train.iter().any(|drawing| drawing.text.contains(&word.name))
        {
            return Err(TrainError::Data(format!(
                "no caption says the new word, {0}: write it into them, or give all the same with \
                 `task.prompt`, such as \"a picture of {0}\"",
                word.name
            )));
        }
        let tuned = Tuned::load(&config)?;
        let (folder, seed) = (&config.run.folder, config.run.seed);
        std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        let components = &tuned.components;
        let (scheduler, vae) = (&components.config.scheduler, &components.vae);
        let schedule = scheduler.schedule().map_err(TrainError::Data)?;
        let prediction_type = scheduler.prediction_type().map_err(TrainError::Data)?;
        let set = Set::new(data, &folder.join("latents.safetensors"), vae, seed, monitor, ranks)?;
        let prior = Prior::open(&config, components, monitor, ranks)?;
        monitor.preparing("pictures to compare with", 0, 1);
        let before = drawn(components, &config).unwrap_or_default();
        monitor.preparing("pictures to compare with", 1, 1);
        let [unet, encoder] = [
            sums::network(&components.unet, &components.config.unet),
            sums::network(&components.text_encoder, &components.config.text_encoder),
        ];
        let (texts, shown, base) = (Texts::default(), None, unet + &encoder);
        Ok(Self {
            stage,
            config,
            schedule,
            prediction_type,
            tuned,
            set,
            prior,
            texts,
            before,
            shown,
            base,
        })
    }

    /// The loss of the third stage: line 5 of Algorithm 1 of the DDPM paper, for whatever the network
    /// predicts; and how far a draft is from x0 `[N, h, w, C]`, for a U-Net that makes drafts and
    /// learns to.
    fn loss_of(
        &mut self,
        x0: &Tensor,
        captions: &[String],
        loss: &LossConfig,
        part: Part,
        rng: &mut Rng,
    ) -> Tensor {
        let t = (0..x0.dim(0) * part.of).map(|_| rng.below(self.schedule.len())).collect();
        let t = part.share(t);
        let noise = loss.noise(x0.shape(), part, rng);
        let Self { config, schedule, prediction_type, tuned, texts, .. } = self;
        let (frozen, size) = (tuned.texts_are_frozen(), config.data.size);
        let recompute = config.run.gradient_checkpointing;
        tuned.with_learned(|components| {
            let said = texts.said(components, captions, frozen, size);
            let network = |xt: &Tensor, t: &[f32]| predict(components, xt, t, &said, recompute);
            let (kind, weight) = (*prediction_type, loss.weight());
            let denoising =
                weighted_denoising_loss(network, kind, weight, schedule, x0, &t, &noise);
            match components.unet.draft(&said.context).filter(Tensor::is_tracked) {
                Some(draft) if draft.shape() == x0.shape() => {
                    denoising.add(&draft.sub(x0).sqr().mean())
                }
                _ => denoising,
            }
        })
    }
}

impl Task for FineTuning {
    fn name(&self) -> &'static str {
        match self.stage {
            Stage::Dreambooth => "dreambooth",
            Stage::TextualInversion => "textual-inversion",
            _ => "lora",
        }
    }

    fn model(&self) -> &dyn Module {
        &self.tuned
    }

    fn model_mut(&mut self) -> &mut dyn Module {
        &mut self.tuned
    }

    fn init(&mut self, seed: u64) {
        begin(&mut self.tuned, seed);
    }

    fn started_from(&self) -> Option<&Path> {
        Some(&self.config.model.base)
    }

    fn built_on(&self) -> Vec<(&'static str, String)> {
        let pictures = ("pictures or the autoencoder", self.set.latents.key.clone());
        let prior = self.prior.as_ref().map(|p| ("pictures of the class", p.key()));
        [("base model", self.base.clone()), pictures].into_iter().chain(prior).collect()
    }

    fn loss(&mut self, step: u64, part: Part, rng: &mut Rng) -> StepLoss {
        let (batch_size, empty) = (self.config.run.batch_size, self.config.task.empty_captions);
        let weighting = self.config.task.loss.clone();
        let (x0, captions) = self.set.batch(step, batch_size, empty, part, rng);
        self.tuned.draw(rng);
        let loss = self.loss_of(&x0, &captions, &weighting, part, rng);
        let Some(prior) = &mut self.prior else { return StepLoss { loss, parts: Vec::new() } };
        let weight = prior.weight;
        let (x0, captions) = prior.batch(step, batch_size, part, rng);
        let kept = self.loss_of(&x0, &captions, &weighting, part, rng);
        let parts = [("instance", &loss), ("prior", &kept)];
        let parts = parts.map(|(name, loss)| (name, f64::from(loss.item()))).into();
        StepLoss { loss: loss.add(&kept.scale(weight)), parts }
    }

    /// The loss on held-out pictures, with noise that is always the same.
    fn validate(&mut self) -> Figures {
        let held_out = self.set.data.validation.clone();
        let (mut rng, mut sum) = (Rng::new(0), 0.0);
        for drawing in &held_out {
            let views = [View::whole(drawing, COLOURS[WHITE].rgb)];
            let x0 = encode_views(&views, self.set.data.shape(drawing), &self.tuned.components.vae);
            let (captions, plain) = ([drawing.text.clone()], LossConfig::default());
            let loss = self.loss_of(&x0, &captions, &plain, Part::WHOLE, &mut rng);
            sum += f64::from(loss.item());
        }
        if held_out.is_empty() { Vec::new() } else { vec![("loss", sum / held_out.len() as f64)] }
    }

    /// Pairs of pictures of each prompt: by the base model, and by what it has become.
    fn samples(&mut self) -> Option<Picture> {
        let config = &self.config;
        let after = self.tuned.with_learned(|components| drawn(components, config))?;
        let pairs = self.before.iter().zip(after);
        let pictures: Vec<Picture> = pairs.flat_map(|(a, b)| [a.clone(), b]).collect();
        let sheet = (!pictures.is_empty()).then(|| contact_sheet(&pictures, 2 * PAIRS));
        self.shown.clone_from(&sheet);
        sheet
    }

    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.tuned.save(folder)?;
        let Some(sheet) = &self.shown else { return Ok(()) };
        let path = folder.join("before-after.png");
        png::save(&path, sheet, &BTreeMap::new()).map_err(TrainError::io(&path))
    }
}
