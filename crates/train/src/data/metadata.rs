//! What is said about pictures, and which of them are trained on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aquatint_nn::fnv1a;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Sample;
use crate::error::TrainError;

/// A line of `metadata.jsonl`, or a row of a table; other keys are kept for who asks for them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
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

impl Line {
    /// What tables and archives say about the picture `file_name`: `text` or `caption` is its
    /// caption, numbers are texts where texts are wanted, and tags may be one text with commas.
    pub fn of(file_name: String, mut fields: Map<String, Value>) -> Self {
        let mut take = |key: &str| fields.remove(key).and_then(|value| text(&value));
        let (caption, other) = (take("text"), take("caption"));
        let [style_word, label, split] =
            ["style_word", "label", "split"].map(|key| take(key).filter(|text| !text.is_empty()));
        let tags = match fields.remove("tags") {
            Some(Value::Array(tags)) => tags.iter().filter_map(text).collect(),
            Some(Value::String(tags)) => {
                let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
                tags.map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        let text = caption.or(other).unwrap_or_default();
        let others = fields.into_iter().collect();
        Self { file_name, text, style_word, label, tags, split, others }
    }
}

/// A text, a number as one, or the first of several.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(values) => values.first().and_then(text),
        _ => None,
    }
}

/// Without a `validation` part, every picture whose name's hash is a multiple of this is one.
const HELD_OUT: u64 = 50;

/// The lines of a `metadata.jsonl`.
///
/// # Errors
/// If it cannot be read, or a line is not what it should be.
pub fn read(path: &Path) -> Result<Vec<Line>, TrainError> {
    let text = fs::read_to_string(path).map_err(TrainError::io(path))?;
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

/// The pictures of all parts that are not trained on.
pub fn held_out(samples: Vec<Sample>) -> Vec<Sample> {
    let known = |sample: &Sample| {
        sample.line.split.as_deref().is_none_or(|part| ["train", "validation"].contains(&part))
    };
    let (rest, mut tests): (Vec<Sample>, Vec<Sample>) = samples.into_iter().partition(known);
    tests.extend(parts(rest).0);
    tests
}

/// Validation and training pictures; those of other parts are dropped.
pub fn parts(samples: Vec<Sample>) -> (Vec<Sample>, Vec<Sample>) {
    let part = |sample: &Sample| sample.line.split.clone().unwrap_or_else(|| "train".into());
    let has_validation = samples.iter().any(|sample| part(sample) == "validation");
    samples
        .into_iter()
        .filter(|sample| ["train", "validation"].contains(&part(sample).as_str()))
        .partition(|sample| {
            part(sample) == "validation"
                || !has_validation && fnv1a(sample.line.file_name.bytes()).is_multiple_of(HELD_OUT)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::place::Place;

    #[test]
    fn without_parts_everything_but_a_few_is_trained_on() {
        let sample = |i| Sample {
            line: Line { file_name: format!("{i}.png"), ..Line::default() },
            place: Place::Nowhere(String::new()),
        };
        let (validation, train) = parts((0..1000).map(sample).collect());
        assert!((10..40).contains(&validation.len()), "{} held out", validation.len());
        assert_eq!(validation.len() + train.len(), 1000);
        let held = held_out(
            (0..1000)
                .map(|i| {
                    let mut sample = sample(i);
                    sample.line.split = (i % 2 == 0).then(|| "test_object".into());
                    sample
                })
                .collect(),
        );
        let (tests, others): (Vec<&Sample>, Vec<&Sample>) =
            held.iter().partition(|sample| sample.line.split.is_some());
        assert_eq!(tests.len(), 500);
        assert!(!others.is_empty() && others.len() < 40, "{} of the rest", others.len());
    }

    #[test]
    fn rows_say_what_lines_say() {
        let Value::Object(fields) = json!({
            "caption": "a cat", "label": 3, "tags": "one, two,,three ", "split": "", "width": 512
        }) else {
            unreachable!()
        };
        let line = Line::of("a.png".into(), fields);
        assert_eq!((line.text.as_str(), line.label.as_deref()), ("a cat", Some("3")));
        assert_eq!(
            (line.tags, line.split),
            (["one", "two", "three"].map(String::from).to_vec(), None)
        );
        assert_eq!(line.others, BTreeMap::from([("width".into(), json!(512))]));
        let Value::Object(fields) = json!({"text": ["first", "second"], "tags": ["x"]}) else {
            unreachable!()
        };
        let line = Line::of("b".into(), fields);
        assert_eq!((line.text.as_str(), line.tags), ("first", vec!["x".to_owned()]));
    }
}
