//! NumPy's `.npz`: named arrays of numbers in a zip archive, such as the statistics that
//! measurements of pictures are compared by.

mod npy;
mod write;

use std::path::Path;

use crate::LoadError;
use crate::container::Problem;
use crate::container::zip::Archive;
use crate::source::Source;

pub use write::{Floats, save_npz};

/// An opened archive. Arrays stay in the file until they are asked for.
pub struct Npz {
    file: String,
    source: Source,
    archive: Archive,
}

/// An array of numbers, whatever they were in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The sizes of the dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The numbers in row-major order.
    pub values: Vec<f64>,
}

impl Npz {
    /// Opens the archive at `path` and reads its directory.
    ///
    /// # Errors
    /// If it cannot be read or is no such archive.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let file = path.as_ref().display().to_string();
        match Source::open(path.as_ref()) {
            Ok(source) => Self::of(file, source),
            Err(source) => Err(LoadError::Read { file, source }),
        }
    }

    /// An archive that is in memory. `file` is what error messages call it.
    ///
    /// # Errors
    /// As [`Npz::open`].
    pub fn from_bytes(file: impl Into<String>, bytes: Vec<u8>) -> Result<Self, LoadError> {
        Self::of(file.into(), Source::Memory(bytes.into()))
    }

    fn of(file: String, source: Source) -> Result<Self, LoadError> {
        if source.len() == 0 {
            return Err(LoadError::Empty { file });
        }
        let archive =
            source.read_up_to(0..2).map_err(Problem::Read).and_then(|head| match &*head {
                b"PK" => Archive::open(&source),
                _ => Err(Problem::Unusable("it is no .npz file of NumPy's".into())),
            });
        match archive {
            Ok(archive) => Ok(Self { file, source, archive }),
            Err(problem) => Err(told(problem, &file)),
        }
    }

    /// The names of the arrays, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.archive.names().filter_map(|name| name.strip_suffix(".npy"))
    }

    /// The array of this name.
    ///
    /// # Errors
    /// If there is none, or one of something else than numbers, or the file is damaged.
    pub fn array(&self, name: &str) -> Result<Array, LoadError> {
        let entry = self.archive.unpacked(&self.source, &format!("{name}.npy"));
        let array = entry.and_then(|bytes| match bytes {
            Some(bytes) => npy::read(&bytes)
                .map_err(|reason| Problem::Unusable(format!("its array `{name}` {reason}"))),
            None => {
                let names: Vec<&str> = self.names().collect();
                let there = match names[..] {
                    [] => "is no archive of NumPy's".to_owned(),
                    _ => format!("holds {}", names.join(", ")),
                };
                Err(Problem::Unusable(format!("it has no array `{name}`: it {there}")))
            }
        });
        array.map_err(|problem| told(problem, &self.file))
    }
}

fn told(problem: Problem, file: &str) -> LoadError {
    match problem {
        Problem::NotAModel(what) => Problem::Unusable(format!("it {what}")).of(file),
        other => other.of(file),
    }
}

#[cfg(test)]
mod tests;
