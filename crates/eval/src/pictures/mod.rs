//! Sets of pictures: folders and tar shards, read a few pictures at a time.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use aquatint_pipeline::{Picture, PictureFormat, Tar};
use rayon::prelude::*;

use crate::{EvalError, Watch};

/// Pictures in files, none of which is in memory.
pub struct Pictures {
    path: PathBuf,
    files: Files,
}

enum Files {
    /// Below the folder, in the order of their names.
    Folder(Vec<PathBuf>),
    /// Archives of pictures.
    Shards(Vec<PathBuf>),
}

/// A picture and what it is called: its path below the folder, or its name in its archive.
#[derive(Clone)]
pub struct Named {
    /// What it is called.
    pub name: String,
    /// It.
    pub picture: Picture,
}

/// Pictures that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: usize,
    /// The first of them, each with the reason.
    pub first: Vec<String>,
}

/// How many pictures that were skipped are named.
const NAMED: usize = 20;

impl Skipped {
    fn add(&mut self, sentence: String) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(sentence);
        }
    }
}

/// How pictures are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Pictures at once.
    pub batch: usize,
    /// No more than so many: of a folder, spread evenly over it; of archives, the first.
    pub most: Option<usize>,
}

impl Pictures {
    /// The PNG, JPEG and WebP files in a folder and below it; or, if there are none, the tar
    /// archives in it; or one archive.
    ///
    /// # Errors
    /// If there is nothing of the kind.
    pub fn open(path: &Path) -> Result<Self, EvalError> {
        let files = if path.is_dir() {
            let (mut pictures, mut shards) = (Vec::new(), Vec::new());
            walk(path, &mut pictures, &mut shards)?;
            pictures.sort();
            shards.sort();
            if pictures.is_empty() { Files::Shards(shards) } else { Files::Folder(pictures) }
        } else if is_tar(path) {
            File::open(path).map_err(|error| EvalError::read(path, &error))?;
            Files::Shards(vec![path.to_owned()])
        } else {
            let what = if path.exists() { "is no" } else { "is not there: give a" };
            return Err(EvalError::Pictures(format!(
                "{} {what} folder of pictures, .tar file or .npz file",
                path.display()
            )));
        };
        if matches!(&files, Files::Shards(shards) if shards.is_empty()) {
            return Err(EvalError::Pictures(format!(
                "{} holds no PNG, JPEG or WebP pictures and no .tar files",
                path.display()
            )));
        }
        Ok(Self { path: path.to_owned(), files })
    }

    /// What was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many there are, where that is known before they are read.
    pub fn count(&self) -> Option<usize> {
        match &self.files {
            Files::Folder(files) => Some(files.len()),
            Files::Shards(_) => None,
        }
    }

    /// Hands the pictures to `each`, some at a time, and shows progress under the name `what`. What
    /// cannot be read is counted.
    ///
    /// # Errors
    /// Those of `each`; if an archive is damaged; if somebody asked to stop; if no picture can be
    /// read.
    pub fn for_each_batch(
        &self,
        reading: Reading,
        what: &str,
        watch: &mut dyn Watch,
        each: &mut dyn FnMut(Vec<Named>) -> Result<(), EvalError>,
    ) -> Result<Skipped, EvalError> {
        let mut skipped = Skipped::default();
        let mut done = 0;
        let most = reading.most.unwrap_or(usize::MAX);
        let total = self.count().map(|count| count.min(most));
        let mut handle = |files: Vec<(String, Result<Vec<u8>, String>)>| -> Result<(), EvalError> {
            if watch.stop_requested() {
                return Err(EvalError::Stopped);
            }
            let count = files.len();
            let opened: Vec<_> = files.into_par_iter().map(opened).collect();
            let mut batch = Vec::with_capacity(count);
            for picture in opened {
                picture.map_or_else(|sentence| skipped.add(sentence), |named| batch.push(named));
            }
            done += count;
            if !batch.is_empty() {
                each(batch)?;
            }
            watch.progress(what, done, total);
            Ok(())
        };
        match &self.files {
            Files::Folder(files) => {
                let count = files.len().min(most);
                let indices: Vec<usize> = (0..count).map(|i| i * files.len() / count).collect();
                for batch in indices.chunks(reading.batch.max(1)) {
                    let read = |&i: &usize| {
                        let bytes = fs::read(self.path.join(&files[i]));
                        (files[i].display().to_string(), bytes.map_err(|error| error.to_string()))
                    };
                    handle(batch.iter().map(read).collect())?;
                }
            }
            Files::Shards(shards) => {
                let mut batch = Vec::new();
                let mut count = 0;
                self.for_each_entry(shards, &is_picture, &mut |name, bytes| {
                    batch.push((name, Ok(bytes)));
                    count += 1;
                    if batch.len() == reading.batch.max(1) || count == most {
                        handle(std::mem::take(&mut batch))?;
                    }
                    Ok(count < most)
                })?;
                if !batch.is_empty() {
                    handle(batch)?;
                }
            }
        }
        if done == skipped.count {
            let path = self.path.display();
            let reason = skipped.first.first().map_or(String::new(), |first| format!(": {first}"));
            return Err(EvalError::Pictures(format!(
                "{path}: none of {done} pictures can be read{reason}"
            )));
        }
        Ok(skipped)
    }

