//! Why a file cannot be used: one sentence each, which says what to do.

use std::io;

use crate::LoadReport;

/// An error of reading weights. `file` is the path as the user gave it, or the name of an embedded
/// file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The operating system refuses.
    #[error("{file} cannot be read: {}", lower(source))]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// No byte in it.
    #[error("{file} is empty; copy or download it again")]
    Empty {
        /// The file.
        file: String,
    },
    /// Something else than safetensors.
    #[error("{file} is not a safetensors model: it {what}")]
    NotAModel {
        /// The file.
        file: String,
        /// What it is instead: "begins with PNG data".
        what: String,
    },
    /// The end is missing.
    #[error(
        "{file} is cut off: its header promises {promised} bytes, the file has {actual}; copy or download it again"
    )]
    CutOff {
        /// The file.
        file: String,
        /// Bytes it should have (at least).
        promised: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// The header contradicts itself or the file.
    #[error("{file} is damaged: {reason}; copy or download it again")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Numbers of a kind that cannot be weights here.
    #[error("{file} holds `{name}` as {dtype}; weights must be F32, F16 or BF16")]
    DType {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// Its type as the file spells it.
        dtype: String,
    },
    /// A pickle that names code. Nothing of it was run: pickles are read as data.
    #[error(
        "{file} is a pickle that would call `{name}`, which no weights need; nothing of it was run, and the file should not be trusted"
    )]
    Refused {
        /// The file.
        file: String,
        /// What it wants to call, with its module: `os.system`.
        name: String,
    },
    /// An index of shards that lists a file which cannot be opened.
    #[error("{file} lists the shard `{shard}`, {reason}")]
    Shard {
        /// The index.
        file: String,
        /// The shard as the index spells it.
        shard: String,
        /// What is wrong with it: "which is not there; …".
        reason: String,
    },
    /// A well-formed file of a kind that is not supported.
    #[error("{file} cannot be used: {reason}")]
    Unusable {
        /// The file.
        file: String,
        /// Why, and what to do.
        reason: String,
    },
    /// There is no tensor of this name.
    #[error("{file} holds no tensor `{name}`{}", nearest.as_ref().map_or(String::new(), |n| format!(" (the nearest name is `{n}`)")))]
    NoTensor {
        /// The file.
        file: String,
        /// The wanted name.
        name: String,
        /// The most similar name in the file.
        nearest: Option<String>,
    },
    /// The tensors are not those of the model.
    #[error("{file} does not fit the model's configuration: {report}")]
    Mismatch {
        /// The file.
        file: String,
        /// Which tensors.
        report: Box<LoadReport>,
    },
}

/// "No such file or directory (os error 2)" → "no such file or directory".
fn lower(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}
