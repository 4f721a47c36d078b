//! Parts of a model as files in diffusers' layout.

use std::fs;
use std::path::Path;

use aquatint_checkpoint::{DType, atomic};
use aquatint_nn::Module;
use aquatint_pipeline::save_module;
use serde::Serialize;

use crate::error::TrainError;

/// Writes all weights of `module` in half precision, which is exact enough for what an average of
/// trained weights can mean.
pub fn weights(path: &Path, module: &impl Module) -> Result<(), TrainError> {
    make_folder(path)?;
    save_module(path, module, DType::F16).map_err(TrainError::io(path))
}

/// Writes `value` as indented JSON.
pub fn json(path: &Path, value: &impl Serialize) -> Result<(), TrainError> {
    make_folder(path)?;
    let text = serde_json::to_string_pretty(value).expect("configurations are plain data") + "\n";
    atomic::write_file(path, text.as_bytes()).map_err(TrainError::io(path))
}

fn make_folder(path: &Path) -> Result<(), TrainError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(TrainError::io(folder))
}
