//! What is in a folder that others may change meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::HubError;
use crate::name::is_path;

/// The names in a folder that is perhaps not there.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, HubError> {
    let list = || -> io::Result<Vec<String>> {
        let entries = fs::read_dir(folder)?;
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().into_string().ok());
        entries.filter_map(|entry| name(entry).transpose()).collect()
    };
    match list() {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(Vec::new())
        }
        found => found.map_err(|error| HubError::file(folder, &error)),
    }
}

/// The files below a folder with their lengths. Folders that are links are not entered, and
/// links that lead nowhere are no files.
pub(super) fn tree(folder: &Path) -> Result<BTreeMap<String, u64>, HubError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(within) = folders.pop() {
        for name in names(&folder.join(&within))? {
            let path = if within.is_empty() { name } else { format!("{within}/{name}") };
            let place = folder.join(&path);
            let is_link = fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink());
            match fs::metadata(&place) {
                Ok(found) if found.is_file() && is_path(&path) => {
                    files.insert(path, found.len());
                }
                Ok(found) if found.is_dir() && !is_link => folders.push(path),
                _ => {}
            }
        }
    }
    Ok(files)
}
