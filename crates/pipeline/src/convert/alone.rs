//! Files that hold a single part of a model.

use aquatint_checkpoint::naming::{Layout, PARTS, Plan, shapes};
use aquatint_checkpoint::{Detected, Family, Kind, Weights};
use serde_json::{Map, Value};

use super::ConvertOptions;
use super::input::Gathered;
use crate::blueprint::wanted;
use crate::configs::{MODEL_INDEX, of_folder};
use crate::presets::preset;
use crate::{ModelError, ModelSource};

/// The part that a file holds, which is the first of all families' parts that wants exactly its
/// tensors. Autoencoders and text encoders do not show their families, and need not: those that
/// have the same tensors are converted alike.
pub(super) fn open(
    weights: Weights,
    found: &Detected,
    options: &ConvertOptions,
) -> Result<Gathered, ModelError> {
    let families: Vec<Family> = match options.family {
        Some(family) => vec![family],
        None => Family::all().collect(),
    };
    let all: Vec<(Option<Family>, Map<String, Value>)> = match &options.config {
        Some(folder) => vec![(None, of_folder(&ModelSource::folder(folder)?)?)],
        None => families.into_iter().map(|family| (Some(family), preset(family))).collect(),
    };
    let possible = |part: &&str| match found.kind {
        Kind::Autoencoder => ["vae", "vqvae"].contains(part),
        Kind::TextEncoder => !["unet", "vae", "vqvae"].contains(part),
        _ => *part == "unet",
    };
    for (family, configs) in all {
        for part in PARTS.into_iter().filter(possible) {
            let Some(config) = configs.get(part) else { continue };
            if !fits(&weights, part, config) {
                continue;
            }
            let index = Value::Object(Map::new());
            let configs = [(part.to_owned(), config.clone()), (MODEL_INDEX.to_owned(), index)];
            let mut gathered = Gathered::new(Map::from_iter(configs), family);
            gathered.alone = true;
            gathered.add_part(weights, part)?;
            return Ok(gathered);
        }
    }
    let what = match found.kind {
        Kind::Autoencoder => "an autoencoder",
        Kind::TextEncoder => "a text encoder",
        _ => "a U-Net",
    };
    let reason = match (&options.config, options.family) {
        (Some(folder), _) => format!("that {} does not describe", folder.display()),
        (None, Some(family)) => format!("that {} does not have; leave out --family", family.id()),
        _ => "of no model that we know; give a folder with its configuration with --config".into(),
    };
    let reason = format!("is {what} {reason}");
    Err(ModelError::NoModel { file: weights.file().into(), reason })
}

/// Whether the file has exactly the tensors of this part.
fn fits(weights: &Weights, part: &str, config: &Value) -> bool {
    let file = shapes(weights.manifest());
    let configs = Map::from_iter([(part.to_owned(), config.clone())]);
    match (Layout::of(&file, &configs), wanted(config)) {
        (Ok(layout), Ok(wanted)) => {
            Plan::new(&file, &layout).report(&file, part, &wanted).is_empty()
        }
        _ => false,
    }
}
