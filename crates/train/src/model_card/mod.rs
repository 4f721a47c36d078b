//! The README of a trained model: data, steps, hours, machine, figures, licence.

mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aquatint_checkpoint::atomic;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

use record::RECORDS;
pub use record::Record;

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
    let mut records = records(folder)?;
    if let Some(old) = records.get(task).filter(|old| old.same_run(&record)) {
        // A run in the folder that it began with is not what came before itself.
        record.before = old.before.clone();
    }
    records.insert(task.to_owned(), record);
    write_records(folder, &records)?;
    let path = folder.join("README.md");
    let pictured = |task: &str| folder.join(picture(task)).exists();
    let text = readme(card, &records, pictured);
    atomic::write_file(&path, text.as_bytes()).map_err(TrainError::io(&path))
}

/// Takes over the records of the parts that the model in `folder` has from the one in `from`,
/// which are all but that of `task`.
pub fn adopt(folder: &Path, from: &Path, task: &str) -> Result<(), TrainError> {
    let mut records = records(folder)?;
    for (part, record) in self::records(from)?.into_iter().filter(|(part, _)| part != task) {
        // Without a text encoder there is no use for the record of one.
        if part != "clip" || folder.join("text_encoder").is_dir() {
            records.insert(part, record);
        }
    }
    write_records(folder, &records)
}

/// What is known of the runs that made the model in `folder`.
fn records(folder: &Path) -> Result<BTreeMap<String, Record>, TrainError> {
    let path = folder.join(RECORDS);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(TrainError::checkpoint(&path)),
        Err(_) => Ok(BTreeMap::new()),
    }
}

fn write_records(folder: &Path, records: &BTreeMap<String, Record>) -> Result<(), TrainError> {
    let path = folder.join(RECORDS);
    let text = serde_json::to_string_pretty(records).expect("records are plain data") + "\n";
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
    let unreadable = match r.unreadable {
        0 => String::new(),
        count => format!(" ({count} unreadable)"),
    };
    format!(
        "{before}| {task}{begun} | {} | {}{unreadable} | {} × {} | {:.2} | {} | {loss} | {} |\n",
        r.parameters,
        r.pictures,
        r.steps,
        r.batch_size,
        r.hours,
        r.hardware,
        figures.join(", ")
    )
}
