//! Where a model's files come from.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aquatint_checkpoint::{Family, Weights};
use serde::de::DeserializeOwned;

use crate::ModelError;
use crate::config::INDEX;
use crate::single_file::SingleFile;

/// The largest file, in bytes, that is read only to tell what it is.
const LOOKED_AT: u64 = 1 << 28;

/// A model in diffusers' folder layout, on the disk or in the executable.
#[derive(Clone, Debug)]
pub enum ModelSource {
    /// A folder with `model_index.json` in it.
    Folder(PathBuf),
    /// The same files in memory: path within the folder, content.
    Embedded(&'static [(&'static str, &'static [u8])]),
    /// One file with the weights of all parts.
    File(Arc<SingleFile>),
}

impl ModelSource {
    /// A folder, or a file that holds a whole model in any container and naming that we know;
    /// `family` is believed more than what the file looks like.
    ///
    /// # Errors
    /// One sentence that says what `path` is instead, and what to do.
    pub fn open(path: impl Into<PathBuf>, family: Option<Family>) -> Result<Self, ModelError> {
        Self::open_with(path, family, None)
    }

    /// As [`ModelSource::open`]; the configurations of a file are those in the folder `config`, if
    /// one is given.
    ///
    /// # Errors
    /// Also if `config` is no folder of a model, or is given for a folder.
    pub fn open_with(
        path: impl Into<PathBuf>,
        family: Option<Family>,
        config: Option<&Path>,
    ) -> Result<Self, ModelError> {
        let path = path.into();
        if path.is_file() && path.file_name().is_none_or(|name| name != INDEX) {
            return Ok(Self::File(Arc::new(SingleFile::open_with(&path, family, config)?)));
        }
        let folder = Self::folder(&path)?;
        if config.is_some() {
            let reason = "has configurations of its own; leave out --config".into();
            return Err(ModelError::NoModel { file: path.display().to_string(), reason });
        }
        Ok(folder)
    }

    /// A folder, after a look at whether it can be a model at all.
    ///
    /// # Errors
    /// If there is nothing at `path`, or a file, or a folder without `model_index.json`.
    pub fn folder(path: impl Into<PathBuf>) -> Result<Self, ModelError> {
        let path = path.into();
        let not = |reason: &str| ModelError::not_a_folder(&path, reason);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(not("does not exist")),
            Err(error) => Err(not(&format!("cannot be read ({error})"))),
            // Devices and pipes may never end, and a look at a large file is not worth its memory.
            Ok(metadata) if metadata.is_file() && metadata.len() > LOOKED_AT => {
                Err(not("is a single file"))
            }
            Ok(metadata) if metadata.is_file() => Err(not(&what_file(&path))),
            Ok(metadata) if !metadata.is_dir() => Err(not("is no folder")),
            Ok(_) if path.join("model_index.json").is_file() => Ok(Self::Folder(path)),
            Ok(_) => match fs::read_dir(&path).map(|mut entries| entries.next().is_none()) {
                Err(error) => Err(not(&format!("cannot be read ({error})"))),
                Ok(true) => Err(not("is an empty folder")),
                Ok(false) => Err(not("is a folder without model_index.json")),
            },
        }
    }

    /// Whether there is a file `name`.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(name).is_file(),
            Self::Embedded(files) => files.iter().any(|(path, _)| *path == name),
            Self::File(file) => {
                file.config(name).is_some() || file.settings().is_some_and(|s| s.has(name))
            }
        }
    }

    /// The names of the files in a folder of the model, in order.
    pub(crate) fn names_in(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = match self {
            Self::Folder(root) => fs::read_dir(root.join(folder))
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.path().is_file())
                .filter_map(|entry| entry.file_name().into_string().ok())
                .filter(|name| !name.starts_with('.'))
                .collect(),
            Self::Embedded(files) => {
                let below = files.iter().filter_map(|(path, _)| path.strip_prefix(folder));
                below.filter_map(|rest| rest.strip_prefix('/')).map(str::to_owned).collect()
            }
            Self::File(file) => file.settings().map_or(vec![], |s| s.names_in(folder)),
        };
        names.sort();
        names
    }

    /// What messages call the file `name`.
    pub fn describe(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::Embedded(_) => format!("embedded:{name}"),
            Self::File(file) => format!("{}:{name}", file.path()),
        }
    }

    /// The content of the file `name`.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
    pub fn read(&self, name: &str) -> Result<Cow<'static, [u8]>, ModelError> {
        let missing = || ModelError::MissingFile { file: self.describe(name) };
        match self {
            Self::Folder(folder) => match fs::read(folder.join(name)) {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing()),
                Err(source) => Err(ModelError::Read { file: self.describe(name), source }),
            },
            Self::Embedded(files) => {
                let file = files.iter().find(|(path, _)| *path == name).ok_or_else(missing)?;
                Ok(Cow::Borrowed(file.1))
            }
            Self::File(file) => match (file.config(name), file.settings()) {
                (Some(config), _) => Ok(Cow::Owned(config.to_string().into_bytes())),
                (None, Some(settings)) => settings.read(name),
                (None, None) => Err(missing()),
            },
        }
    }

    /// The file `name`, which holds text.
    ///
    /// # Errors
    /// If it is not there or cannot be read, or is no text.
    pub fn text(&self, name: &str) -> Result<String, ModelError> {
        String::from_utf8(self.read(name)?.into_owned())
            .map_err(|_| self.malformed(name, "it is not UTF-8 text"))
    }

    /// The file `name`, which holds JSON.
    ///
    /// # Errors
    /// If it is not there or cannot be read, or is not such JSON.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, ModelError> {
        let bytes = self.read(name)?;
        if bytes.is_empty() {
            return Err(self.malformed(name, "it is empty"));
        }
        serde_json::from_slice(&bytes).map_err(|error| self.malformed(name, error))
    }

    /// The file `name`, which holds weights.
    ///
    /// # Errors
    /// If it is not there, or is no whole file of a kind that we know.
    pub fn weights(&self, name: &str) -> Result<Weights, ModelError> {
        match self {
            // Opened rather than read: large files stay on the disk until a tensor is wanted.
            Self::Folder(folder) if folder.join(name).is_file() => {
                Ok(Weights::open(folder.join(name))?)
            }
            _ => Ok(Weights::from_bytes(self.describe(name), self.read(name)?)?),
        }
    }

    pub(crate) fn malformed(&self, name: &str, reason: impl fmt::Display) -> ModelError {
        ModelError::Malformed { file: self.describe(name), reason: reason.to_string() }
    }
}

/// What a file is that was given in place of a folder.
fn what_file(path: &Path) -> String {
    match Weights::open(path) {
        Ok(_) => "is a single safetensors file".into(),
        Err(error) => {
            let sentence = error.to_string();
            let file = path.display().to_string();
            let reason = sentence.strip_prefix(&file).map(str::trim_start);
            reason.unwrap_or("is a file").to_owned()
        }
    }
}
