//! What every third stage does, whatever its network hears: it takes pictures in an order, adds
//! noise to their latents, and asks what the noise was.

use std::ops::Range;

use aquatint_diffusion::{PredictionType, Schedule, weighted_denoising_loss};
use aquatint_pipeline::{Autoencoder, SchedulerConfig};
use aquatint_tensor::{Rng, Tensor};

use crate::colours::{COLOURS, WHITE};
use crate::config::RunConfig;
use crate::data::Dataset;
use crate::error::TrainError;
use crate::latents::{Latents, backgrounds, encode_views};
use crate::monitor::Monitor;
use crate::order::Order;
use crate::part::Part;
use crate::pictures::{View, whole_batch};
use crate::ranks::Ranks;
use crate::sampling::Sampling;
use crate::task::Figures;
use crate::weighting::LossConfig;

/// Pictures that pass through the network at once outside of training.
pub const AT_ONCE: usize = 32;

/// The pictures of a third stage, as its network sees them, and their noise.
pub struct Denoising {
    /// The pictures.
    pub data: Dataset,
    /// Width and height of the latents.
    pub side: usize,
    variants: usize,
    batch_size: usize,
    order: Order,
    scheduler: SchedulerConfig,
    schedule: Schedule,
    prediction_type: PredictionType,
    /// What the pictures are to the autoencoder; without one they are made anew for each step.
    latents: Option<Latents>,
    /// Whether steps look at the pictures themselves.
    looks: bool,
}

impl Denoising {
    /// Encodes the pictures, on `variants` backgrounds each, unless that was done before.
    ///
    /// # Errors
    /// If the schedule is none, or the latents cannot be written.
    pub fn new(
        run: &RunConfig,
        scheduler: &SchedulerConfig,
        data: Dataset,
        variants: usize,
        vae: &Autoencoder<'_>,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        let schedule = scheduler.schedule().map_err(TrainError::Data)?;
        let prediction_type = scheduler.prediction_type().map_err(TrainError::Data)?;
        std::fs::create_dir_all(&run.folder).map_err(TrainError::io(&run.folder))?;
        let latents = match vae {
            Autoencoder::Pixels => None,
            vae => {
                let path = run.folder.join("latents.safetensors");
                Some(Latents::open(&path, &data, variants, vae, monitor, ranks)?)
            }
        };
        Ok(Self {
            side: data.size / vae.downsampling_factor(),
            variants,
            batch_size: run.batch_size,
            order: Order::of(&data, run.seed),
            scheduler: scheduler.clone(),
            schedule,
            prediction_type,
            latents,
            looks: true,
            data,
        })
    }

    /// What steps depend on besides the configuration: see [`crate::task::Task::built_on`].
    pub fn built_on(&self) -> (&'static str, String) {
        let key = match &self.latents {
            Some(latents) => latents.key.clone(),
            None => format!("{} pixels {}", self.variants, self.data.sum()),
        };
        ("pictures or the autoencoder", key)
    }

    /// The training pictures of a step.
    pub fn batch(&mut self, step: u64) -> Vec<usize> {
        self.order.batch(step, self.batch_size)
    }

    /// The colour of the background number `variant` of a training picture.
    pub fn colour(&self, (i, variant): (usize, usize)) -> usize {
        backgrounds(&self.data.train[i], self.variants)[variant]
    }

    /// A training picture on its background number `variant`.
    pub fn view(&self, chosen: (usize, usize)) -> View<'_> {
        View::whole(&self.data.train[chosen.0], COLOURS[self.colour(chosen)].rgb)
    }

    /// The latents of training pictures, each on its background number `variant`: `[N, h, w, C]`.
    pub fn x0(&self, chosen: &[(usize, usize)]) -> Tensor {
        match &self.latents {
            Some(latents) => latents.batch(chosen),
            None => {
                let views: Vec<View<'_>> = chosen.iter().map(|&chosen| self.view(chosen)).collect();
                let shape = chosen
                    .first()
                    .map_or([self.data.size; 2], |&(i, _)| self.data.shape(&self.data.train[i]));
                whole_batch(&views, shape)
            }
        }
    }

    /// Lines 3 to 5 of Algorithm 1 of the DDPM paper, for whatever the network predicts.
    pub fn loss(
        &self,
        loss: &LossConfig,
        network: impl Fn(&Tensor, &[f32]) -> Tensor,
        x0: &Tensor,
        part: Part,
        rng: &mut Rng,
    ) -> Tensor {
        let t = (0..x0.dim(0) * part.of).map(|_| rng.below(self.schedule.len())).collect();
        let t = part.share(t);
        let noise = loss.noise(x0.shape(), part, rng);
        let (kind, weight) = (self.prediction_type, loss.weight());
        weighted_denoising_loss(network, kind, weight, &self.schedule, x0, &t, &noise)
    }

    /// The mean of the plain loss over held-out pictures, with noise that is always the same.
    /// `loss` says it of those with these numbers, seen on white, whose latents are `x0`.
    pub fn validate(
        &self,
        vae: &Autoencoder<'_>,
        mut loss: impl FnMut(Range<usize>, &[View<'_>], &Tensor, &mut Rng) -> Tensor,
    ) -> Figures {
        let count = self.data.validation.len();
        let (mut rng, mut sum) = (Rng::new(0), 0.0);
        for some in self.data.validation_batches(AT_ONCE) {
            let shape = self.data.shape(&self.data.validation[some.start]);
            let views: Vec<View<'_>> = self.data.validation[some.clone()]
                .iter()
                .map(|drawing| View::whole(drawing, COLOURS[WHITE].rgb))
                .collect();
            let x0 = encode_views(&views, shape, vae);
            sum += f64::from(loss(some, &views, &x0, &mut rng).item()) * views.len() as f64;
        }
        if count == 0 { Vec::new() } else { vec![("loss", sum / count as f64)] }
    }

    /// Lets the training pictures go, of which only latents are needed, if those are at hand.
    pub fn needs_latents_only(&mut self) {
        if self.latents.is_some() {
            self.looks = false;
            self.data.let_go();
        }
    }

    /// Reads the pictures of a part of a step, where they will be asked for: see
    /// [`crate::task::Task::fetch`].
    ///
    /// # Errors
    /// If one cannot be read any more.
    pub fn fetch(&mut self, step: u64, part: Part) -> Result<(), TrainError> {
        if !self.looks {
            return Ok(());
        }
        let chosen = self.batch(step);
        self.data.hold(&part.share(chosen))
    }

    /// How samples are drawn.
    pub fn sampling(&self, steps: usize, guidance_scale: f64) -> Sampling<'_> {
        Sampling { scheduler: &self.scheduler, schedule: &self.schedule, steps, guidance_scale }
    }
}
