//! A loaded model and the part of it that learns.

use std::path::Path;

use aquatint_checkpoint::DType;
use aquatint_models::unet::Shortcuts;
use aquatint_nn::{Module, ModuleExt, Param, join};
use aquatint_pipeline::{Components, LoadOptions, ModelSource, Picture};
use aquatint_pipeline::{GenerateRequest, text_to_image};
use aquatint_tensor::{Rng, Tensor, Use};

use super::adapters::{self, Adapters};
use super::config::{FineTuningConfig, FineTuningTask, LoraConfig};
use super::files;
use super::texts::Said;
use super::word::Word;
use crate::config::Dtype;
use crate::error::TrainError;

/// What learns.
pub enum Learned {
    /// Low-rank changes of layers.
    Lora(Adapters, LoraConfig),
    /// A word.
    Word(Word),
    /// The U-Net, and the text encoder with it if asked.
    Whole {
        /// Whether it is asked.
        text_encoder: bool,
    },
}

/// A model that is fine-tuned.
pub struct Tuned {
    /// All parts.
    pub components: Components,
    /// What learns of them, or beside them.
    pub learned: Learned,
}

impl Tuned {
    /// Loads the base model and puts beside it what the configuration asks for.
    ///
    /// # Errors
    /// If it cannot be loaded, or such a model cannot be fine-tuned so.
    pub fn load(config: &FineTuningConfig) -> Result<Self, TrainError> {
        let base = &config.model.base;
        let source = ModelSource::open(base, None).map_err(TrainError::checkpoint(base))?;
        let precision = config.run.dtype.into();
        let options = LoadOptions { precision, trainable: true, ..Default::default() };
        let mut components =
            Components::load(&source, &options).map_err(TrainError::checkpoint(base))?;
        fits(&components, config)?;
        let FineTuningTask { lora, word, train_text_encoder, .. } = &config.task;
        let learned = match (lora, word) {
            (_, Some(word)) => Learned::Word(Word::new(word, &mut components)?),
            (Some(lora), None) => Learned::Lora(Adapters::new(lora, &components)?, lora.clone()),
            (None, None) if *train_text_encoder && components.second_encoder.is_some() => {
                let message = "`task.train_text_encoder` is for models with one text encoder";
                return Err(TrainError::Data(format!("{message}: leave it out")));
            }
            (None, None) => Learned::Whole { text_encoder: *train_text_encoder },
        };
        let frozen = !matches!(learned, Learned::Whole { .. });
        if frozen && config.run.dtype == Dtype::Bf16 {
            // Products would round them in any case.
            narrow(&mut components.unet);
            narrow(&mut components.text_encoder);
            components
                .second_encoder
                .iter_mut()
                .for_each(|second| narrow(&mut second.text_encoder));
        }
        Ok(Self { components, learned })
    }

    /// Whether the text encoders say the same of a text in every step.
    pub fn texts_are_frozen(&self) -> bool {
        match &self.learned {
            Learned::Lora(_, config) => !config.text_encoder,
            Learned::Word(_) => false,
            Learned::Whole { text_encoder } => !text_encoder,
        }
    }

    /// Draws what is random in what learns, for one step.
    pub fn draw(&mut self, rng: &mut Rng) {
        if let Learned::Lora(adapters, _) = &mut self.learned {
            adapters.draw(rng);
        }
    }

    /// Runs `f` with what was learned in its place.
    pub fn with_learned<R>(&mut self, f: impl FnOnce(&Components) -> R) -> R {
        match &self.learned {
            Learned::Lora(adapters, _) => adapters.attach(&mut self.components),
            Learned::Word(word) => word.tell(&mut self.components),
            Learned::Whole { .. } => {}
        }
        let result = f(&self.components);
        if let Learned::Lora(adapters, _) = &mut self.learned {
            adapters.draw_nothing();
            adapters::detach(&mut self.components);
        }
        result
    }

