//! The classes of a model that draws classes instead of words.

use aquatint_checkpoint::nearest;
use serde_json::{Map, Value};

use crate::RequestError;

/// What a model of classes knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// How many there are.
    pub count: usize,
    /// Their names, by number, as far as they have some.
    pub names: Vec<String>,
    /// The number that stands for no class, for guidance, if the model learned one (Ho and
    /// Salimans 2022, section 3.2).
    pub none: Option<usize>,
}

impl Classes {
    /// Those of a table of so many rows, whose model index may have names (`id2label`, as
    /// diffusers' pipelines for diffusion transformers). With one more row than names, or than the
    /// thousand of ImageNet, the last one is for no class.
    ///
    /// # Errors
    /// If the names are not as many.
    pub(crate) fn new(rows: usize, index: &Map<String, Value>) -> Result<Self, String> {
        let names = names(index)?;
        let count = match names.len() {
            0 if rows == 1001 => 1000,
            0 => rows,
            names => names,
        };
        match rows.checked_sub(count) {
            Some(0) => Ok(Self { count, names, none: None }),
            Some(1) => Ok(Self { count, names, none: Some(count) }),
            _ => Err(format!("id2label has {count} names, but the U-Net's table {rows} rows")),
        }
    }

    /// The number of a class that was given by number or by name.
    ///
    /// # Errors
    /// If there is no such class.
    pub fn find(&self, class: &str) -> Result<usize, RequestError> {
        let folded = |name: &str| name.trim().to_lowercase();
        let wanted = folded(class);
        let count = self.count;
        if let Ok(number) = wanted.parse::<usize>() {
            let known = number < count;
            return if known {
                Ok(number)
            } else {
                Err(RequestError::ClassNumber(number, count - 1))
            };
        }
        // Names of ImageNet are synonyms with commas between.
        let is =
            |name: &String| folded(name) == wanted || name.split(',').any(|n| folded(n) == wanted);
        self.names.iter().position(is).ok_or_else(|| RequestError::ClassName {
            name: class.into(),
            nearest: nearest(&wanted, self.names.iter().map(String::as_str)).map(str::to_owned),
            last: count - 1,
        })
    }
}

/// The names in the order of their numbers.
fn names(index: &Map<String, Value>) -> Result<Vec<String>, String> {
    let Some(Value::Object(labels)) = index.get("id2label") else { return Ok(Vec::new()) };
    let name = |n: usize| labels.get(&n.to_string()).and_then(Value::as_str).map(str::to_owned);
    let names: Option<Vec<String>> = (0..labels.len()).map(name).collect();
    names.ok_or_else(|| format!("id2label does not name the numbers 0 to {}", labels.len() - 1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn classes(rows: usize, index: Value) -> Result<Classes, String> {
        Classes::new(rows, index.as_object().expect("an object"))
    }

    #[test]
    fn the_last_row_of_a_table_may_be_for_no_class() {
        let count = |rows, index| classes(rows, index).map(|c| (c.count, c.none));
        assert_eq!(count(1001, json!({})), Ok((1000, Some(1000))));
        assert_eq!(count(1000, json!({})), Ok((1000, None)));
        let labels = json!({"id2label": {"1": "dog", "0": "cat"}});
        assert_eq!(count(3, labels.clone()), Ok((2, Some(2))));
        assert_eq!(count(2, labels.clone()), Ok((2, None)));
        assert!(count(5, labels).is_err());
        assert!(count(3, json!({"id2label": {"1": "dog", "2": "cat"}})).is_err());
    }

    #[test]
    fn by_number_and_by_name() {
        let labels = json!({"id2label": {"0": "tench, Tinca tinca", "1": "red fox"}});
        let classes = classes(2, labels).expect("two");
        for (given, expected) in
            [("0", 0), (" 1 ", 1), ("Red Fox", 1), ("tinca tinca", 0), ("tench, tinca tinca", 0)]
        {
            assert_eq!(classes.find(given), Ok(expected), "{given}");
        }
        let said = |given: &str| classes.find(given).expect_err(given).to_string();
        assert_eq!(said("2"), "there is no class 2: this model has those from 0 to 1");
        assert!(said("red foxes").contains("`red foxes`; did you mean `red fox`?"));
        assert!(said("").contains("give a name or a number from 0 to 1"));
    }
}
