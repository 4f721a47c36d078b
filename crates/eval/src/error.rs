//! Why something cannot be measured: one sentence each, which says what to do.

use aquatint_checkpoint::LoadError;
use aquatint_pipeline::ModelError;

/// An error of a measurement.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A file of weights or of statistics cannot be used.
    #[error(transparent)]
    File(#[from] LoadError),
    /// A model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The pictures do not do for what is asked.
    #[error("{0}")]
    Pictures(String),
    /// The operating system refuses.
    #[error("{path} {what}: {reason}")]
    System {
        /// The file.
        path: String,
        /// "cannot be read", "cannot be written".
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Stopped,
}

impl EvalError {
    pub(crate) fn read(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::system(path, "cannot be read", error)
    }

    pub(crate) fn system(
        path: &std::path::Path,
        what: &'static str,
        error: &std::io::Error,
    ) -> Self {
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
        Self::System { path: path.display().to_string(), what, reason }
    }
}
