//! `*.safetensors.index.json` and `*.bin.index.json`: a model in several files beside each other.
//!
//! The index is the one container that names other files, so what it may name is narrow: a path of
//! plain components below its own folder. Otherwise a downloaded index could have any file of the
//! user opened.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

use serde::Deserialize;

use super::{Container, tfjs};
use crate::source::Source;
use crate::{Entry, LoadError, Manifest, Weights};

/// Longer ones are refused: a thousand times the tensors of SDXL fit.
const LONGEST_INDEX: usize = 16 << 20;
/// Each shard is an open file, and systems allow a process about a thousand of them.
pub(super) const MOST_SHARDS: usize = 256;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// All shards that the index at `path` lists, as one.
pub(crate) fn open(path: &Path, file: String, source: &Source) -> Result<Weights, LoadError> {
    let damaged = |reason: String| LoadError::Damaged { file: file.clone(), reason };
    if source.len() > LONGEST_INDEX {
        return Err(damaged(format!("an index of {} bytes is no index", source.len())));
    }
    let bytes = match source.read(0..source.len()) {
        Ok(bytes) => bytes,
        Err(source) => return Err(LoadError::Read { file, source }),
    };
    if tfjs::is_model(&bytes) {
        return tfjs::open(path, file, &bytes);
    }
    let Ok(Index { weight_map }) = serde_json::from_slice(&bytes) else {
        let what = if bytes.windows(12).any(|w| w == b"\"weight_map\"") {
            "is an index of shards that is damaged or cut off; copy or download it again"
        } else {
            "begins with JSON text"
        };
        return Err(LoadError::NotAModel { file, what: what.into() });
    };

    let folder = path.parent().unwrap_or(Path::new(""));
    let mut numbers = BTreeMap::<&str, usize>::new();
    let mut sources = Vec::new();
    let mut manifest = Manifest::default();
    for shard in weight_map.values() {
        if numbers.contains_key(shard.as_str()) {
            continue;
        }
        if sources.len() == MOST_SHARDS {
            return Err(damaged(format!("it lists more than {MOST_SHARDS} shards")));
        }
        let (source, part) = open_shard(folder, &file, shard)?;
        let number = sources.len();
        for (name, entry) in part.tensors {
            // Where two shards hold the same name, the index decides.
            let elsewhere = weight_map.get(&name).is_some_and(|listed| listed != shard);
            if !elsewhere {
                manifest.tensors.insert(name, Entry { shard: number, ..entry });
            }
        }
        manifest.metadata.extend(part.metadata);
        sources.push(source);
        numbers.insert(shard, number);
    }
    for (name, shard) in &weight_map {
        let found = manifest.tensors.get(name).map(|entry| entry.shard);
        if found != numbers.get(shard.as_str()).copied() {
            return Err(damaged(format!("it says that `{name}` is in `{shard}`, which lacks it")));
        }
    }
    Ok(Weights { file, container: Container::ShardIndex, sources, manifest })
}

/// A file that lies below the folder of the `file` that names it.
pub(super) fn open_below(folder: &Path, file: &str, shard: &str) -> Result<Source, LoadError> {
    let refused = |reason: &str| LoadError::Shard {
        file: file.to_owned(),
        shard: shard.to_owned(),
        reason: reason.to_owned(),
    };
    let plain = |c: Component<'_>| matches!(c, Component::Normal(_));
    // Backslashes and colons separate and name drives on one system and are letters on another.
    let strange = |c: char| c == '\\' || c == ':' || c.is_control();
    let relative = Path::new(shard);
    if shard.is_empty() || shard.contains(strange) || !relative.components().all(plain) {
        return Err(refused(
            "which is no plain path below its folder; nothing outside the folder is opened",
        ));
    }
    let path = folder.join(relative);
    match Source::open(&path) {
        Ok(source) => Ok(source),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(refused("which is not there; copy or download it too"))
        }
        Err(source) => Err(LoadError::Read { file: path.display().to_string(), source }),
    }
}

fn open_shard(folder: &Path, file: &str, shard: &str) -> Result<(Source, Manifest), LoadError> {
    let source = open_below(folder, file, shard)?;
    let name = folder.join(shard).display().to_string();
    let head = source.read_up_to(0..64);
    let head = head.map_err(|source| LoadError::Read { file: name.clone(), source })?;
    // An index within an index is read as safetensors, which refuses it.
    let manifest = Container::sniff(&head).read(&name, &source)?;
    drop(head);
    Ok((source, manifest))
}
