//! A U-Net's training under a budget, and the model as it was on the way.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use aquatint_train::monitor::{Monitor, StepReport};
use aquatint_train::wordless::WordlessConfig;
use aquatint_train::{Options, Stage, train};
use serde_json::{Value, json};

use super::{folder, training_failure, write};
use crate::failure::Failure;
use crate::names::unwritable;
use crate::train::{Shown, hardware};

/// What every U-Net may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// Seconds of training steps.
    Seconds(f64),
    /// Training steps.
    Steps(u64),
}

/// Parts of the budget after which the model is kept.
const KEPT_AT: [f64; 4] = [0.125, 0.25, 0.5, 1.0];
/// More steps than any time suffices for.
const NO_END: u64 = 1_000_000_000;

impl Budget {
    /// As the settings of the experiment have it.
    pub fn json(self) -> Value {
        match self {
            Self::Seconds(seconds) => json!({ "seconds": seconds }),
            Self::Steps(steps) => json!({ "steps": steps }),
        }
    }

    /// Every so many steps a model can be kept, if the configuration does not say it.
    pub fn exported_every(self) -> Option<u64> {
        match self {
            Self::Seconds(_) => None,
            Self::Steps(steps) => Some((steps / 8).max(1)),
        }
    }

    fn used(self, seconds: f64, step: u64) -> f64 {
        match self {
            Self::Seconds(budget) => seconds / budget,
            Self::Steps(steps) => step as f64 / steps as f64,
        }
    }
}

/// Trains a first stage as its configuration says, or for `steps`.
///
/// # Errors
/// What training says; that somebody wants no more.
pub fn first_stage(path: &Path, steps: Option<u64>, shown: &mut Shown) -> Result<Value, Failure> {
    let options = Options { steps, resume: true, hardware: hardware() };
    let outcome = train(Stage::Autoencoder, path, &options, shown)
        .map_err(|error| training_failure(&error))?;
    if outcome.stopped {
        return Err(Failure::interrupted());
    }
    Ok(json!({ "steps": outcome.step, "seconds": outcome.seconds, "loss": outcome.loss }))
}

/// Trains the U-Net of the configuration at `path` until the budget is used up. The model is kept
/// in folders below `kept` on the way: the answer has a list `points` of them.
///
/// # Errors
/// What training says; that somebody wants no more.
pub fn diffusion(
    path: &Path,
    budget: Budget,
    kept: &Path,
    shown: &mut Shown,
) -> Result<Value, Failure> {
    let config = WordlessConfig::read(path).map_err(|error| training_failure(&error))?;
    folder(kept)?;
    let mut watched = Watched::new(budget, &config, kept, shown)?;
    let steps = match budget {
        Budget::Seconds(_) => NO_END,
        Budget::Steps(steps) => steps,
    };
    let options = Options { steps: Some(steps), resume: true, hardware: hardware() };
    let outcome = train(Stage::Diffusion, path, &options, &mut watched)
        .map_err(|error| training_failure(&error))?;
    watched.step = outcome.step;
    let done = watched.used() >= 1.0;
    if done {
        watched.keep();
    }
    watched.remember();
    if let Some(failure) = watched.failure.take() {
        return Err(failure);
    }
    if !done {
        return Err(Failure::interrupted());
    }
    let images = outcome.step as f64 * config.run.batch_size as f64;
    Ok(json!({
        "steps": outcome.step,
        "batch_size": config.run.batch_size,
        "seconds": watched.spent,
        "images_per_second": images / watched.spent,
        "points": watched.points,
    }))
}

/// Shows the run, takes its time, keeps models, and ends it.
struct Watched<'a> {
    shown: &'a mut Shown,
    budget: Budget,
    /// The model in training, and where it is kept.
    model: PathBuf,
    kept: PathBuf,
    every: u64,
    /// Steps done, and the seconds that they took.
    step: u64,
    spent: f64,
    /// When the step began that is being done.
    began: Cell<f64>,
    /// Models that were kept: step, seconds, folder.
    points: Vec<Value>,
    failure: Option<Failure>,
}

