//! `metadata.jsonl`: what a folder says about its pictures, and which of them are trained on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aquatint_nn::fnv1a;
use serde::Deserialize;
use serde_json::Value;

use crate::error::TrainError;

/// A line of `metadata.jsonl`; other keys are kept for who asks for them.
#[derive(Deserialize)]
pub struct Line {
    pub file_name: String,
    pub text: String,
    pub style_word: Option<String>,
    pub label: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    pub split: Option<String>,
    #[serde(flatten)]
    pub others: BTreeMap<String, Value>,
}

/// Without a `validation` part, every picture whose name's hash is a multiple of this is one.
const HELD_OUT: u64 = 50;

/// The lines of a folder.
///
/// # Errors
/// If the folder or the file is not there, or a line is not what it should be.
pub fn read(folder: &Path) -> Result<Vec<Line>, TrainError> {
    let path = folder.join("metadata.jsonl");
    if !folder.is_dir() {
        return Err(TrainError::Data(format!("{}: there is no such folder", folder.display())));
    }
    if !path.is_file() {
        return Err(TrainError::Data(format!(
            "{}: there is no metadata.jsonl in it; a data folder needs one, with a line \
             {{\"file_name\": …, \"text\": …}} for every picture",
            folder.display()
        )));
    }
    let text = fs::read_to_string(&path).map_err(TrainError::io(&path))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                TrainError::Data(format!("{}, line {}: {error}", path.display(), number + 1))
            })
        })
        .collect()
}

/// Validation and training lines; those of other parts are dropped.
pub fn parts(lines: Vec<Line>) -> (Vec<Line>, Vec<Line>) {
    let part = |line: &Line| line.split.clone().unwrap_or_else(|| "train".into());
    let has_validation = lines.iter().any(|line| part(line) == "validation");
    lines
        .into_iter()
        .filter(|line| ["train", "validation"].contains(&part(line).as_str()))
        .partition(|line| {
            part(line) == "validation"
                || !has_validation && fnv1a(line.file_name.bytes()).is_multiple_of(HELD_OUT)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_parts_everything_but_a_few_is_trained_on() {
        let line = |i| Line {
            file_name: format!("{i}.png"),
            text: String::new(),
            style_word: None,
            label: None,
            tags: Vec::new(),
            split: None,
            others: BTreeMap::new(),
        };
        let (validation, train) = parts((0..1000).map(line).collect());
        assert!((10..40).contains(&validation.len()), "{} held out", validation.len());
        assert_eq!(validation.len() + train.len(), 1000);
    }
}
