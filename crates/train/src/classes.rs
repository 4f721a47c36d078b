//! Classes of pictures, out of what the lines of the metadata say.

use std::collections::BTreeMap;

use crate::data::{Dataset, Drawing};
use crate::error::TrainError;

/// More rows than anybody has classes.
const MOST_CLASSES: usize = 1 << 16;

/// The names of all classes, and the class of each training picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// In alphabetical order; the number of a class is its place.
    pub names: Vec<String>,
    /// The class of each training picture, or [`Classes::null`] for one that says too little.
    pub of_train: Vec<usize>,
    /// The same for validation pictures.
    pub of_validation: Vec<usize>,
}

impl Classes {
    /// The name of a picture's class is what its line says under `keys`, with a space between;
    /// `words` replace what is said under a key.
    ///
    /// # Errors
    /// If no picture has all keys, or `words` has a key that is not asked for, or there are too
    /// many classes.
    pub fn of(
        data: &Dataset,
        keys: &[String],
        words: &BTreeMap<String, BTreeMap<String, String>>,
    ) -> Result<Self, TrainError> {
        let wrong = |message: String| Err(TrainError::Data(message));
        if let Some(key) = words.keys().find(|key| !keys.contains(key)) {
            return wrong(format!(
                "`task.class_words.{key}` has words for a key that `task.class_keys` lacks"
            ));
        }
        let name = |drawing: &Drawing| -> Option<String> {
            let said: Option<Vec<String>> = keys
                .iter()
                .map(|key| {
                    let said = drawing.said(key)?;
                    Some(words.get(key).and_then(|w| w.get(&said)).cloned().unwrap_or(said))
                })
                .collect();
            said.map(|said| said.join(" ")).filter(|name| !name.is_empty())
        };
        let numbers: BTreeMap<String, usize> =
            data.train.iter().filter_map(name).map(|name| (name, 0)).collect();
        let names: Vec<String> = numbers.into_keys().collect();
        if names.is_empty() {
            return wrong(format!(
                "no line of metadata.jsonl has the keys of `task.class_keys`: {}",
                if keys.is_empty() { "there are none".into() } else { keys.join(", ") }
            ));
        }
        if names.len() > MOST_CLASSES {
            return wrong(format!(
                "`task.class_keys` make {} classes; {MOST_CLASSES} are possible",
                names.len()
            ));
        }
        let number = |drawing: &Drawing| {
            let found = name(drawing).and_then(|name| names.binary_search(&name).ok());
            found.unwrap_or(names.len())
        };
        let of_train = data.train.iter().map(number).collect();
        let of_validation = data.validation.iter().map(number).collect();
        Ok(Self { names, of_train, of_validation })
    }

    /// The number that stands for no class in particular: one more than the last.
    pub fn null(&self) -> usize {
        self.names.len()
    }

    /// Rows of the table that the network needs.
    pub fn rows(&self) -> usize {
        self.names.len() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(style: Option<&str>, group: u64) -> Drawing {
        let others = BTreeMap::from([("group".to_owned(), group.into())]);
        Drawing { style_word: style.map(str::to_owned), others, ..Drawing::default() }
    }

    fn data() -> Dataset {
        let train = vec![drawing(Some("flat"), 3), drawing(Some("3d"), 4), drawing(None, 3)];
        let validation = vec![drawing(Some("3d"), 4), drawing(Some("?"), 4)];
        let mut data = Dataset::default();
        (data.train, data.validation) = (train, validation);
        data
    }

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|&key| key.to_owned()).collect()
    }

    fn words() -> BTreeMap<String, BTreeMap<String, String>> {
        let animals = BTreeMap::from([("3".to_owned(), "animals".to_owned())]);
        BTreeMap::from([("group".to_owned(), animals)])
    }

    #[test]
    fn names_are_made_of_keys_and_words() {
        let classes = Classes::of(&data(), &keys(&["style_word", "group"]), &words()).unwrap();
        assert_eq!(classes.names, ["3d 4", "flat animals"]);
        assert_eq!((classes.of_train, classes.of_validation), (vec![1, 0, 2], vec![0, 2]));
        let classes = Classes::of(&data(), &keys(&["group"]), &words()).unwrap();
        assert_eq!((classes.null(), classes.rows()), (2, 3));
        assert_eq!(classes.of_train, [1, 0, 1]);
    }

    #[test]
    fn what_makes_no_classes_is_said() {
        let said = |wanted: &[&str]| {
            Classes::of(&data(), &keys(wanted), &words()).unwrap_err().to_string()
        };
        assert!(said(&["style_word"]).starts_with("`task.class_words.group` has words for a key"));
        let error = "no line of metadata.jsonl has the keys of `task.class_keys`: colour, group";
        assert_eq!(said(&["colour", "group"]), error);
    }
}
