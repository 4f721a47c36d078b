//! Pictures with captions: a folder as Hugging Face's `imagefolder` lays it out, `metadata.jsonl` or
//! `metadata.csv` with a line for each picture; a table; WebDataset's shards; Parquet files.
//!
//! A line needs `file_name` and `text`. If it has `style_word`, `label` and `tags` besides, other
//! captions than `text` can be made of them. `split` says which part the picture belongs to: only
//! `train` is trained on, `validation` is what losses are checked on, and every other part is not
//! even read.
//!
//! All pictures are decoded once when a run begins; those that cannot be read are named and left
//! out. As many as memory is allowed for stay; the rest is read again for each step that needs it.

mod among;
pub(crate) mod buckets;
mod config;
mod few;
mod metadata;
mod opening;
mod place;
mod source;
mod store;
mod unreadable;

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use self::among::share;
pub use self::config::{BucketsConfig, DataConfig};
pub(crate) use self::few::pictures_in;
use self::metadata::Line;
use self::place::Place;
use self::store::Store;
pub use self::unreadable::Unreadable;
use crate::sums::hexadecimal;

/// What a source says of a picture, and where it is.
#[derive(Clone, Debug)]
struct Sample {
    line: Line,
    place: Place,
}

/// One picture with what is known about it.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// Where it lies below the folder, or what it is called in its archive.
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
    /// Which of [`Dataset::shapes`] it has.
    pub bucket: usize,
    /// sRGB and alpha, height × width × 4, not premultiplied; nothing where it is not in memory.
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

/// The pictures of one source.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Width and height of all pictures, if they are squares.
    pub size: usize,
    /// What is trained on.
    pub train: Vec<Drawing>,
    /// What is only looked at, in memory, those of one size one after the other.
    pub validation: Vec<Drawing>,
    /// The sizes of pictures, [height, width] each.
    pub shapes: Vec<[usize; 2]>,
    /// What was left out.
    pub unreadable: Unreadable,
    store: Store,
}

impl Dataset {
    /// A sum over everything that training on captions sees of the data, in hexadecimal.
    pub fn sum(&self) -> String {
        let mut whole = Sha256::new();
        self.store.sums.iter().for_each(|sum| whole.update(sum));
        hexadecimal(&whole.finalize())
    }

    /// Height and width of a picture.
    pub fn shape(&self, drawing: &Drawing) -> [usize; 2] {
        self.shapes[drawing.bucket]
    }

    /// Held-out pictures of one size, at most `most` at a time.
    pub fn validation_batches(&self, most: usize) -> Vec<Range<usize>> {
        let mut batches: Vec<Range<usize>> = Vec::new();
        for (i, drawing) in self.validation.iter().enumerate() {
            match batches.last_mut() {
                Some(last)
                    if last.len() < most
                        && self.validation[last.start].bucket == drawing.bucket =>
                {
                    last.end = i + 1;
                }
                _ => batches.push(i..i + 1),
            }
        }
        batches
    }

    /// So many of the held-out pictures, or, if there are none, of the training pictures, spread
    /// evenly; none if they cannot be read any more.
    pub fn shown(&self, most: usize) -> Vec<Drawing> {
        let spread = |count: usize| (0..count).step_by((count / most).max(1)).take(most);
        match self.validation.len() {
            0 => self.taken(&spread(self.train.len()).collect::<Vec<_>>()).unwrap_or_default(),
            count => spread(count).map(|i| self.validation[i].clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
