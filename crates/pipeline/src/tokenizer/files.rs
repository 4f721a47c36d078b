//! The files of a tokenizer, as transformers' `CLIPTokenizer` and `BertTokenizer` have them: older
//! ones in several files of their own, newer ones in one `tokenizer.json`.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use aquatint_checkpoint::atomic;
use serde::Deserialize;
use serde_json::{Value, json};
use tokenizers::models::bpe::Vocab;

use super::settings::{Added, Settings};
use super::{END, PLACES, Tokenizer, bert};
use crate::{ModelError, ModelSource};

/// The files in the folder `tokenizer` of a model with CLIP's: ids by token, merges in order,
/// settings.
pub const FILES: [&str; 3] = ["vocab.json", "merges.txt", CONFIG];

const CONFIG: &str = "tokenizer_config.json";
/// BERT's vocabulary.
const WORDS: &str = "vocab.txt";

/// The parts of `tokenizer.json` that matter. Its own account of normalizing and splitting does
/// not: transformers goes by the kind of the vocabulary too.
#[derive(Deserialize)]
struct Together {
    model: Value,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Vocabulary {
    vocab: HashMap<String, u32>,
    #[serde(default)]
    merges: Vec<Merge>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

impl Tokenizer {
    /// Reads the files of `folder` within a model, in whichever of the layouts they are:
    /// `tokenizer.json`, `vocab.txt`, or `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// If one is missing, or they contradict each other.
    pub fn load(source: &ModelSource, folder: &str) -> Result<Self, ModelError> {
        let path = |file: &str| format!("{folder}/{file}");
        let (together, words, [vocab, merges, config]) =
            (path("tokenizer.json"), path(WORDS), FILES.map(path));
        let mut added = Vec::new();
        let (file, vocabulary, pairs) = if source.has(&together) {
            let (vocabulary, pairs) = read_together(source, &together, &mut added)?;
            (together, vocabulary, pairs)
        } else if source.has(&words) {
            let vocabulary = bert::vocabulary(&source.text(&words)?);
            (words, vocabulary, None)
        } else {
            let vocabulary: HashMap<String, u32> = source.json(&vocab)?;
            let pairs = parse_merges(&source.text(&merges)?)
                .map_err(|line| not_a_pair(source, &merges, &line))?;
            (vocab, vocabulary.into_iter().collect(), Some(pairs))
        };

        let config_json: Value = source.json(&config)?;
        let optional = |file: &str| match source.has(&path(file)) {
            true => source.json::<Value>(&path(file)),
            false => Ok(Value::Null),
        };
        let map = optional("special_tokens_map.json")?;
        if let Value::Object(more) = optional("added_tokens.json")? {
            for (content, id) in more {
                let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
                let id = id.ok_or_else(|| {
                    source.malformed(&path("added_tokens.json"), format!("`{content}` has no id"))
                })?;
                if !added.iter().any(|token: &Added| token.content == content) {
                    added.push(Added::loosely(content, id));
                }
            }
        }
        let settings = if pairs.is_some() { Settings::clip(END, PLACES) } else { Settings::bert() };
        let settings = settings.read(&config_json, &map, added);
        let settings = settings.map_err(|reason| source.malformed(&config, reason))?;
        Self::new(vocabulary, pairs, settings).map_err(|reason| source.malformed(&file, reason))
    }

    /// Writes the files into `folder`, which exists.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, folder: impl AsRef<Path>) -> io::Result<()> {
        let mut by_id: Vec<(String, u32)> = self.pieces.get_vocab(false).into_iter().collect();
        by_id.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        let config = (CONFIG, format!("{:#}\n", self.settings.json()));
        let files = match &self.merges {
            Some(merges) => {
                let entries = by_id.iter().map(|(token, id)| format!("{}: {id}", json!(token)));
                let vocab = format!("{{\n{}\n}}\n", entries.collect::<Vec<_>>().join(",\n"));
                vec![(FILES[0], vocab), (FILES[1], format!("#version: 0.2\n{merges}")), config]
            }
            None => vec![(WORDS, numbered_lines(&by_id)), config],
        };
        files.iter().try_for_each(|(file, text)| {
            atomic::write_file(folder.as_ref().join(file), text.as_bytes())
        })
    }
}

/// Every token in the line of its id.
fn numbered_lines(by_id: &[(String, u32)]) -> String {
    let (mut text, mut line) = (String::new(), 0);
    for (token, id) in by_id.iter().filter(|(token, _)| !token.contains('\n')) {
        // Lines that no id names stay empty; of tokens of one id the first is written.
        while line < *id {
            text.push('\n');
            line += 1;
        }
        if line == *id {
            text.push_str(token);
            text.push('\n');
            line += 1;
        }
    }
    text
}

/// The vocabulary, and the merges if it has some, of a `tokenizer.json`.
fn read_together(
    source: &ModelSource,
    file: &str,
    added: &mut Vec<Added>,
) -> Result<(Vocab, Option<String>), ModelError> {
    let Together { model, added_tokens } = source.json(file)?;
    *added = added_tokens;
    let kind = model["type"].as_str().unwrap_or("BPE").to_owned();
    if kind != "BPE" && kind != "WordPiece" {
        let reason = format!("it is a `{kind}` vocabulary, neither CLIP's nor BERT's");
        return Err(source.malformed(file, reason));
    }
    let Vocabulary { vocab, merges } =
        serde_json::from_value(model).map_err(|error| source.malformed(file, error))?;
    let line = |merge| match merge {
        Merge::Pair(left, right) => format!("{left} {right}\n"),
        Merge::Line(line) => line + "\n",
    };
    let merges: String = merges.into_iter().map(line).collect();
    let merges = match kind.as_str() {
        "BPE" => Some(parse_merges(&merges).map_err(|line| not_a_pair(source, file, &line))?),
        _ => None,
    };
    Ok((vocab.into_iter().collect(), merges))
}

/// The lines of a merges file, but for its first, which names the version. An offending line is
/// the error.
fn parse_merges(text: &str) -> Result<String, String> {
    let mut lines = String::new();
    for line in text.lines().filter(|line| !line.starts_with("#version") && !line.is_empty()) {
        if line.split(' ').count() != 2 {
            return Err(line.to_owned());
        }
        lines.push_str(line);
        lines.push('\n');
    }
    Ok(lines)
}

fn not_a_pair(source: &ModelSource, file: &str, line: &str) -> ModelError {
    source.malformed(file, format!("`{line}` is no pair of tokens"))
}
