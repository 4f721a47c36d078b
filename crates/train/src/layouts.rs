//! What is where in a picture, as tokens (Rombach et al. 2022, section 4.3.1: layout-to-image).
//!
//! A line of `metadata.jsonl` says it under `objects`:
//! `[{"class": "red circle", "box": [x0, y0, x1, y1]}, …]`, the box in parts of the picture's
//! width and height as it is trained on, a square: left, top, right, bottom. The transformer reads
//! a token for each word of the class and four for the box, rounded to a grid: `red circle x16 y8
//! x47 y39`. As these are words of its vocabulary, a layout is a prompt: whoever draws with the
//! model writes one.

use aquatint_pipeline::Tokenizer;
use serde::Deserialize;

use crate::conditioning::Conditioning;
use crate::data::{Dataset, Drawing};
use crate::diffusion::DiffusionConfig;
use crate::error::TrainError;
use crate::text_part::TextSection;

/// The key of a line that has them.
const KEY: &str = "objects";
/// Places of a coordinate if nothing is said.
const GRID: usize = 64;

/// A thing in a picture.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    class: String,
    #[serde(rename = "box")]
    place: [f64; 4],
}

/// The layouts of all pictures, as prompts.
pub struct Layouts {
    /// Of those that are trained on.
    pub of_train: Vec<String>,
    /// Of those that are held out.
    pub of_validation: Vec<String>,
    grid: usize,
}

/// Says what is wrong with a configuration because of layouts.
pub fn check(config: &DiffusionConfig) -> Result<(), String> {
    let task = &config.task;
    if task.conditioning != Conditioning::Layout {
        return task.layout_grid.map_or(Ok(()), |_| {
            Err("`task.layout_grid` is for `task.conditioning = \"layout\"`".into())
        });
    }
    if let Some(grid) = task.layout_grid.filter(|grid| !(2..=1024).contains(grid)) {
        return Err(format!("`task.layout_grid` is {grid}, not 2 to 1024"));
    }
    if config.model.unet.draft.is_some() {
        return Err("`[model.unet.draft]` is for captions; leave it out for layouts".into());
    }
    match &config.model.text {
        Some(text) if text.is_new() && text.tokenizer.is_none() => Ok(()),
        Some(text) if text.is_new() => Err("`model.text.tokenizer` is for captions: the words of \
                                            layouts are those of their classes; leave it out"
            .into()),
        _ => Err("`task.conditioning = \"layout\"` needs `[model.text]` with `model_type = \
                  \"ldmbert\"`, which learns to read layouts"
            .into()),
    }
}

/// The layouts of the pictures, if the configuration asks for some.
///
/// # Errors
/// If a line says something else than what it should, or none has a layout.
pub fn of(config: &DiffusionConfig, data: &Dataset) -> Result<Option<Layouts>, TrainError> {
    if config.task.conditioning != Conditioning::Layout {
        return Ok(None);
    }
    let grid = config.task.layout_grid.unwrap_or(GRID);
    // A beginning and an end belong to every prompt.
    let room = config.model.text.as_ref().map_or(0, TextSection::length) - 2;
    let written = |drawings: &[Drawing]| -> Result<Vec<String>, TrainError> {
        let one = |drawing: &Drawing| written(drawing, grid, room).map_err(TrainError::Data);
        drawings.iter().map(one).collect()
    };
    let (of_train, of_validation) = (written(&data.train)?, written(&data.validation)?);
    if of_train.iter().all(String::is_empty) {
        return Err(TrainError::Data(format!(
            "no line of metadata.jsonl has `{KEY}`: [{{\"class\": …, \"box\": [x0, y0, x1, y1]}}, \
             …], which `task.conditioning = \"layout\"` needs"
        )));
    }
    Ok(Some(Layouts { of_train, of_validation, grid }))
}

impl Layouts {
    /// A vocabulary of the words of all classes and of all places.
    pub fn tokenizer(&self, max_length: usize) -> Tokenizer {
        let places: Vec<String> =
            (0..self.grid).flat_map(|i| [format!("x{i}"), format!("y{i}")]).collect();
        let texts = self.of_train.iter().chain(&places).map(String::as_str);
        Tokenizer::of_words(texts, max_length)
    }

