//! How the engine works, and why it may not.

use std::path::PathBuf;
use std::sync::Arc;

use aquatint_pipeline::{ModelError, Tiling};

use crate::Limits;
use crate::store::StoreError;

/// How the engine works.
#[derive(Clone)]
pub struct Settings {
    /// How much may be asked for.
    pub limits: Limits,
    /// Bytes of weights that may be in memory at once.
    pub memory: u64,
    /// Folders with the LoRAs that prompts may name.
    pub lora_folders: Vec<PathBuf>,
    /// The type in which products are formed, as pictures tell it.
    pub dtype: String,
    /// Whether pictures go through the autoencoder in bands.
    pub tiling: Tiling,
    /// Is told what an operator may want to know, a line at a time.
    pub log: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            memory: 8 << 30,
            lora_folders: Vec::new(),
            dtype: "f32".into(),
            tiling: Tiling::Auto,
            log: Arc::new(|_| {}),
        }
    }
}

/// Why an engine cannot be started: one sentence.
#[derive(Debug)]
pub enum EngineError {
    /// A model cannot be used.
    Model(ModelError),
    /// The data folder cannot be used.
    Store(StoreError),
    /// There is something wrong with the settings.
    Settings(String),
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Model(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Settings(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for EngineError {}

impl From<ModelError> for EngineError {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
