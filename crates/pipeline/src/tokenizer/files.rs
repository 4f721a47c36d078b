//! The files of a tokenizer, as transformers' `CLIPTokenizer` has them.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use aquatint_checkpoint::atomic;
use serde_json::{Value, json};

use super::{END, START, Tokenizer};
use crate::{ModelError, ModelSource};

/// The files in the folder `tokenizer`: ids by token, merges in order, settings.
pub const FILES: [&str; 3] = ["vocab.json", "merges.txt", "tokenizer_config.json"];

/// CLIP's length, for settings that do not mention one.
const CLIP_LENGTH: usize = 77;

impl Tokenizer {
    /// Reads the files of `folder` within a model.
    ///
    /// # Errors
    /// If one is missing, or they contradict each other.
    pub fn load(source: &ModelSource, folder: &str) -> Result<Self, ModelError> {
        let [vocab, merges, config] = FILES.map(|file| format!("{folder}/{file}"));
        let vocabulary: HashMap<String, u32> = source.json(&vocab)?;
        let pairs = parse_merges(&source.text(&merges)?)
            .map_err(|line| source.malformed(&merges, format!("`{line}` is no pair of tokens")))?;
        let settings: Value = source.json(&config)?;
        let length = settings["model_max_length"].as_f64().unwrap_or(CLIP_LENGTH as f64);
        // transformers writes 1e30 for "no limit", which no text encoder has.
        let length = if length > 1e6 { CLIP_LENGTH } else { length as usize };
        let pad = &settings["pad_token"];
        let pad = pad.as_str().or_else(|| pad["content"].as_str()).unwrap_or(END);
        Self::new(vocabulary, pairs, pad, length).map_err(|reason| source.malformed(&vocab, reason))
    }

    /// Writes the files into `folder`, which exists.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, folder: impl AsRef<Path>) -> io::Result<()> {
        let mut by_id: Vec<(&String, &u32)> = self.vocabulary.iter().collect();
        by_id.sort_by_key(|(_, id)| **id);
        let entries = by_id.iter().map(|(token, id)| format!("{}: {id}", json!(token)));
        let vocab = format!("{{\n{}\n}}\n", entries.collect::<Vec<_>>().join(",\n"));
        let mut merges = String::from("#version: 0.2\n");
        for (left, right) in &self.pairs {
            merges.push_str(&format!("{left} {right}\n"));
        }
        let pad = by_id.iter().find(|(_, id)| **id == self.pad).map(|(token, _)| token.as_str());
        let config = json!({
            "add_prefix_space": false,
            "bos_token": START,
            "do_lower_case": true,
            "eos_token": END,
            "errors": "replace",
            "model_max_length": self.max_length,
            "pad_token": pad,
            "tokenizer_class": "CLIPTokenizer",
            "unk_token": END,
        });
        let texts = [vocab, merges, format!("{config:#}\n")];
        FILES.iter().zip(texts).try_for_each(|(file, text)| {
            atomic::write_file(folder.as_ref().join(file), text.as_bytes())
        })
    }
}

/// The lines of a merges file, but for its first, which names the version. An offending line is
/// the error.
fn parse_merges(text: &str) -> Result<Vec<(String, String)>, String> {
    let lines = text.lines().filter(|line| !line.starts_with("#version") && !line.is_empty());
    lines
        .map(|line| match line.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => Ok((left.into(), right.into())),
            _ => Err(line.to_owned()),
        })
        .collect()
}
