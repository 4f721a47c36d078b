//! What can go wrong outside: files, configurations, data, and numbers that leave the range.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a run could not start, go on, or save. The text is one line for the user.
#[derive(Debug)]
pub enum TrainError {
    /// The configuration file cannot be used.
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The data folder cannot be used.
    Data(String),
    /// A checkpoint, or a part of a model that the run builds on, cannot be used.
    Checkpoint(String),
    /// The loss or its gradient is not a number any more.
    NotANumber {
        /// The step at which that was seen.
        step: u64,
        /// What is not finite.
        what: &'static str,
        /// The newest checkpoint, which is from before it.
        kept: Option<PathBuf>,
    },
    /// A file could not be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl TrainError {
    /// For `map_err`: the error of the file at `path`.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_path_buf(), source }
    }

    /// For `map_err`: the error of a piece that this run builds on.
    pub fn checkpoint<E: fmt::Display>(path: &Path) -> impl FnOnce(E) -> Self + '_ {
        |error| {
            let (path, text) = (path.display().to_string(), error.to_string());
            let named = text.contains(&path);
            Self::Checkpoint(if named { text } else { format!("{path}: {text}") })
        }
    }
}

impl fmt::Display for TrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { path, message } => write!(f, "{}: {message}", path.display()),
            Self::Data(message) | Self::Checkpoint(message) => f.write_str(message),
            Self::NotANumber { step, what, kept } => {
                write!(f, "the {what} of step {step} is not a finite number; ")?;
                match kept {
                    Some(path) => write!(f, "the last good checkpoint stays in {}", path.display()),
                    None => write!(f, "there was no checkpoint yet"),
                }
            }
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}

impl std::error::Error for TrainError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