    /// Writes what was learned.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, folder: &Path) -> Result<(), TrainError> {
        match &self.learned {
            Learned::Lora(adapters, config) => files::lora(folder, adapters, config),
            Learned::Word(word) => files::word(folder, &word.name, word.vectors.value()),
            Learned::Whole { .. } => {
                self.components.save(folder, DType::F16).map_err(TrainError::io(folder))
            }
        }
    }
}

/// xt at these timesteps → the prediction.
pub fn predict(
    components: &Components,
    xt: &Tensor,
    timesteps: &[f32],
    said: &Said,
    recompute: bool,
) -> Tensor {
    let shortcuts = Shortcuts { recompute, ..Default::default() };
    let Said { context, conditions } = said;
    let unet = &components.unet;
    let unseen = &mut |_: &str, _: &Tensor| {};
    unet.forward_shortened(xt, timesteps, &context.into(), conditions, shortcuts, unseen)
}

/// A picture of each prompt by the components, with the seed of its place in the list; nothing if
/// there are numbers that are none: the loop says so of the next loss.
pub fn drawn(components: &Components, config: &FineTuningConfig) -> Option<Vec<Picture>> {
    let FineTuningTask { prompts, guidance_scale, sample_steps, .. } = &config.task;
    let mut pictures = Vec::with_capacity(prompts.len());
    for (seed, prompt) in (0..).zip(prompts) {
        let request = GenerateRequest {
            prompt: prompt.clone(),
            seed,
            steps: *sample_steps,
            guidance_scale: *guidance_scale,
            width: Some(config.data.size),
            height: Some(config.data.size),
            ..Default::default()
        };
        pictures.append(&mut text_to_image(components, &request, &mut ()).ok()?);
    }
    Some(pictures)
}

/// Whether pictures of the configuration can be learned by this model.
fn fits(components: &Components, config: &FineTuningConfig) -> Result<(), TrainError> {
    let (base, model) = (config.model.base.display(), &components.config);
    let wrong = |message: String| Err(TrainError::Data(message));
    if model.unet.in_channels != model.vae.latent_channels() {
        return wrong(format!(
            "{base} cannot be fine-tuned: its U-Net sees {} channels beside the latents, and \
             only models of text alone can be; give one of these",
            model.unet.in_channels - model.vae.latent_channels().min(model.unet.in_channels)
        ));
    }
    let (size, factor) = (config.data.size, model.vae.downsampling_factor());
    // The lowest resolution of the U-Net needs whole pixels, too.
    let step = factor << (model.unet.block_out_channels.len() - 1);
    if !size.is_multiple_of(step) {
        return wrong(format!(
            "`data.size` is {size}; for the model {base} it must be a multiple of {step}"
        ));
    }
    Ok(())
}

/// Keeps the weights of layers in 16 bits.
fn narrow(module: &mut dyn Module) {
    module.visit_mut("", &mut |_, param| {
        if !matches!(param.used(), Use::Any | Use::Table) {
            let value = param.value().clone();
            // The old numbers are gone before the next ones are rounded.
            param.set(value.in_bf16());
        }
    });
}

impl Module for Tuned {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        match &self.learned {
            Learned::Lora(adapters, _) => adapters.visit(path, f),
            Learned::Word(word) => f(&join(path, "vectors"), &word.vectors),
            Learned::Whole { text_encoder } => {
                self.components.unet.visit(path, f);
                if *text_encoder {
                    self.components.text_encoder.visit(&join(path, "text_encoder"), f);
                }
            }
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        match &mut self.learned {
            Learned::Lora(adapters, _) => adapters.visit_mut(path, f),
            Learned::Word(word) => f(&join(path, "vectors"), &mut word.vectors),
            Learned::Whole { text_encoder } => {
                self.components.unet.visit_mut(path, f);
                if *text_encoder {
                    self.components.text_encoder.visit_mut(&join(path, "text_encoder"), f);
                }
            }
        }
    }
}

/// The weights before the first step: drawn ones for what is new, the base model's for the rest.
pub fn begin(tuned: &mut Tuned, seed: u64) {
    match &mut tuned.learned {
        Learned::Lora(adapters, _) => adapters.init(seed),
        Learned::Word(word) => word.reset(),
        Learned::Whole { .. } => {}
    }
}
