//! `results.json`: all that was found out, so that nothing is done twice.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::write;
use crate::failure::Failure;

/// The file, and what is in it.
pub struct Results {
    path: PathBuf,
    value: Value,
}

impl Results {
    /// A new file, which is written when there is something to keep, or with `resume` the one that is there, if it is of an experiment with the same
    /// `settings`.
    ///
    /// # Errors
    /// If there is one and nobody asked to go on with it, or it is of another experiment.
    pub fn open(folder: &Path, resume: bool, settings: &Value) -> Result<Self, Failure> {
        let path = folder.join("results.json");
        let shown = path.display();
        if !path.exists() {
            return Ok(Self { path, value: json!({ "settings": settings }) });
        }
        if !resume {
            return Err(Failure::new(format!(
                "{shown} exists: go on with it with --resume, or choose another folder with -o"
            )));
        }
        let text = fs::read_to_string(&path)
            .map_err(|error| Failure::new(format!("{shown} cannot be read: {error}")))?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("{shown} is damaged: {error}")))?;
        let empty = Map::new();
        for (key, wanted) in settings.as_object().unwrap_or(&empty) {
            let there = &value["settings"][key];
            if there != wanted {
                return Err(Failure::new(format!(
                    "{shown} is of an experiment with {key} = {there}, not {wanted}: use the same, or \
                     choose another folder with -o"
                )));
            }
        }
        Ok(Self { path, value })
    }

    /// Everything.
    pub fn all(&self) -> &Value {
        &self.value
    }

    /// What is known under these keys.
    pub fn get(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter().try_fold(&self.value, |value, key| value.get(key))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set(&mut self, keys: &[&str], found: Value) -> Result<(), Failure> {
        let mut place = &mut self.value;
        for key in keys {
            place = &mut place[*key];
        }
        *place = found;
        self.save()
    }

    fn save(&mut self) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&self.value).unwrap_or_default();
        write(&self.path, (text + "\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_again_by_the_same_experiment() {
        let folder = tempfile::tempdir().unwrap();
        let open = |resume, seed: u64| Results::open(folder.path(), resume, &json!({"seed": seed}));
        let mut results = open(false, 1).unwrap();
        results.set(&["ldm", "4", "steps"], json!(7)).unwrap();
        assert!(open(false, 1).is_err() && open(true, 2).is_err());
        let again = open(true, 1).unwrap();
        assert_eq!(again.get(&["ldm", "4", "steps"]), Some(&json!(7)));
        assert_eq!(again.get(&["ldm", "8", "steps"]), None);
    }
}
