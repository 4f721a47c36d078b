//! The models that a server has: those that are given, and those in the executable.

use std::path::Path;
use std::sync::Arc;

use aquatint_checkpoint::Weights;
use aquatint_pipeline::{LoadOptions, ModelError, ModelSource, Upscaler};
use aquatint_server::engine::{ModelEntry, ModelFiles};

use crate::args::{Dtype, MachineArgs, ServeArgs};
use crate::embedded;
use crate::failure::Failure;

/// All of them, the default first.
pub fn entries(args: &ServeArgs) -> Result<Vec<ModelEntry>, Failure> {
    let mut entries = Vec::with_capacity(args.model.len() + 2);
    for path in &args.model {
        let name = path.canonicalize().unwrap_or_else(|_| path.clone());
        let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        entries.push(entry(&name, files(path)?, &args.machine));
    }
    let given = |name: &str, entries: &[ModelEntry]| entries.iter().any(|e| e.name == name);
    if !given(embedded::NAME, &entries) {
        match embedded::model() {
            Ok(source) => {
                let files = ModelFiles::Diffusion(source);
                entries.push(entry(embedded::NAME, files, &args.machine));
            }
            // A build without a model serves others.
            Err(failure) if entries.is_empty() => return Err(failure),
            Err(_) => {}
        }
    }
    if !given(embedded::UPSCALER, &entries) {
        let files = ModelFiles::Network(Arc::new(embedded::upscaler()?));
        entries.push(entry(embedded::UPSCALER, files, &args.machine));
    }
    Ok(entries)
}

fn entry(name: &str, files: ModelFiles, machine: &MachineArgs) -> ModelEntry {
    let int8 = matches!(machine.dtype, Dtype::Int8) && matches!(files, ModelFiles::Diffusion(_));
    let options = LoadOptions { precision: machine.dtype.into(), int8, ..Default::default() };
    let title = name.trim_end_matches(".safetensors").replace(['-', '_'], " ");
    ModelEntry { name: name.into(), title, files, options }
}

fn files(path: &Path) -> Result<ModelFiles, Failure> {
    let json = path.join("model.json");
    let network = match path.is_dir() {
        true => {
            json.is_file().then(|| Weights::open(&json)).transpose().map_err(ModelError::from)?
        }
        false if path.is_file() && path.file_name().is_some_and(|n| n != "model_index.json") => {
            // Files of no kind that we know are refused below, in more words.
            Weights::open(path).ok().filter(Upscaler::is_in)
        }
        false => None,
    };
    Ok(match network {
        Some(weights) => ModelFiles::Network(Arc::new(weights)),
        None => ModelFiles::Diffusion(ModelSource::open(path, None)?),
    })
}
