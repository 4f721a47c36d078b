//! How an error is told: one sentence and an exit code.

use std::process::ExitCode;

use aquatint_pipeline::lora::LoraNotFound;
use aquatint_pipeline::{GenerateError, ModelError, RequestError};

use crate::console;

/// Why the program ends without what was asked for.
#[derive(Debug)]
pub struct Failure {
    sentence: String,
    code: u8,
}

/// The exit code of a program that was interrupted, 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;

impl Failure {
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), code: 1 }
    }

    pub fn interrupted() -> Self {
        Self { code: INTERRUPTED, ..Self::new("interrupted; nothing was left half-written") }
    }

    /// Tells it, and answers the exit code.
    pub fn report(self) -> ExitCode {
        // A message is one line, whatever was in the name of a file.
        console::note(&format!("error: {}", self.sentence.replace(['\n', '\r'], " ")));
        ExitCode::from(self.code)
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<LoraNotFound> for Failure {
    fn from(error: LoraNotFound) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<GenerateError> for Failure {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Cancelled => Self::interrupted(),
            GenerateError::Request(error) => error.into(),
            GenerateError::Model(error) => error.into(),
            GenerateError::NotFinite => Self::new(error.to_string()),
        }
    }
}
