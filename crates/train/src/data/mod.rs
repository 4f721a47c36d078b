//! Picture folders as Hugging Face's `imagefolder` lays them out: `metadata.jsonl` with one line
//! for each picture.
//!
//! A line needs `file_name` and `text`. If it has `style_word`, `label` and `tags` besides, other
//! captions than `text` can be made of them. `split` says which part the picture belongs to: only
//! `train` is trained on, `validation` is what losses are checked on, and every other part is not
//! even read.

mod metadata;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::metadata::Line;
use crate::decode::read_square;
use crate::error::TrainError;
use crate::monitor::Monitor;
use crate::sums::hexadecimal;

/// Where the pictures are: the `[data]` section of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The folder with `metadata.jsonl`.
    pub folder: PathBuf,
    /// Width and height of the pictures in memory; others are cropped to a square and scaled.
    #[serde(default = "default_size")]
    pub size: usize,
}

fn default_size() -> usize {
    128
}

/// One picture with what is known about it.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// Where it lies below the folder.
    pub file_name: String,
    /// The caption of the file.
    pub text: String,
    /// What captions call its style.
    pub style_word: Option<String>,
    /// What it shows.
    pub label: Option<String>,
    /// More words for what it shows.
    pub tags: Vec<String>,
    /// What else its line says, for conditions that are no captions.
    pub others: BTreeMap<String, Value>,
    /// sRGB and alpha, size × size × 4, not premultiplied.
    pub pixels: Vec<u8>,
}

impl Drawing {
    /// What the line says under `key`, if that is a text or a number.
    pub fn said(&self, key: &str) -> Option<String> {
        match key {
            "style_word" => self.style_word.clone(),
            "label" => self.label.clone(),
            _ => match self.others.get(key)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            },
        }
    }
}

/// The pictures of one folder, in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Width and height of every picture.
    pub size: usize,
    /// What may be trained on.
    pub train: Vec<Drawing>,
    /// What must not be trained on, to be measured on during training.
    pub validation: Vec<Drawing>,
}

impl Dataset {
    /// Reads the parts `train` and `validation` of a folder.
    pub fn open(config: &DataConfig, monitor: &mut dyn Monitor) -> Result<Self, TrainError> {
        let lines = metadata::read(&config.folder)?;
        let (validation, train) = metadata::parts(lines);
        let total = train.len() + validation.len();
        if train.is_empty() {
            return Err(TrainError::Data(format!(
                "{}: no line of metadata.jsonl is in the part \"train\"",
                config.folder.display()
            )));
        }
        let mut done = 0;
        let mut load = |lines: Vec<Line>| -> Result<Vec<Drawing>, TrainError> {
            let mut drawings = Vec::with_capacity(lines.len());
            for some in lines.chunks(512) {
                let loaded: Result<Vec<Drawing>, TrainError> =
                    some.par_iter().map(|line| drawing(line, config)).collect();
                drawings.extend(loaded?);
                done += some.len();
                monitor.preparing("pictures", done, total);
            }
            Ok(drawings)
        };
        Ok(Self { size: config.size, train: load(train)?, validation: load(validation)? })
    }

    /// A sum over everything that training on captions sees of the data, in hexadecimal.
    pub fn sum(&self) -> String {
        let sums: Vec<_> = self
            .train
            .par_iter()
            .map(|drawing| {
                let mut sum = Sha256::new();
                let Drawing { file_name, text, style_word, label, tags, pixels, .. } = drawing;
                // As JSON, so that it is clear where a text ends and whether there is one.
                let texts = serde_json::to_vec(&(file_name, text, style_word, label, tags));
                sum.update(texts.expect("texts are plain data"));
                sum.update(pixels);
                sum.finalize()
            })
            .collect();
        let mut whole = Sha256::new();
        sums.iter().for_each(|sum| whole.update(sum));
        hexadecimal(&whole.finalize())
    }
}

fn drawing(line: &Line, config: &DataConfig) -> Result<Drawing, TrainError> {
    Ok(Drawing {
        file_name: line.file_name.clone(),
        text: line.text.clone(),
        style_word: line.style_word.clone(),
        label: line.label.clone(),
        tags: line.tags.clone(),
        others: line.others.clone(),
        pixels: read_square(&config.folder.join(&line.file_name), config.size)?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::testing::Silent;

    fn folder_of(lines: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("metadata.jsonl"), lines.join("\n")).unwrap();
        for name in ["a.png", "b.png", "c.png"] {
            let picture = image::RgbaImage::from_pixel(8, 8, image::Rgba([10, 20, 30, 255]));
            picture.save(folder.path().join(name)).unwrap();
        }
        folder
    }

    fn open(folder: &Path) -> Result<Dataset, TrainError> {
        Dataset::open(&DataConfig { folder: folder.into(), size: 8 }, &mut Silent)
    }

    #[test]
    fn test_parts_are_not_read() {
        let folder = folder_of(&[
            r#"{"file_name": "a.png", "text": "a", "split": "train"}"#,
            r#"{"file_name": "b.png", "text": "b", "split": "validation", "tags": ["x"]}"#,
            r#"{"file_name": "missing.png", "text": "c", "split": "test_object"}"#,
        ]);
        let data = open(folder.path()).unwrap();
        assert_eq!(data.train.len(), 1);
        assert_eq!(data.train[0].text, "a");
        assert_eq!(data.train[0].pixels[..4], [10, 20, 30, 255]);
        assert_eq!(data.validation[0].tags, ["x"]);
    }

    #[test]
    fn without_parts_a_picture_is_trained_on() {
        let folder = folder_of(&[r#"{"file_name": "c.png", "text": "c"}"#]);
        assert_eq!(open(folder.path()).unwrap().train.len(), 1);
    }

    #[test]
    fn errors_are_one_line_that_names_the_place() {
        let error = |folder: &Path| open(folder).unwrap_err().to_string();
        let empty = tempfile::tempdir().unwrap();
        assert!(error(empty.path()).contains("there is no metadata.jsonl in it"));
        assert!(error(&empty.path().join("nothing")).contains("there is no such folder"));
        let broken = folder_of(&[r#"{"file_name": "a.png", "text": "a"}"#, "{"]);
        assert!(error(broken.path()).contains("metadata.jsonl, line 2: "));
        let missing = folder_of(&[r#"{"file_name": "no.png", "text": "a", "split": "train"}"#]);
        assert!(error(missing.path()).contains("no.png"));
        let tests_only = folder_of(&[r#"{"file_name": "a.png", "text": "", "split": "test_x"}"#]);
        assert!(error(tests_only.path()).contains("\"train\""));
        for folder in [&broken, &missing, &tests_only] {
            assert!(!error(folder.path()).contains('\n'));
        }
    }

    #[test]
    fn the_sum_sees_pixels_and_captions() {
        let folder = folder_of(&[r#"{"file_name": "a.png", "text": "a", "split": "train"}"#]);
        let data = open(folder.path()).unwrap();
        let mut other = data.clone();
        assert_eq!(data.sum(), other.sum());
        other.train[0].pixels[5] ^= 1;
        assert_ne!(data.sum(), other.sum());
        let changes: [fn(&mut Drawing); 5] = [
            |drawing| drawing.file_name = "b.png".into(),
            |drawing| drawing.text = "b".into(),
            |drawing| drawing.style_word = Some("noto".into()),
            |drawing| drawing.label = Some(String::new()),
            |drawing| drawing.tags.push("x".into()),
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut other = data.clone();
            change(&mut other.train[0]);
            assert_ne!(data.sum(), other.sum(), "change {i} is not seen");
        }
    }
}
