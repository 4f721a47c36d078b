//! Stage 1: the autoencoder (Rombach et al., arXiv:2112.10752, section 3.1 and appendix G), regularized
//! by a KL divergence or by a codebook.
//!
//! The loss is the reconstruction's mean absolute error, if asked for with some squared error, a
//! perceptual distance and the word of a judge of patches, and a little of what keeps the latents
//! from wandering off.

#[cfg(test)]
mod golden;
mod loss;
mod network;
mod shown;
mod task;

use std::path::Path;

use aquatint_models::{AutoencoderKL, AutoencoderKLConfig, PatchDiscriminator, PerBlock};
use aquatint_models::{VQModel, VQModelConfig};
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::{Picture, load_perceptual};
use aquatint_tensor::{Rng, Tensor};

use self::loss::FirstStage;
use self::network::Network;
pub use self::task::{AutoencoderTask, DiscriminatorConfig, LossForm, Regularization};
use crate::colours::COLOURS;
use crate::config::{Config, RunConfig};
use crate::data::buckets::refuse;
use crate::data::{Dataset, Drawing};
use crate::error::TrainError;
use crate::export;
use crate::order::Order;
use crate::part::Part;
use crate::pictures::{View, batch};
use crate::standardize::{Moments, standardize};
use crate::sums;
use crate::task::{Adversary, Figures, StepLoss, Task};

/// A whole configuration file of an autoencoder with KL regularization.
pub type AutoencoderConfig = Config<AutoencoderTask, AutoencoderKLConfig>;
/// A whole configuration file of an autoencoder with a codebook.
pub type VQConfig = Config<AutoencoderTask, VQModelConfig>;

/// Pictures that pass through the network at once outside of training.
const AT_ONCE: usize = 16;
/// Why there are no buckets.
const SQUARES: &str = "an autoencoder is trained on squares, of `task.crop` pixels";
/// Training pictures that the scale of the latents is measured on.
const SCALE_PICTURES: usize = 256;

/// The autoencoder in training.
pub struct Autoencoder {
    run: RunConfig,
    data: Dataset,
    order: Order,
    stage: FirstStage,
    /// The judge's loss in the step that was asked for last.
    of_judge: Option<Tensor>,
}

impl Autoencoder {
    /// One with KL regularization. Checks that configuration and data fit together.
    pub fn new(config: AutoencoderConfig, data: Dataset) -> Result<Self, TrainError> {
        config.model.validate().map_err(TrainError::Data)?;
        refuse(&config.data, SQUARES)?;
        let network = Network::Kl(AutoencoderKL::new(&config.model));
        Self::of(config.run, config.task, network, data)
    }

    /// One with a codebook. Checks that configuration and data fit together.
    pub fn vq(config: VQConfig, data: Dataset) -> Result<Self, TrainError> {
        config.model.validate().map_err(TrainError::Data)?;
        refuse(&config.data, SQUARES)?;
        let network = Network::Vq(VQModel::new(&config.model));
        Self::of(config.run, config.task, network, data)
    }

    fn of(
        run: RunConfig,
        task: AutoencoderTask,
        network: Network,
        data: Dataset,
    ) -> Result<Self, TrainError> {
        task.check(network.factor(), data.size).map_err(TrainError::Data)?;
        if !network.is_of_colours() {
            return Err(TrainError::Data("pictures have three channels".into()));
        }
        let perceptual = match &task.perceptual_file {
            None => None,
            Some(file) => {
                let heads = task.perceptual_heads.as_deref();
                let mut perceptual =
                    load_perceptual(file, heads).map_err(TrainError::checkpoint(file))?;
                let least = perceptual.smallest();
                if task.crop < least {
                    return Err(TrainError::Data(format!(
                        "`task.crop` is {}; the network in {} needs at least {least}",
                        task.crop,
                        file.display()
                    )));
                }
                perceptual.set_precision(run.dtype.into());
                Some(perceptual)
            }
        };
        let judge = task.discriminator.as_ref();
        let discriminator =
            judge.map(|judge| PatchDiscriminator::new(judge.channels, judge.layers));
        let order = Order::new(data.train.len(), run.seed);
        let stage = FirstStage { network, perceptual, discriminator, task };
        Ok(Self { run, data, order, stage, of_judge: None })
    }

