//! `aquatint reproduce`: the paper's experiments at a small scale (Rombach et al. 2022).
//!
//! Adding an experiment: one file with a `run` function, one variant of [`Experiment`] in `args`.
//! What is done is written to `results.json` piece by piece, and nothing that is there is done again.

mod args;
mod compression;
mod configs;
mod draw;
mod guidance;
mod looker;
mod page;
mod plot;
mod rate;
mod report;
mod results;
mod tables;
mod training;

use std::path::Path;

use aquatint_train::error::TrainError;
use aquatint_train::monitor::Monitor;
use serde_json::{Value, json};

pub use self::args::ReproduceArgs;
use self::args::{Common, Experiment};
use crate::failure::Failure;
use crate::names::{check_folder, unwritable};
use crate::train::{Shown, hardware, stop_flag};
use crate::{console, machine};

/// Runs an experiment, or goes on with it.
pub fn run(args: &ReproduceArgs) -> Result<(), Failure> {
    let common = match &args.experiment {
        Experiment::Compression(args) => &args.common,
        Experiment::Guidance(args) => &args.common,
    };
    check(common)?;
    machine::start_threads(common.threads)?;
    let mut shown = Shown::new(stop_flag());
    let outcome = machine::compute(|| match &args.experiment {
        Experiment::Compression(args) => compression::run(args, &mut shown),
        Experiment::Guidance(args) => guidance::run(args, &mut shown),
    });
    shown.clear();
    outcome?;
    console::note(&format!("{} has the report", common.output.join("report.html").display()));
    Ok(())
}

/// Refuses what cannot work, before anything takes time.
fn check(common: &Common) -> Result<(), Failure> {
    let steps = &common.ddim_steps;
    if steps.iter().enumerate().any(|(i, n)| steps[..i].contains(n)) {
        return Err(Failure::new("--ddim-steps has a number twice: leave one out"));
    }
    if !common.features.is_file() {
        let path = common.features.display();
        return Err(Failure::new(format!(
            "{path} is no file: --features takes Inception's weights, or those that `cargo xtask data \
             efficientnet-lite0 FILE` writes"
        )));
    }
    let output = &common.output;
    std::fs::create_dir_all(output).map_err(|error| unwritable(output, &error))?;
    check_folder(output)
}

/// What a reader of the results wants to know of how they came about.
fn about() -> Value {
    let command: Vec<String> = std::env::args().skip(1).collect();
    json!({
        "command": format!("aquatint {}", command.join(" ")),
        "version": env!("CARGO_PKG_VERSION"),
        "machine": hardware(),
    })
}

/// Whether somebody wants no more.
fn go_on(shown: &Shown) -> Result<(), Failure> {
    if shown.stop_requested_now() { Err(Failure::interrupted()) } else { Ok(()) }
}

/// A folder that may be there already.
fn folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| unwritable(path, &error))
}

/// A file, whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    aquatint_checkpoint::atomic::write_file(path, bytes).map_err(|error| unwritable(path, &error))
}

impl Shown {
    /// Whether Ctrl-C was pressed.
    fn stop_requested_now(&self) -> bool {
        Monitor::stop_requested(self)
    }
}

impl aquatint_eval::Watch for Shown {
    fn progress(&mut self, what: &str, done: usize, total: Option<usize>) {
        self.show(what, done as u64, total.unwrap_or(done) as u64, "");
    }

    fn stop_requested(&self) -> bool {
        self.stop_requested_now()
    }
}

/// The sentence of a training that cannot be.
fn training_failure(error: &TrainError) -> Failure {
    Failure::new(error.to_string())
}
