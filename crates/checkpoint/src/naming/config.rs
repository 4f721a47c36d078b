//! Reading what names depend on from a configuration as diffusers writes it.

use serde_json::Value;

/// More levels or layers than any model has, and few enough for a table of names.
const MOST: usize = 1 << 10;

/// The block types under `key`, one for each level.
///
/// # Errors
/// If there is no such list, or an absurd one.
pub(super) fn block_types(config: &Value, key: &str) -> Result<Vec<String>, String> {
    let types = config[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let types: Vec<String> = types.map(str::to_owned).collect();
    if types.is_empty() || types.len() > 16 || Some(types.len()) != list_len(config, key) {
        return Err(format!("{key} is no list of 1 to 16 names of blocks"));
    }
    Ok(types)
}

/// The number under `key`: for all levels, or in a list for each; `default` if the key is missing.
///
/// # Errors
/// If it is neither.
pub(super) fn per_level(
    config: &Value,
    key: &str,
    levels: usize,
    default: Option<usize>,
) -> Result<Vec<usize>, String> {
    // No model has more channels, and products of a few such numbers do not overflow.
    let possible = |n: &usize| (1..=1 << 20).contains(n);
    let number = |value: &Value| value.as_u64().map(|n| n as usize).filter(possible);
    let found = match &config[key] {
        Value::Null => default.map(|n| vec![n; levels]),
        Value::Array(list) => list.iter().map(number).collect(),
        value => number(value).map(|n| vec![n; levels]),
    };
    match found {
        Some(found) if found.len() == levels => Ok(found),
        _ => Err(format!("{key} is no number from 1 to 2^20, nor a list of {levels}")),
    }
}

/// As [`per_level`], for numbers of layers; `default` is the Python class's.
///
/// # Errors
/// Also if there are too many.
pub(super) fn layers(
    config: &Value,
    key: &str,
    levels: usize,
    default: usize,
) -> Result<Vec<usize>, String> {
    let found = per_level(config, key, levels, Some(default))?;
    match found.iter().max() {
        Some(&most) if most > MOST => Err(format!("{key} = {most} is not between 1 and {MOST}")),
        _ => Ok(found),
    }
}

/// Whether blocks of this type hold attention.
pub(super) fn attends(block_type: &str) -> bool {
    block_type.contains("Attn")
}

/// The Python class that a configuration is for.
pub(super) fn class(config: &Value) -> &str {
    let transformers = config["architectures"].get(0);
    config["_class_name"].as_str().or(transformers.and_then(Value::as_str)).unwrap_or_default()
}

fn list_len(config: &Value, key: &str) -> Option<usize> {
    config[key].as_array().map(Vec::len)
}
