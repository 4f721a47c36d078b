//! The loop: loss, gradient, step, average; and now and then a line, a picture, a checkpoint.
//!
//! Nothing that a step computes depends on when the run was started or interrupted: the random
//! numbers of step n are a stream of its own, and the order of the data follows from n. So a run
//! that was killed and continued ends with the same bits as one that was not.

mod gradients;
mod pace;
mod record;
mod second;
mod start;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::gradients::Found;
use self::pace::Pace;
use self::second::Second;
use crate::config::{OptimizerConfig, RunConfig};
use crate::data::Unreadable;
use crate::ema::Ema;
use crate::error::TrainError;
use crate::metrics::Metrics;
use crate::monitor::{Monitor, StepReport};
use crate::optimizer::{Optimizer, grad_norm};
use crate::ranks::{Buckets, Ranks};
use crate::report::tensorboard::Events;
use crate::task::{Figures, Task};

/// The parts of a configuration that the loop reads.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long, how often, where to.
    pub run: RunConfig,
    /// How weights change.
    pub optimizer: OptimizerConfig,
    /// What a checkpoint must agree with.
    pub fingerprint: BTreeMap<String, Value>,
    /// Whether to go on from the checkpoint in the run's folder.
    pub resume: bool,
    /// The text of the configuration, for the report.
    pub text: String,
    /// Pictures that are left out.
    pub unreadable: Unreadable,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Steps done in all.
    pub step: u64,
    /// Whether it was asked to stop before the end.
    pub stopped: bool,
    /// Seconds of training, those before an interruption included.
    pub seconds: f64,
    /// The mean loss of the last logged steps.
    pub loss: Option<f64>,
    /// The last validation figures.
    pub figures: Vec<(String, f64)>,
}

/// Trains `task` until its last step, or until the monitor wants to stop.
///
/// # Errors
/// If the folder holds a checkpoint and `resume` was not asked for, if the checkpoint is of
/// another configuration, if the loss is not a number any more, or if a file cannot be written.
pub fn run(
    task: &mut dyn Task,
    settings: &Settings,
    monitor: &mut dyn Monitor,
    ranks: &dyn Ranks,
) -> Result<Outcome, TrainError> {
    let mut run = Run::start(task, settings, monitor, ranks)?;
    if run.step >= settings.run.steps {
        // Nothing is left to do but what may have been interrupted after the last checkpoint.
        run.show()?;
        run.export()?;
    }
    while run.step < settings.run.steps && !run.stop_requested() {
        run.one_step()?;
        let due = |every: u64| run.step.is_multiple_of(every) || run.step == settings.run.steps;
        let (sample, checkpoint) =
            (due(settings.run.sample_every), due(settings.run.checkpoint_every));
        if due(settings.run.log_every) {
            run.log()?;
        }
        if checkpoint {
            run.write_checkpoint()?;
        }
        if sample {
            run.show()?;
        }
        if checkpoint {
            run.export()?;
        }
    }
    run.finish()
}

struct Run<'a> {
    task: &'a mut dyn Task,
    settings: &'a Settings,
    monitor: &'a mut dyn Monitor,
    ranks: &'a dyn Ranks,
    /// Where gradients of all processes are added up.
    buckets: Buckets,
    optimizer: Optimizer,
    second: Option<Second>,
    ema: Ema,
    /// The first process writes.
    metrics: Option<Metrics>,
    /// The same for TensorBoard.
    events: Option<Events>,
    /// Steps done.
    step: u64,
    /// The step of the newest checkpoint.
    saved: Option<u64>,
    /// Seconds of training in earlier parts of the run.
    earlier: f64,
    /// When this part began.
    began: f64,
    pace: Pace,
    /// Since the last line of metrics.
    losses: Vec<f64>,
    last: Last,
}

/// What the last step did, for the metrics.
#[derive(Default)]
struct Last {
    lr: f64,
    grad_norm: f64,
    parts: Figures,
    loss: Option<f64>,
    figures: Vec<(String, f64)>,
}

fn checkpoint_path(folder: &Path) -> PathBuf {
    folder.join("checkpoint.safetensors")
}

impl Run<'_> {
    fn seconds(&self) -> f64 {
        self.earlier + self.monitor.seconds() - self.began
    }

    /// Line 5 of Algorithm 1 of the DDPM paper, and of nearly everything else: follow the
    /// gradient of the loss.
    fn one_step(&mut self) -> Result<(), TrainError> {
        let before = self.monitor.seconds();
        let Found { loss, figures, mut grads } = self.gradients()?;
        self.check_finite("loss", loss)?;
        let norm = grad_norm(self.task.model(), &grads);
        self.check_finite("gradient", norm)?;

        let lr = self.settings.optimizer.lr_schedule(self.settings.run.steps).at(self.step);
        self.step += 1;
        let model = self.task.model_mut();
        self.optimizer.step(model, &mut grads, norm, lr, self.step);
        self.second_step(lr)?;
        self.task.constrain();
        self.ema.update(self.task.model(), self.step);

        self.losses.push(loss);
        self.last = Last { lr, grad_norm: norm, parts: figures, ..std::mem::take(&mut self.last) };
        let pace = self.pace.add(self.monitor.seconds() - before);
        let report = StepReport {
            step: self.step,
            steps: self.settings.run.steps,
            loss: loss as f32,
            lr,
            images_per_second: self.settings.run.batch_size as f64 / pace,
            seconds_left: pace * (self.settings.run.steps - self.step) as f64,
        };
        self.monitor.step(&report);
        Ok(())
    }

    /// Whether any of the processes was asked to stop: then all do.
    fn stop_requested(&self) -> bool {
        let mut asked = [f64::from(u8::from(self.monitor.stop_requested()))];
        self.ranks.sum(&mut asked);
        asked[0] > 0.0
    }

    fn check_finite(&self, what: &'static str, value: f64) -> Result<(), TrainError> {
        self.check_finite_at(self.step, what, value)
    }

    /// Refuses a number of the step number `step`.
    fn check_finite_at(&self, step: u64, what: &'static str, value: f64) -> Result<(), TrainError> {
        if value.is_finite() {
            return Ok(());
        }
        let kept = self.saved.map(|_| checkpoint_path(&self.settings.run.folder));
        Err(TrainError::NotANumber { step: step + 1, what, kept })
    }

    fn finish(mut self) -> Result<Outcome, TrainError> {
        let stopped = self.step < self.settings.run.steps;
        if stopped && self.saved != Some(self.step) {
            self.write_checkpoint()?;
            self.monitor.note(&format!("stopped after step {}; --resume goes on", self.step));
        }
        Ok(Outcome {
            step: self.step,
            stopped,
            seconds: self.seconds(),
            loss: self.last.loss,
            figures: self.last.figures,
        })
    }
}