    /// The pictures of these names, in this order; those that cannot be read any more are left out.
    ///
    /// # Errors
    /// If an archive is damaged.
    pub fn fetch(&self, names: &[String]) -> Result<Vec<Named>, EvalError> {
        let mut found: HashMap<String, Picture> = HashMap::new();
        match &self.files {
            Files::Folder(_) => {
                for name in names {
                    if let Ok(picture) = Picture::open(self.path.join(name)) {
                        found.insert(name.clone(), picture);
                    }
                }
            }
            Files::Shards(shards) => {
                let wanted = |name: &str| names.iter().any(|wanted| wanted == name);
                self.for_each_entry(shards, &wanted, &mut |name, bytes| {
                    if let Ok(named) = opened((name, Ok(bytes))) {
                        found.insert(named.name, named.picture);
                    }
                    Ok(found.len() < names.len())
                })?;
            }
        }
        let named = |name: &String| {
            let picture = found.get(name)?.clone();
            Some(Named { name: name.clone(), picture })
        };
        Ok(names.iter().filter_map(named).collect())
    }

    /// What the `.txt` files of archives say, by their names without the ending; nothing for a folder.
    ///
    /// # Errors
    /// If an archive is damaged.
    pub fn texts(&self) -> Result<HashMap<String, String>, EvalError> {
        let mut found = HashMap::new();
        let Files::Shards(shards) = &self.files else { return Ok(found) };
        self.for_each_entry(shards, &|name| name.ends_with(".txt"), &mut |name, bytes| {
            let text = String::from_utf8_lossy(&bytes).trim().to_owned();
            if !text.is_empty() {
                found.insert(stem(&name), text);
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// Calls `each` with the wanted files of the archives until it says that it has enough.
    fn for_each_entry(
        &self,
        shards: &[PathBuf],
        wanted: &dyn Fn(&str) -> bool,
        each: &mut dyn FnMut(String, Vec<u8>) -> Result<bool, EvalError>,
    ) -> Result<(), EvalError> {
        for shard in shards {
            let path = if self.path.is_dir() { self.path.join(shard) } else { shard.clone() };
            let read = |error: &std::io::Error| EvalError::read(&path, error);
            let file = File::open(&path).map_err(|e| read(&e))?;
            let mut tar = Tar::new(BufReader::new(file)).map_err(|e| read(&e))?;
            while let Some((name, bytes)) = tar.next_file(wanted).map_err(|e| read(&e))? {
                if !each(name, bytes)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The picture in a file, on white where it is transparent.
fn opened((name, bytes): (String, Result<Vec<u8>, String>)) -> Result<Named, String> {
    match bytes.and_then(|bytes| Picture::decode_opaque(&bytes)) {
        Ok(picture) => Ok(Named { name, picture }),
        Err(reason) => Err(format!("{name}: {reason}")),
    }
}

/// A name without its ending.
pub(crate) fn stem(name: &str) -> String {
    Path::new(name).with_extension("").to_string_lossy().into_owned()
}

fn is_picture(name: &str) -> bool {
    PictureFormat::of_path(Path::new(name)).is_some() && !hidden(Path::new(name))
}

fn is_tar(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("tar"))
}

/// Files that some systems put beside others begin with a dot.
fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn walk(
    top: &Path,
    pictures: &mut Vec<PathBuf>,
    shards: &mut Vec<PathBuf>,
) -> Result<(), EvalError> {
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| EvalError::read(&folder, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| EvalError::read(&folder, &error))?.path();
            let below = path.strip_prefix(top).unwrap_or(&path).to_owned();
            // Links to folders may lead in circles.
            let is_folder = path.is_dir() && !path.is_symlink();
            match () {
                () if hidden(&path) => {}
                () if is_folder => folders.push(path),
                () if is_picture(&below.to_string_lossy()) => pictures.push(below),
                () if is_tar(&path) => shards.push(below),
                () => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
