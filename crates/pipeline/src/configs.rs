//! The configurations of a model's parts as one map, from wherever they are.

use aquatint_checkpoint::naming::PARTS;
use serde_json::{Map, Value};

use crate::config::INDEX;
use crate::{ModelError, ModelSource};

/// The key of `model_index.json` among the configurations.
pub(crate) const MODEL_INDEX: &str = "model_index";

/// The configurations in a folder, laid out as [`crate::presets::preset`] has them: those of the
/// parts with weights and of the schedulers by the names of the parts, and the index.
///
/// # Errors
/// If one that the index lists is not there, or is no JSON.
pub(crate) fn of_folder(source: &ModelSource) -> Result<Map<String, Value>, ModelError> {
    let index: Map<String, Value> = source.json(INDEX)?;
    let mut configs = Map::new();
    for part in components(&index).filter(|part| PARTS.contains(part) || is_scheduler(part)) {
        let mut config: Map<String, Value> = source.json(&file(part))?;
        // The second text encoder always has a projection, and the names follow from that.
        if part == "text_encoder_2" && !config.contains_key("architectures") {
            config.insert("architectures".into(), vec!["CLIPTextModelWithProjection"].into());
        }
        configs.insert(part.into(), config.into());
    }
    configs.insert(MODEL_INDEX.into(), index.into());
    Ok(configs)
}

/// The parts that an index lists: those that it has a class for.
pub(crate) fn components(index: &Map<String, Value>) -> impl Iterator<Item = &str> {
    index.iter().filter(|(_, entry)| entry[1].is_string()).map(|(part, _)| part.as_str())
}

/// The file that a part's configuration is in.
pub(crate) fn file(part: &str) -> String {
    let name = if is_scheduler(part) { "scheduler_config" } else { "config" };
    format!("{part}/{name}.json")
}

/// Whether a part is a scheduler, which has no weights.
pub(crate) fn is_scheduler(part: &str) -> bool {
    part.ends_with("scheduler")
}