impl<'a> Watched<'a> {
    fn new(
        budget: Budget,
        config: &WordlessConfig,
        kept: &Path,
        shown: &'a mut Shown,
    ) -> Result<Self, Failure> {
        // What an interrupted part of the run had used.
        let path = kept.join("time.json");
        let text = if path.exists() {
            fs::read_to_string(&path).unwrap_or_default()
        } else {
            String::new()
        };
        let earlier: Value = serde_json::from_str(&text).unwrap_or_default();
        Ok(Self {
            shown,
            budget,
            model: config.run.export.clone(),
            kept: kept.to_owned(),
            every: config.run.checkpoint_every,
            step: earlier["step"].as_u64().unwrap_or(0),
            spent: earlier["seconds"].as_f64().unwrap_or(0.0),
            began: Cell::new(0.0),
            points: earlier["points"].as_array().cloned().unwrap_or_default(),
            failure: None,
        })
    }

    fn used(&self) -> f64 {
        self.budget.used(self.spent, self.step)
    }

    /// Whether the model on disk is that of the last step.
    fn exported(&self) -> bool {
        self.step.is_multiple_of(self.every)
    }

    /// Keeps the model if it is time for that: it was written after the last step.
    fn keep(&mut self) {
        let due = KEPT_AT.iter().filter(|part| **part <= self.used() + 1e-9).count();
        let passed = self.points.iter().filter_map(|point| point["part"].as_u64()).max();
        let there = self.points.iter().any(|point| point["step"].as_u64() == Some(self.step));
        if there || due as u64 <= passed.unwrap_or(0) {
            return;
        }
        let name = format!("step-{:06}", self.step);
        if let Err(failure) = link(&self.model, &self.kept.join(&name)) {
            self.failure.get_or_insert(failure);
            return;
        }
        self.points.push(json!({
            "step": self.step,
            "seconds": self.spent,
            "part": due,
            "model": name,
        }));
    }

    /// Writes down what was used.
    fn remember(&mut self) {
        let now = json!({ "step": self.step, "seconds": self.spent, "points": self.points });
        if let Err(failure) = write(&self.kept.join("time.json"), now.to_string().as_bytes()) {
            self.failure.get_or_insert(failure);
        }
    }
}

impl Monitor for Watched<'_> {
    fn seconds(&self) -> f64 {
        self.shown.seconds()
    }

    fn stop_requested(&self) -> bool {
        self.began.set(self.shown.seconds());
        let over = self.used() >= 1.0 && self.exported();
        over || self.failure.is_some() || self.shown.stop_requested_now()
    }

    fn preparing(&mut self, what: &str, done: usize, total: usize) {
        self.shown.preparing(what, done, total);
    }

    fn step(&mut self, report: &StepReport) {
        let before = self.shown.seconds() - self.began.get();
        if report.step > 1 && self.step == report.step - 1 && self.exported() {
            self.keep();
            self.remember();
        }
        self.step = report.step;
        self.spent += before;
        let mut report = *report;
        if let Budget::Seconds(budget) = self.budget {
            let pace = self.spent / report.step as f64;
            report.seconds_left = (budget - self.spent).max(0.0);
            let end = report.step + (report.seconds_left / pace).ceil() as u64;
            report.steps = end.next_multiple_of(self.every);
        }
        Monitor::step(self.shown, &report);
    }

    fn note(&mut self, text: &str) {
        self.shown.note(text);
    }
}

/// The files of a folder once more in another. They are replaced, never written into, so a link is
/// as good as a copy.
fn link(from: &Path, to: &Path) -> Result<(), Failure> {
    folder(to)?;
    let entries = fs::read_dir(from).map_err(|error| unwritable(from, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| unwritable(from, &error))?;
        let (path, new) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            link(&path, &new)?;
        } else if !new.exists() {
            let linked = fs::hard_link(&path, &new).or_else(|_| fs::copy(&path, &new).map(|_| ()));
            linked.map_err(|error| unwritable(&new, &error))?;
        }
    }
    Ok(())
}
