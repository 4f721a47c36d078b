//! Why a model cannot be used: one sentence each.

use std::io;
use std::path::Path;

use aquatint_checkpoint::LoadError;
use aquatint_checkpoint::lora::LoraError;

use crate::EmbeddingError;

/// An error of opening a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// What was given is no model folder.
    #[error("{path} {reason}; a model is a folder that contains model_index.json")]
    NotAFolder {
        /// The path as given.
        path: String,
        /// What it is instead.
        reason: String,
    },
    /// A file, but no whole model.
    #[error("{file} {reason}")]
    NoModel {
        /// The file.
        file: String,
        /// What it is and what to do: "is a LoRA for …; give it with …".
        reason: String,
    },
    /// A part is not there.
    #[error("{file} is missing: the model folder is incomplete")]
    MissingFile {
        /// The part.
        file: String,
    },
    /// The operating system refuses.
    #[error("{file} cannot be read: {source}")]
    Read {
        /// The part.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A part is not what it should be.
    #[error("{file} cannot be understood: {reason}")]
    Malformed {
        /// The part.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The weights cannot be used.
    #[error(transparent)]
    Weights(#[from] LoadError),
    /// A word cannot be added.
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    /// A LoRA cannot be added to the model.
    #[error(transparent)]
    Lora(#[from] LoraError),
    /// There is no word to add to, and no LoRA is known to fit.
    #[error("this model has no text encoder: it takes no LoRA and no embedding")]
    NoAdapters,
}

impl ModelError {
    pub(crate) fn not_a_folder(path: &Path, reason: &str) -> Self {
        // The reason is a sentence of its own where it comes from the reader of weights.
        let reason = reason.split("; copy or download").next().unwrap_or(reason);
        Self::NotAFolder { path: path.display().to_string(), reason: reason.into() }
    }
}
