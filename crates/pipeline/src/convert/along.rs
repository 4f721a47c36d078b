//! Tensors that no part of a model needs, but that were in its file: a folder keeps them in a file
//! of their own, which nobody else looks at, so that the way back makes the same file again.

use std::collections::BTreeMap;

use aquatint_checkpoint::naming::{Naming, Output, Plan};
use aquatint_checkpoint::{DType, Planned, Weights};

use super::input::{Gathered, Input};
use super::{ConvertOptions, NewFile};
use crate::{ModelError, ModelSource};

/// The file in a folder.
pub(super) const FILE: &str = "kept_along.safetensors";

/// Running averages are another set of weights, as large as the model.
const TOO_MUCH: &str = "model_ema.";
/// What the new file says by itself.
const MARK: &str = "a mark";

/// What an earlier conversion kept in the folder.
pub(super) fn of_folder(source: &ModelSource) -> Result<Option<Input>, ModelError> {
    if !source.has(FILE) {
        return Ok(None);
    }
    let weights = source.weights(FILE)?;
    Ok(Some(Input { weights, plan: Plan::default(), wanted: BTreeMap::new() }))
}

/// Adds to `files` what goes along, and takes it from what is left out. Returns the names.
pub(super) fn add(
    files: &mut BTreeMap<String, NewFile>,
    gathered: &mut Gathered,
    options: &ConvertOptions,
) -> Vec<String> {
    let mut kept = Vec::new();
    if gathered.alone {
        return kept;
    }
    let Gathered { inputs, left_out, .. } = gathered;
    for (i, input) in inputs.iter().enumerate() {
        let mut take = |file: &mut NewFile, name: &str| {
            let (weights, there) = (&input.weights, &file.planned);
            // Integers are only ever 0, 1, 2, …; a name of the model itself is the model's.
            let Some(stored) = float(weights, name) else { return };
            if there.iter().any(|tensor| tensor.name == name) {
                return;
            }
            let shape = weights.shape(name).unwrap_or_default().to_vec();
            let dtype = options.dtype.unwrap_or(stored);
            file.made.push(Some((i, Output::same("", name, &shape))));
            file.planned.push(Planned { name: name.into(), shape, dtype });
            kept.push(name.to_owned());
        };
        if options.naming == Naming::Diffusers {
            for (name, reason) in &input.plan.ignored {
                if *reason != MARK && !name.starts_with(TOO_MUCH) {
                    let new = || NewFile::new(FILE.into());
                    take(files.entry(FILE.into()).or_insert_with(new), name);
                }
            }
        } else if let (true, Some(file)) = (input.wanted.is_empty(), files.values_mut().next()) {
            input.weights.names().for_each(|name| take(file, name));
        }
    }
    files.retain(|_, file| !file.planned.is_empty());
    for names in left_out.values_mut() {
        names.retain(|name| !kept.contains(name));
    }
    left_out.retain(|_, names| !names.is_empty());
    kept
}

/// The encoding of a tensor, if it is one of floats.
fn float(weights: &Weights, name: &str) -> Option<DType> {
    DType::named(weights.dtype(name)?)
}
