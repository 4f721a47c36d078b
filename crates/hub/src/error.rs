//! What can go wrong, each a sentence that says what to do. None of them shows a token or an
//! address beyond its host: addresses of stores are signed and open files by themselves.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a model was not fetched.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the sentences say what the fields are")]
pub enum HubError {
    #[error("`{0}` names no model of a hub: write OWNER/NAME or OWNER/NAME@REVISION")]
    MalformedName(String),
    #[error("`{0}` names no file of a repository: write its path there, such as unet/config.json")]
    MalformedFile(String),
    #[error("`{pattern}` is no pattern for names of files: {reason}")]
    MalformedPattern { pattern: String, reason: String },
    #[error("HF_ENDPOINT is no address of a hub: write https://HOST")]
    MalformedEndpoint,
    #[error("HF_TOKEN, or the file of the token, holds what no token can be: set it anew")]
    MalformedToken,
    #[error("{} holds no certificates in PEM: set SSL_CERT_FILE anew", .0.display())]
    NoCertificates(PathBuf),
    #[error("there is no home folder to keep models in: set HF_HOME to a folder")]
    NoHome,
    #[error("{repo}{file} is not in the cache: leave out --offline (HF_HUB_OFFLINE) to fetch it")]
    NotCached { repo: String, file: String },
    #[error(
        "{host} cannot be reached ({reason}): look to the network, or use what is in the cache \
         with --offline"
    )]
    Unreachable { host: String, reason: String },
    #[error(
        "{host} does not prove who it is ({reason}): set SSL_CERT_FILE to the certificates of the \
         authority that stands for it"
    )]
    Unproven { host: String, reason: String },
    #[error(
        "{repo} is not open to everyone: accept its licence at {page} and set HF_TOKEN to a token \
         of yours"
    )]
    Locked { repo: String, page: String },
    #[error(
        "{repo} is not open to the owner of this HF_TOKEN: accept its licence at {page}, or look \
         whether the token is still valid"
    )]
    Refused { repo: String, page: String },
    #[error("{host} has no model {repo}: look at how it is written")]
    NoModel { repo: String, host: String },
    #[error("{repo} has no revision {revision}: look at how it is written")]
    NoRevision { repo: String, revision: String },
    #[error("{repo} has no file {file}; it has {has}")]
    NoFile { repo: String, file: String, has: String },
    #[error("{repo} has no {variant} weights: leave out --variant {variant}")]
    NoVariant { repo: String, variant: String },
    #[error("{repo} is not in diffusers' layout: name one of its files, such as {has}")]
    NoLayout { repo: String, has: String },
    #[error("{repo} has no weights that can be used; it has {has}")]
    NoWeights { repo: String, has: String },
    #[error("no file of {repo} is left by --include and --exclude; it has {has}")]
    NothingLeft { repo: String, has: String },
    #[error("{host} answers with status {status}: try again later")]
    Status { host: String, status: u16 },
    #[error("{host} answers as no hub does: {what}")]
    Answer { host: String, what: String },
    #[error(
        "the transfer of {file} broke off too often ({reason}): run the same command again and it \
         goes on from there"
    )]
    BrokenOff { file: String, reason: String },
    #[error(
        "{file} came with another sum than its hub says ({found} for {expected}) and was thrown \
         away: try again later"
    )]
    SumDiffers { file: String, expected: String, found: String },
    #[error("the disk is full at {}: make room and run the same command again", .0.display())]
    DiskFull(PathBuf),
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("stopped; the same command goes on from there")]
    Stopped,
}

impl HubError {
    /// The sentence for a file or folder that cannot be read or written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull(path.to_owned())
            }
            _ => Self::File { path: path.to_owned(), reason: reason(error) },
        }
    }

    pub(crate) fn answer(host: &str, what: impl Into<String>) -> Self {
        Self::Answer { host: host.into(), what: what.into() }
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

/// An error of the system without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// "a, b, c and 12 more".
pub(crate) fn some_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 6;
    let mut names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    match (names.is_empty(), more) {
        (true, _) => "none".into(),
        (_, 0) => names.join(", "),
        (_, more) => format!("{} and {more} more", names.join(", ")),
    }
}
