//! Training: what a model learns from, how its weights change, and what is kept of it.
//!
//! Three things can be trained, one after the other, each with the parts before it frozen: the
//! [`autoencoder`] between pixels and latents, [`clip`], the text encoder, and the U-Net, by
//! [`diffusion`] if it hears of words, else by [`wordless`]. A model that is there can be taught
//! something more: [`fine_tuning`]. They share one loop, [`run`], which knows no network: it asks a [`task::Task`]
//! for the loss of a step and does the rest, including checkpoints that are continued bit for bit.
//!
//! This crate prints nothing, reads no clock and catches no signal: see [`monitor`].

pub mod autoencoder;
pub mod captions;
mod checkpointing;
mod classes;
pub mod clip;
pub mod colours;
pub mod conditioning;
pub mod config;
mod contexts;
mod contrastive;
pub mod data;
mod decode;
mod denoising;
pub mod diffusion;
mod ema;
pub mod error;
mod export;
pub mod fine_tuning;
pub mod first_stage;
mod frozen;
mod inpainting;
mod latents;
mod layouts;
pub mod lr_schedule;
pub mod masks;
pub mod metrics;
pub mod model_card;
mod moment;
pub mod monitor;
mod networks;
mod optimizer;
mod order;
pub mod part;
pub mod pictures;
pub mod ranks;
pub mod recognition;
pub mod report;
mod retrieval;
pub mod run;
mod sampling;
mod standardize;
mod sums;
mod taken_over;
pub mod task;
#[cfg(test)]
mod testing;
mod text_part;
pub mod weighting;
mod widened;
pub mod wordless;

use std::fs;
use std::path::Path;

use aquatint_nn::ModuleExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::autoencoder::{Autoencoder, Regularization};
use crate::conditioning::Conditioning;
use crate::config::Config;
use crate::data::Dataset;
use crate::error::TrainError;
use crate::fine_tuning::{FineTuning, FineTuningConfig};
use crate::model_card::Record;
use crate::monitor::Monitor;
use crate::ranks::{Alone, Ranks};
use crate::report::plot::LOSS_CURVE;
use crate::run::{Outcome, Settings};
use crate::task::Task;

/// What can be trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Pixels ↔ latents.
    Autoencoder,
    /// Words to contexts: the tokenizer and the text encoder.
    Clip,
    /// Noise and contexts to latents: the U-Net.
    Diffusion,
    /// Low-rank changes of a loaded model.
    Lora,
    /// A loaded model, on pictures of one thing.
    Dreambooth,
    /// A new word for a loaded model.
    TextualInversion,
}

/// What is said besides the configuration file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Another number of steps than in the file.
    pub steps: Option<u64>,
    /// Go on from the checkpoint in the run's folder, if there is one.
    pub resume: bool,
    /// Processor and threads, for the model card.
    pub hardware: String,
}

/// Trains as the configuration file at `path` says.
///
/// # Errors
/// One line for the user: see [`TrainError`].
pub fn train(
    stage: Stage,
    path: &Path,
    options: &Options,
    monitor: &mut dyn Monitor,
) -> Result<Outcome, TrainError> {
    train_among(stage, path, options, monitor, &Alone)
}

/// [`train`], together with other processes that call the same.
///
/// # Errors
/// One line for the user. The other processes know nothing of it, and must be ended.
pub fn train_among(
    stage: Stage,
    path: &Path,
    options: &Options,
    monitor: &mut dyn Monitor,
    ranks: &dyn Ranks,
) -> Result<Outcome, TrainError> {
    check_recomputing(stage, path)?;
    match stage {
        Stage::Autoencoder => match Regularization::of_file(path)? {
            Regularization::Kl => launch(path, options, monitor, ranks, |config, data, _, _| {
                Autoencoder::new(config, data)
            }),
            Regularization::Vq => launch(path, options, monitor, ranks, |config, data, _, _| {
                Autoencoder::vq(config, data)
            }),
        },
        Stage::Clip => launch(path, options, monitor, ranks, |config, data, _, _| {
            clip::Clip::new(config, data)
        }),
        Stage::Diffusion if Conditioning::of_file(path)?.has_text() => {
            launch(path, options, monitor, ranks, diffusion::Diffusion::new)
        }
        Stage::Diffusion => launch(path, options, monitor, ranks, wordless::Wordless::new),
        Stage::Lora | Stage::Dreambooth | Stage::TextualInversion => {
            let open =
                |config: &mut FineTuningConfig, monitor: &mut dyn Monitor, ranks: &dyn Ranks| {
                    fine_tuning::check(stage, config)?;
                    Dataset::open_few(&config.data, config.task.prompt.as_deref(), monitor, ranks)
                };
            launch_on(path, options, monitor, ranks, open, |config, data, monitor, ranks| {
                FineTuning::new(stage, config, data, monitor, ranks)
            })
        }
    }
}

