//! From what a configuration names to a list of pictures, each with what is said about it and the
//! place where it is.

mod braces;
pub(super) mod columns;
mod shards;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use super::Sample;
use super::metadata;
use super::place::Place;
use crate::error::TrainError;

/// The names of a column with pictures or their files, and of one with captions.
const PICTURES: [&str; 5] = ["file_name", "image", "path", "filename", "image_path"];
const CAPTIONS: [&str; 2] = ["text", "caption"];

/// All pictures of a folder, a table, or shards; what it is follows from its name.
///
/// # Errors
/// If there is nothing of the kind, or it is not what its name says.
pub fn samples(path: &Path) -> Result<Vec<Sample>, TrainError> {
    if path.is_dir() {
        return folder(path);
    }
    let wrong = |what: &str| TrainError::Data(format!("{} {what}", path.display()));
    let names = match path.to_str().filter(|name| name.contains('{') && !path.exists()) {
        Some(pattern) => {
            let names = braces::expand(pattern).map_err(|reason| wrong(&reason))?;
            names.into_iter().map(PathBuf::from).collect()
        }
        None => vec![path.to_path_buf()],
    };
    let end = extension(path);
    if !["tar", "csv", "tsv", "parquet"].contains(&end.as_str()) {
        return Err(match path.exists() {
            true => wrong("is neither a folder nor a .csv, .tsv, .tar or .parquet file"),
            false => TrainError::Data(format!("{}: there is no such folder", path.display())),
        });
    }
    if let Some(missing) = names.iter().find(|name| !name.is_file()) {
        return Err(TrainError::Data(format!("{}: there is no such file", missing.display())));
    }
    match end.as_str() {
        "tar" => shards::read(&names),
        "parquet" => columns::read(&names),
        _ => names.iter().map(|name| table::read(name)).collect::<Result<Vec<_>, _>>().map(concat),
    }
}

/// Whether a folder says itself what its pictures are.
pub fn is_described(folder: &Path) -> bool {
    ["metadata.jsonl", "metadata.csv"].iter().any(|name| folder.join(name).exists())
}

/// A folder with metadata, of archives, or of Parquet files, which may lie in its folder `data`.
fn folder(path: &Path) -> Result<Vec<Sample>, TrainError> {
    let lines = path.join("metadata.jsonl");
    if lines.is_file() {
        let sample = |line: metadata::Line| {
            let place = Place::File(path.join(&line.file_name));
            Sample { line, place }
        };
        return Ok(metadata::read(&lines)?.into_iter().map(sample).collect());
    }
    let rows = path.join("metadata.csv");
    if rows.is_file() {
        return table::read(&rows);
    }
    for folder in [path.to_path_buf(), path.join("data")] {
        let files = if folder.is_dir() { listed(&folder)? } else { Vec::new() };
        let of = |end: &str| -> Vec<PathBuf> {
            files.iter().filter(|file| extension(file) == end).cloned().collect()
        };
        let (tars, parquets) = (of("tar"), of("parquet"));
        if !tars.is_empty() {
            return shards::read(&tars);
        }
        if !parquets.is_empty() {
            return columns::read(&parquets);
        }
    }
    Err(TrainError::Data(format!(
        "{}: there is no metadata.jsonl in it; a data folder needs one, with a line \
         {{\"file_name\": …, \"text\": …}} for every picture, or a metadata.csv, or .tar or .parquet \
         files",
        path.display()
    )))
}

/// The files of a folder by name, without hidden ones.
pub fn listed(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let entries = fs::read_dir(folder).map_err(TrainError::io(folder))?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|e| e.path())).collect();
    let mut paths = paths.map_err(TrainError::io(folder))?;
    let hidden = |path: &Path| path.file_name().is_some_and(|n| n.as_encoded_bytes()[0] == b'.');
    paths.retain(|path| path.is_file() && !hidden(path));
    paths.sort();
    Ok(paths)
}

/// The ending of a name, in small letters.
pub fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn concat(parts: Vec<Vec<Sample>>) -> Vec<Sample> {
    parts.into_iter().flatten().collect()
}