    fn whole(&self, views: &[View<'_>]) -> Tensor {
        batch(views, self.data.size, self.data.size)
    }

    /// What becomes of pictures, and the vectors of the codebook on the way.
    fn again(&self, image: &Tensor) -> (Tensor, Vec<u32>) {
        self.stage.network.decode(&self.stage.network.latents(image))
    }

    /// The moments of the latents of training pictures.
    fn moments(&self) -> Result<Moments, TrainError> {
        let count = self.data.train.len();
        let spread = (count / SCALE_PICTURES).max(1);
        let chosen: Vec<usize> = (0..count).step_by(spread).take(SCALE_PICTURES).collect();
        let chosen = self.data.taken(&chosen)?;
        let views: Vec<View<'_>> = on_every_colour(chosen.iter()).collect();
        let network = &self.stage.network;
        let latents = views.chunks(AT_ONCE).map(|some| network.latents(&self.whole(some)));
        Ok(Moments::of(latents, network.latent_channels()))
    }
}

fn on_every_colour<'a>(
    drawings: impl Iterator<Item = &'a Drawing>,
) -> impl Iterator<Item = View<'a>> {
    drawings.zip(COLOURS.iter().cycle()).map(|(drawing, colour)| View::whole(drawing, colour.rgb))
}

impl Task for Autoencoder {
    fn name(&self) -> &'static str {
        "autoencoder"
    }

    fn model(&self) -> &dyn Module {
        &self.stage.network
    }

    fn model_mut(&mut self) -> &mut dyn Module {
        &mut self.stage.network
    }

    fn init(&mut self, seed: u64) {
        self.stage.network.init(seed);
        if let Some(judge) = &mut self.stage.discriminator {
            judge.draw(seed);
        }
    }

    fn built_on(&self) -> Vec<(&'static str, String)> {
        let network = self.stage.perceptual.iter();
        network.map(|by| ("perceptual network", sums::tensors(&by.tensors()))).collect()
    }

    fn adversary(&self) -> Option<Adversary<'_>> {
        let (model, config) =
            self.stage.discriminator.as_ref().zip(self.stage.task.discriminator.as_ref())?;
        let &DiscriminatorConfig { start, learning_rate, .. } = config;
        Some(Adversary { model, start, learning_rate })
    }

    fn networks_mut(&mut self) -> (&mut dyn Module, Option<&mut dyn Module>) {
        let FirstStage { network, discriminator, .. } = &mut self.stage;
        (network, discriminator.as_mut().map(|judge| judge as &mut dyn Module))
    }

    fn adversary_loss(&mut self) -> Option<Tensor> {
        self.of_judge.take()
    }

    fn cannot_be_cut(&self, _: usize) -> Option<String> {
        // It normalizes by the moments of the mini-batch, and its gradient decides about its weight.
        let why = || "the discriminator of `task.discriminator` looks at all pictures of a step";
        self.stage.discriminator.is_some().then(why).map(str::to_owned)
    }

    fn fetch(&mut self, step: u64, part: Part) -> Result<(), TrainError> {
        self.data.hold(&part.share(self.order.batch(step, self.run.batch_size)))
    }

    fn loss(&mut self, step: u64, part: Part, rng: &mut Rng) -> StepLoss {
        let AutoencoderTask { crop, flip, .. } = self.stage.task;
        let size = self.data.size;
        let views: Vec<View<'_>> = self
            .order
            .batch(step, self.run.batch_size)
            .into_iter()
            .map(|i| View {
                drawing: &self.data.train[i],
                background: COLOURS[rng.below(COLOURS.len())].rgb,
                corner: [rng.below(size - crop + 1), rng.below(size - crop + 1)],
                mirrored: flip && rng.below(2) == 1,
            })
            .collect();
        let image = batch(&part.share(views), size, crop);

        let mut noise = |shape: &[usize]| part.randn(shape, rng);
        let (loss, of_judge) = self.stage.loss(&image, step, &mut noise);
        self.of_judge = of_judge;
        loss
    }

    fn validate(&mut self) -> Figures {
        self.figures()
    }

    fn samples(&mut self) -> Option<Picture> {
        self.grid()
    }

    /// The latents of the exported autoencoder have mean 0 and variance 1, as far as it has the
    /// means for that; what is missing does its scaling factor. One with a codebook, which is not
    /// to be changed, is exported under latent diffusion's name for it.
    fn export(&mut self, folder: &Path) -> Result<(), TrainError> {
        let moments = self.moments()?;
        let size = Some(PerBlock::Same(self.data.size));
        let weights = |part: &Path| part.join("diffusion_pytorch_model.safetensors");
        match &self.stage.network {
            Network::Kl(model) => {
                let part = folder.join("vae");
                let mut vae = model.clone();
                let mut config = model.config().clone();
                let standard = standardize(&mut vae, &moments);
                config.scaling_factor = if standard { 1.0 } else { 1.0 / moments.overall_std() };
                config.sample_size = size;
                export::weights(&weights(&part), &vae)?;
                export::json(&part.join("config.json"), &config)
            }
            Network::Vq(model) => {
                let part = folder.join("vqvae");
                let mut config = model.config().clone();
                config.scaling_factor = 1.0 / moments.overall_std();
                config.sample_size = size;
                export::weights(&weights(&part), model)?;
                export::json(&part.join("config.json"), &config)
            }
        }
    }
}
