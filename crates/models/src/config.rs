//! What the configurations have in common.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A setting that is the same in all blocks or given for each, highest resolution first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerBlock<T> {
    /// One value for all.
    Same(T),
    /// One value a block.
    Each(Vec<T>),
}

impl<T: Copy> PerBlock<T> {
    /// The value for block `i`.
    ///
    /// # Panics
    /// If there is none; `check_len` tells before.
    #[track_caller]
    pub fn at(&self, i: usize) -> T {
        match self {
            Self::Same(value) => *value,
            Self::Each(values) => values[i],
        }
    }

    /// Refuses a list that is not `blocks` long.
    pub(crate) fn check_len(&self, key: &str, blocks: usize) -> Result<(), String> {
        match self {
            Self::Each(values) if values.len() != blocks => {
                Err(format!("{key} has {} values for {blocks} blocks", values.len()))
            }
            _ => Ok(()),
        }
    }
}

/// Keys of a configuration that no field has. They are kept, and written back as they were.
pub type OtherKeys = BTreeMap<String, Value>;

/// Refuses a key that would change the model in a way we do not know. `neutral` lists the keys
/// and, as JSON, the values that change nothing.
pub(crate) fn check_neutral(others: &OtherKeys, neutral: &[(&str, &[&str])]) -> Result<(), String> {
    for (key, allowed) in neutral {
        let Some(value) = others.get(*key) else { continue };
        let value = value.to_string();
        if !allowed.contains(&value.as_str()) {
            return Err(format!("{key} = {value} is not supported, only {}", allowed.join(" or ")));
        }
    }
    Ok(())
}

/// Most channels, tokens or pixels: far more than any model has, far less than overflows.
pub(crate) const MOST_CHANNELS: usize = 1 << 20;
/// Most layers in a row.
pub(crate) const MOST_LAYERS: usize = 1 << 10;
/// Most resolutions.
pub(crate) const MOST_LEVELS: usize = 16;

/// Refuses zero, and sizes above `most`.
pub(crate) fn check_sizes(most: usize, sizes: &[(&str, usize)]) -> Result<(), String> {
    match sizes.iter().find(|(_, size)| !(1..=most).contains(size)) {
        Some((key, size)) => Err(format!("{key} = {size} is not between 1 and {most}")),
        None => Ok(()),
    }
}

/// Refuses parts that do not divide the whole.
pub(crate) fn check_divides(key: &str, parts: usize, whole: usize) -> Result<(), String> {
    if parts == 0 || !whole.is_multiple_of(parts) {
        return Err(format!("{key}: {parts} does not divide {whole} channels"));
    }
    Ok(())
}

/// Refuses a value that is not one of those we know.
pub(crate) fn check_known(key: &str, value: &str, known: &[&str]) -> Result<(), String> {
    match known.contains(&value) {
        true => Ok(()),
        false => Err(format!("{key} = {value:?} is not supported, only {}", known.join(" or "))),
    }
}