/// Gradient checkpointing is a matter of U-Nets with a context. A file that is no TOML asks for
/// nothing: whoever reads it will say what is wrong with it.
fn check_recomputing(stage: Stage, path: &Path) -> Result<(), TrainError> {
    let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
    let table: toml::Table = toml::from_str(&text).unwrap_or_default();
    let run = table.get("run").and_then(|run| run.get("gradient_checkpointing"));
    let possible = match stage {
        Stage::Autoencoder | Stage::Clip => false,
        Stage::Diffusion => Conditioning::of_file(path)?.has_text(),
        _ => true,
    };
    if run == Some(&toml::Value::Boolean(true)) && !possible {
        return Err(TrainError::Data(
            "`run.gradient_checkpointing` is for U-Nets that hear of words: leave it out, and set \
             `run.accumulate` for less memory"
                .into(),
        ));
    }
    Ok(())
}

/// Reads the configuration and the data, builds the task, runs it, writes the model card.
fn launch<T, M, K>(
    path: &Path,
    options: &Options,
    monitor: &mut dyn Monitor,
    ranks: &dyn Ranks,
    build: impl FnOnce(Config<T, M>, Dataset, &mut dyn Monitor, &dyn Ranks) -> Result<K, TrainError>,
) -> Result<Outcome, TrainError>
where
    T: Clone + Serialize + DeserializeOwned,
    M: Clone + Serialize + DeserializeOwned + Default,
    K: Task,
{
    let open = |config: &mut Config<T, M>, monitor: &mut dyn Monitor, ranks: &dyn Ranks| {
        Dataset::open_among(&config.data, monitor, ranks)
    };
    launch_on(path, options, monitor, ranks, open, build)
}

/// [`launch`] with data that `open` reads, after a look at the configuration.
fn launch_on<T, M, K>(
    path: &Path,
    options: &Options,
    monitor: &mut dyn Monitor,
    ranks: &dyn Ranks,
    open: impl FnOnce(&mut Config<T, M>, &mut dyn Monitor, &dyn Ranks) -> Result<Dataset, TrainError>,
    build: impl FnOnce(Config<T, M>, Dataset, &mut dyn Monitor, &dyn Ranks) -> Result<K, TrainError>,
) -> Result<Outcome, TrainError>
where
    T: Clone + Serialize + DeserializeOwned,
    M: Clone + Serialize + DeserializeOwned + Default,
    K: Task,
{
    let mut config = Config::<T, M>::read(path)?;
    if options.steps == Some(0) {
        return Err(TrainError::Data("0 steps are not possible: it must be at least 1".into()));
    }
    config.run.steps = options.steps.unwrap_or(config.run.steps);
    let data = open(&mut config, monitor, ranks)?;
    let (pictures, unreadable) = (data.train.len(), data.unreadable.clone());
    let mut task = build(config.clone(), data, monitor, ranks)?;
    let mut fingerprint = config.fingerprint(task.name());
    let built_on = task.built_on().into_iter();
    fingerprint.extend(
        built_on.map(|(what, sum)| (format!("{}{what}", checkpointing::BUILT_ON), sum.into())),
    );
    let settings = Settings {
        run: config.run.clone(),
        optimizer: config.optimizer.clone(),
        fingerprint,
        resume: options.resume,
        text: fs::read_to_string(path).map_err(TrainError::io(path))?,
        unreadable,
    };
    let outcome = run::run(&mut task, &settings, monitor, ranks)?;
    if !outcome.stopped && ranks.rank() == 0 {
        let parameters = task.model().parameter_count();
        let batch_size = config.run.batch_size;
        let hardware = &options.hardware;
        let mut record = Record::new(&outcome, batch_size, pictures, parameters, hardware);
        record.unreadable = settings.unreadable.count;
        if let Some(folder) = task.started_from() {
            record = record.begun_with(folder, task.name());
        }
        if let Some(folder) = task.parts_from() {
            model_card::adopt(&config.run.export, folder, task.name())?;
        }
        let curve = config.run.folder.join(LOSS_CURVE);
        model_card::write(&config.run.export, task.name(), record, &curve, &config.card)?;
    }
    Ok(outcome)
}