    /// Up to `count` held-out layouts from all over the set, or others if none are held out.
    pub fn shown(&self, count: usize) -> Vec<String> {
        let all = if self.of_validation.is_empty() { &self.of_train } else { &self.of_validation };
        let spread = (all.len() / count).max(1);
        all.iter().step_by(spread).take(count).cloned().collect()
    }
}

/// The layout of a picture, the largest things first; what has no room in so many tokens is left
/// out.
fn written(drawing: &Drawing, grid: usize, room: usize) -> Result<String, String> {
    let Some(value) = drawing.others.get(KEY) else { return Ok(String::new()) };
    let wrong = |what: String| format!("`{KEY}` of {}: {what}", drawing.file_name);
    let mut objects: Vec<Object> =
        serde_json::from_value(value.clone()).map_err(|error| wrong(error.to_string()))?;
    for Object { class, place: [x0, y0, x1, y1] } in &objects {
        let inside = [x0, y0, x1, y1].into_iter().all(|v| (0.0..=1.0).contains(v));
        if !inside || x0 > x1 || y0 > y1 {
            return Err(wrong(format!(
                "the box of {class:?} is [{x0}, {y0}, {x1}, {y1}]; it must be left, top, right, \
                 bottom in parts of the picture, from 0 to 1"
            )));
        }
    }
    let area = |object: &Object| {
        let [x0, y0, x1, y1] = object.place;
        (x1 - x0) * (y1 - y0)
    };
    objects.sort_by(|a, b| area(b).total_cmp(&area(a)));
    let (mut text, mut left) = (Vec::new(), room);
    for Object { class, place: [x0, y0, x1, y1] } in objects {
        let [x0, y0, x1, y1] = [x0, y0, x1, y1].map(|v| (v * (grid - 1) as f64).round() as usize);
        let object = format!("{class} x{x0} y{y0} x{x1} y{y1}");
        let tokens = Tokenizer::word_count(&object);
        if tokens <= left {
            left -= tokens;
            text.push(object);
        }
    }
    Ok(text.join(" "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    fn layout(objects: Value, room: usize) -> Result<String, String> {
        let others = BTreeMap::from([(KEY.to_owned(), objects)]);
        written(&Drawing { others, file_name: "a.png".into(), ..Drawing::default() }, 9, room)
    }

    #[test]
    fn large_things_come_first_and_what_has_no_room_not_at_all() {
        let objects = json!([
            {"class": "cat", "box": [0.0, 0.0, 0.25, 0.3]},
            {"class": "Old tree", "box": [0.5, 0, 1, 1]},
            {"class": "sun", "box": [0.9, 0, 1, 0.1]},
        ]);
        let whole = layout(objects.clone(), 20).expect("a layout");
        assert_eq!(whole, "Old tree x4 y0 x8 y8 cat x0 y0 x2 y2 sun x7 y0 x8 y1");
        assert_eq!(layout(objects, 10).expect("a layout"), "Old tree x4 y0 x8 y8");
        let layouts = Layouts { of_train: vec![whole.clone()], of_validation: vec![], grid: 9 };
        let tokenizer = layouts.tokenizer(18);
        let ids = tokenizer.encode(&whole);
        assert!(!ids.contains(&1) && tokenizer.vocab_size() == 5 + 4 + 18, "{ids:?}");
        assert_eq!(tokenizer.encode("a dog")[1..3], [1, 1], "unknown words");
    }

    #[test]
    fn what_is_no_layout_is_said() {
        for (objects, said) in [
            (json!([{"class": "cat", "box": [0.5, 0, 0.2, 1]}]), "the box of \"cat\" is [0.5, 0,"),
            (json!([{"class": "cat", "box": [0, 0, 2, 1]}]), "in parts of the picture, from 0 to"),
            (json!([{"class": "cat", "bbox": [0, 0, 1, 1]}]), "unknown field `bbox`"),
            (json!({"bbox": [[0, 0, 1, 1]]}), "a.png: "),
        ] {
            let error = layout(objects, 9).expect_err(said);
            assert!(error.starts_with("`objects` of a.png: ") && error.contains(said), "{error}");
        }
    }
}
