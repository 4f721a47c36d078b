//! What is remembered of a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::run::Outcome;

/// What is remembered of a finished run, in `training.json` in the model folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Steps done.
    pub steps: u64,
    /// Pictures in a step.
    pub batch_size: usize,
    /// Pictures that there were to choose from.
    pub pictures: usize,
    /// Pictures that could not be read and were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: usize,
    /// Numbers that were trained.
    pub parameters: usize,
    /// Hours of training.
    pub hours: f64,
    /// Processor and threads.
    pub hardware: String,
    /// The mean loss of the last logged steps.
    pub loss: Option<f64>,
    /// The last validation figures.
    #[serde(default)]
    pub figures: BTreeMap<String, f64>,
    /// The folder of the weights that it began with, if they were not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_from: Option<String>,
    /// The run that made those weights, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Record>>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Record {
    /// The record of a run that ended so.
    pub fn new(
        outcome: &Outcome,
        batch_size: usize,
        pictures: usize,
        parameters: usize,
        hardware: &str,
    ) -> Self {
        Self {
            steps: outcome.step,
            batch_size,
            pictures,
            unreadable: 0,
            parameters,
            hours: (outcome.seconds / 36.0).round() / 100.0,
            hardware: hardware.to_owned(),
            loss: outcome.loss,
            figures: outcome.figures.iter().cloned().collect(),
            started_from: None,
            before: None,
        }
    }

    /// The record of a run of `task` that began with the weights in `folder`: the run that they
    /// are from is looked up in the model that they are part of.
    pub fn begun_with(mut self, folder: &Path, task: &str) -> Self {
        self.started_from = Some(folder.display().to_string());
        let places = [Some(folder), folder.parent()];
        let mut found = places.into_iter().flatten().filter_map(|place| {
            // Where there is no record there is a model of someone else's, which is no error.
            let bytes = fs::read(place.join(RECORDS)).ok()?;
            serde_json::from_slice::<BTreeMap<String, Self>>(&bytes).ok()?.remove(task)
        });
        self.before = found.next().map(Box::new);
        self
    }

    /// Whether both are of one run, whose card is written once more.
    pub(super) fn same_run(&self, other: &Self) -> bool {
        let of = |r: &Self| (r.steps, r.loss, r.started_from.clone());
        of(self) == of(other)
    }
}

/// The file of the records in a model folder.
pub(super) const RECORDS: &str = "training.json";
