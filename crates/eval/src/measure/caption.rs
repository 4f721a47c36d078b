//! How well pictures fit their captions (Hessel et al. 2021, "CLIPScore", equation 1).

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use aquatint_pipeline::Picture;
use serde_json::Value;

use super::gather::small;
use super::{Input, Options};
use crate::pictures::stem;
use crate::report::{Figure, Histogram, Report, SetReport, Sheet};
use crate::{Clip, EvalError, Named, Watch};

/// Pictures of the lowest and of the highest scores on the sheets.
const SHOWN: usize = 16;

/// The mean over pictures of 100·max(cos, 0), as torchmetrics has it; the paper's is 2.5·max(cos,
/// 0). Captions are the `text` of `metadata.jsonl` in the folder, or the `.txt` file beside a
/// picture, in a folder or in an archive.
///
/// # Errors
/// If the pictures cannot be read or none has a caption.
pub fn clip_score(
    input: &Input,
    clip: &Clip,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Report, EvalError> {
    let pictures = input.pictures("a CLIP score")?;
    let (captions, texts) = (captions(pictures.path())?, pictures.texts()?);
    let mut scores = Vec::new();
    let mut without = 0;
    let mut names = Vec::new();
    let skipped = pictures.for_each_batch(options.reading, "A", watch, &mut |batch| {
        let mut told: (Vec<Picture>, Vec<String>) = Default::default();
        for Named { name, picture } in batch {
            let beside = || {
                texts.get(&stem(&name)).cloned().or_else(|| beside(&pictures.path().join(&name)))
            };
            match captions.get(&name).cloned().or_else(beside) {
                Some(caption) => {
                    told.0.push(picture);
                    told.1.push(caption);
                    names.push(name);
                }
                None => without += 1,
            }
        }
        if !told.0.is_empty() {
            let captions: Vec<&str> = told.1.iter().map(String::as_str).collect();
            scores.extend(clip.cosines(&told.0, &captions).iter().map(|cos| 100.0 * cos.max(0.0)));
        }
        Ok(())
    })?;
    if scores.is_empty() {
        let path = pictures.path().display();
        return Err(EvalError::Pictures(format!(
            "{path}: no picture has a caption: write a metadata.jsonl with a line {{\"file_name\": \
             …, \"text\": …}} for each, or a .txt file beside it, as in WebDataset's archives"
        )));
    }
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let variance = scores.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / scores.len() as f64;
    let figures = vec![
        Figure::new("clip_score", "CLIP score (100·max(cos, 0))", mean),
        Figure::new("clip_score_std", "standard deviation over pictures", variance.sqrt()),
    ];
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]));
    let sheet = |title: &str, indices: &[usize]| -> Result<Sheet, EvalError> {
        let names: Vec<String> = indices.iter().map(|&i| names[i].clone()).collect();
        let fetched = pictures.fetch(&names)?;
        let pictures = fetched.iter().map(|named| small(&named.picture)).collect();
        Ok(Sheet { title: title.into(), columns: 8, pictures })
    };
    let sheets = vec![
        sheet("The highest scores, highest first", &order[..order.len().min(SHOWN)])?,
        sheet("The lowest scores, lowest last", &order[order.len().saturating_sub(SHOWN)..])?,
    ];
    let path = pictures.path().display().to_string();
    let sets = vec![SetReport { path, pictures: Some(scores.len()), skipped }];
    let histograms = vec![Histogram { title: "CLIP score".into(), values: scores }];
    let mut report =
        Report { metric: "clip", figures, sets, sheets, histograms, ..Report::default() };
    if without > 0 {
        report.notes.push(format!("{without} pictures have no caption and were left out"));
    }
    Ok(report)
}

/// What `metadata.jsonl` says, by file.
fn captions(folder: &Path) -> Result<HashMap<String, String>, EvalError> {
    let path = folder.join("metadata.jsonl");
    if !path.is_file() {
        return Ok(HashMap::new());
    }
    let text = fs::read_to_string(&path).map_err(|error| EvalError::read(&path, &error))?;
    let mut found = HashMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |reason: String| {
            let (path, number) = (path.display(), number + 1);
            EvalError::Pictures(format!("{path}, line {number}: {reason}"))
        };
        let value: Value = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        match (field("file_name"), field("text")) {
            (Some(name), Some(text)) => found.insert(name, text),
            _ => return Err(wrong("it has no `file_name` and `text`".into())),
        };
    }
    Ok(found)
}

/// What is in the text file of a picture's name.
fn beside(picture: &Path) -> Option<String> {
    let text = fs::read_to_string(picture.with_extension("txt")).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
