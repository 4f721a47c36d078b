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
    /// The folder of the weights that it began with, if they were not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_from: Option<String>,
    /// The run that made those weights, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Record>>,
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
    fn same_run(&self, other: &Self) -> bool {
        let of = |r: &Self| (r.steps, r.loss, r.started_from.clone());
        of(self) == of(other)
    }
}

/// The file of the records in a model folder.
const RECORDS: &str = "training.json";

/// The name of the picture of the loss of a task in a model folder.
fn picture(task: &str) -> String {
    format!("loss-{task}.png")
}

/// Adds the record of a run of `task`, and the picture of its loss at `curve` if there is one, to
/// the model in `folder` and writes its README.md anew.
pub fn write(
    folder: &Path,
    task: &str,
    mut record: Record,
    curve: &Path,
    card: &CardConfig,
) -> Result<(), TrainError> {
    if curve.exists() {
        let bytes = fs::read(curve).map_err(TrainError::io(curve))?;
        let path = folder.join(picture(task));
        atomic::write_file(&path, &bytes).map_err(TrainError::io(&path))?;
    }
    let path = folder.join(RECORDS);
    let mut records: BTreeMap<String, Record> = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(TrainError::checkpoint(&path))?,
        Err(_) => BTreeMap::new(),
    };
    if let Some(old) = records.get(task).filter(|old| old.same_run(&record)) {
        // A run in the folder that it began with is not what came before itself.
        record.before = old.before.clone();
    }
    records.insert(task.to_owned(), record);
    let text = serde_json::to_string_pretty(&records).expect("records are plain data") + "\n";
    atomic::write_file(&path, text.as_bytes()).map_err(TrainError::io(&path))?;
    let path = folder.join("README.md");
    let pictured = |task: &str| folder.join(picture(task)).exists();
    let text = readme(card, &records, pictured);
    atomic::write_file(&path, text.as_bytes()).map_err(TrainError::io(&path))
}

fn readme(
    card: &CardConfig,
    records: &BTreeMap<String, Record>,
    pictured: impl Fn(&str) -> bool,
) -> String {
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
    for (task, record) in records {
        text += &rows(task, record);
    }
    for task in records.keys().filter(|task| pictured(task)) {
        let what = match task.as_str() {
            "clip" => "text encoder",
            "diffusion" => "U-Net",
            other => other,
        };
        text += &format!("\n![loss of the {what}]({})\n", picture(task));
    }
    text
}

/// The row of a run, after those of the runs before it.
fn rows(task: &str, r: &Record) -> String {
    let before = r.before.as_ref().map_or(String::new(), |before| rows(task, before));
    let begun = r.started_from.as_ref().map_or(String::new(), |folder| {
        format!(", begun with the weights of {}", folder.replace('|', "\\|"))
    });
    let loss = r.loss.map_or("-".into(), |loss| format!("{loss:.4}"));
    let figures: Vec<String> =
        r.figures.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
    format!(
        "{before}| {task}{begun} | {} | {} | {} × {} | {:.2} | {} | {loss} | {} |\n",
        r.parameters,
        r.pictures,
        r.steps,
        r.batch_size,
        r.hours,
        r.hardware,
        figures.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(step: u64) -> Outcome {
        Outcome {
            step,
            stopped: false,
            seconds: 5400.0,
            loss: Some(0.25),
            figures: vec![("recall_at_1".into(), 0.5)],
        }
    }

    fn record(steps: u64) -> Record {
        Record::new(&outcome(steps), 256, 9526, 1000, "a machine, 2 threads")
    }

    fn readme_of(folder: &Path) -> String {
        fs::read_to_string(folder.join("README.md")).unwrap()
    }

    #[test]
    fn a_card_grows_with_every_part() {
        let folder = tempfile::tempdir().unwrap();
        let card = CardConfig {
            title: "Seven styles".into(),
            licence: "CC BY 4.0".into(),
            ..CardConfig::default()
        };
        for task in ["clip", "autoencoder"] {
            write(folder.path(), task, record(800), Path::new("none"), &card).unwrap();
        }
        let text = readme_of(folder.path());
        assert!(text.starts_with("# Seven styles\n\n## Licence\n\nCC BY 4.0\n\n## Training\n"));
        let row = "| clip | 1000 | 9526 | 800 × 256 | 1.50 | a machine, 2 threads | 0.2500 | \
                   recall_at_1 0.500 |\n";
        assert!(text.ends_with(row), "{text}");
        assert!(text.contains("| autoencoder | "));
    }

    #[test]
    fn a_card_shows_the_loss_where_there_is_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let curve = folder.path().join("curve.png");
        fs::write(&curve, "a picture").unwrap();
        let card = CardConfig::default();
        write(folder.path(), "autoencoder", record(800), &curve, &card).unwrap();
        write(folder.path(), "clip", record(800), Path::new("none"), &card).unwrap();
        let copy = fs::read(folder.path().join("loss-autoencoder.png")).unwrap();
        assert_eq!(copy, b"a picture");
        let text = readme_of(folder.path());
        assert!(
            text.ends_with("|\n\n![loss of the autoencoder](loss-autoencoder.png)\n"),
            "{text}"
        );
        assert!(!text.contains("loss-clip.png"), "{text}");
    }

    #[test]
    fn a_run_after_a_run_has_a_row_for_both() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        fs::create_dir_all(first.join("unet")).unwrap();
        fs::create_dir(&second).unwrap();
        let (none, card) = (Path::new("none"), CardConfig::default());
        write(&first, "diffusion", record(100), none, &card).unwrap();
        // Beside the weights, and above their folder.
        for weights in [first.join("unet"), first.clone()] {
            let after = record(200).begun_with(&weights, "diffusion");
            write(&second, "diffusion", after, none, &card).unwrap();
            let text = readme_of(&second);
            let begun = format!("| diffusion, begun with the weights of {} |", weights.display());
            let rows: Vec<&str> =
                text.lines().filter(|line| line.starts_with("| diffusion")).collect();
            assert!(rows.len() == 2 && rows[0].contains("| 100 × 256 |"), "{text}");
            assert!(rows[1].starts_with(&begun) && rows[1].contains("| 200 × 256 |"), "{text}");
        }
        let unknown = record(200).begun_with(&folder.path().join("elsewhere/unet"), "diffusion");
        assert!(unknown.started_from.is_some() && unknown.before.is_none());

        // In place, and the card of the same run once more.
        for _ in 0..3 {
            let after = record(300).begun_with(&first.join("unet"), "diffusion");
            write(&first, "diffusion", after, none, &card).unwrap();
            assert_eq!(readme_of(&first).matches("| diffusion").count(), 2);
        }
    }

    #[test]
    fn records_without_the_newer_keys_are_read() {
        let old = r#"{"clip": {"steps": 400, "batch_size": 256, "pictures": 9509,
            "parameters": 3582337, "hours": 0.27, "hardware": "AMD EPYC, 2 threads",
            "loss": 1.2, "figures": {"recall_at_1": 0.7}}}"#;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(RECORDS), old).unwrap();
        let (none, card) = (Path::new("none"), CardConfig::default());
        write(folder.path(), "autoencoder", record(800), none, &card).unwrap();
        let text = readme_of(folder.path());
        assert!(text.contains("| clip | 3582337 | 9509 | 400 × 256 | 0.27 |"), "{text}");
        let json = fs::read_to_string(folder.path().join(RECORDS)).unwrap();
        assert!(!json.contains("started_from") && !json.contains("before"), "{json}");
    }
}
