//! The README of a trained model: data, steps, hours, machine, figures, licence.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aquatint_checkpoint::atomic;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::run::Outcome;

/// The section `[card]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CardConfig {
    /// The model's name.
    pub title: String,
    /// One or two sentences about what it makes of what.
    pub summary: String,
    /// What it was trained on, and whose that is.
    pub data: String,
    /// The licence of the weights.
    pub licence: String,
}

/// What is remembered of a finished run, in `training.json` in the model folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Steps done.
    pub steps: u64,
    /// Pictures in a step.
    pub batch_size: usize,
    /// Pictures that there were to choose from.
    pub pictures: usize,
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
            parameters,
            hours: (outcome.seconds / 36.0).round() / 100.0,
            hardware: hardware.to_owned(),
            loss: outcome.loss,
            figures: outcome.figures.iter().cloned().collect(),
        }
    }
}

/// Adds the record of a run of `task` to the model in `folder` and writes its README.md anew.
pub fn write(
    folder: &Path,
    task: &str,
    record: Record,
    card: &CardConfig,
) -> Result<(), TrainError> {
    let path = folder.join("training.json");
    let mut records: BTreeMap<String, Record> = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(TrainError::checkpoint(&path))?,
        Err(_) => BTreeMap::new(),
    };
    records.insert(task.to_owned(), record);
    let text = serde_json::to_string_pretty(&records).expect("records are plain data") + "\n";
    atomic::write_file(&path, text.as_bytes()).map_err(TrainError::io(&path))?;
    let path = folder.join("README.md");
    atomic::write_file(&path, readme(card, &records).as_bytes()).map_err(TrainError::io(&path))
}

fn readme(card: &CardConfig, records: &BTreeMap<String, Record>) -> String {
    let title = if card.title.is_empty() { "A model" } else { &card.title };
    let mut text = format!("# {title}\n");
    for (heading, body) in
        [("", &card.summary), ("## Data\n\n", &card.data), ("## Licence\n\n", &card.licence)]
    {
        if !body.is_empty() {
            text += &format!("\n{heading}{}\n", body.trim());
        }
    }
    text += "\n## Training\n\nTrained with `aquatint train`, one part after the other.\n\n";
    text += "| part | parameters | pictures | steps × batch | hours | on | loss | validation |\n";
    text += "|---|---|---|---|---|---|---|---|\n";
    for (task, r) in records {
        let loss = r.loss.map_or("-".into(), |loss| format!("{loss:.4}"));
        let figures: Vec<String> =
            r.figures.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
        text += &format!(
            "| {task} | {} | {} | {} × {} | {:.2} | {} | {loss} | {} |\n",
            r.parameters,
            r.pictures,
            r.steps,
            r.batch_size,
            r.hours,
            r.hardware,
            figures.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_grows_with_every_part() {
        let folder = tempfile::tempdir().unwrap();
        let outcome = Outcome {
            step: 800,
            stopped: false,
            seconds: 5400.0,
            loss: Some(0.25),
            figures: vec![("recall_at_1".into(), 0.5)],
        };
        let card = CardConfig {
            title: "Seven styles".into(),
            licence: "CC BY 4.0".into(),
            ..CardConfig::default()
        };
        for task in ["clip", "autoencoder"] {
            let record = Record::new(&outcome, 256, 9526, 1000, "a machine, 2 threads");
            write(folder.path(), task, record, &card).unwrap();
        }
        let text = fs::read_to_string(folder.path().join("README.md")).unwrap();
        assert!(text.starts_with("# Seven styles\n\n## Licence\n\nCC BY 4.0\n\n## Training\n"));
        let row = "| clip | 1000 | 9526 | 800 × 256 | 1.50 | a machine, 2 threads | 0.2500 | \
                   recall_at_1 0.500 |\n";
        assert!(text.ends_with(row), "{text}");
        assert!(text.contains("| autoencoder | "));
    }
}
