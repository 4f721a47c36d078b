//! The shapes of what other projects' APIs send and answer: the part that means something here.
//! Their fields that nobody here knows are ignored, so that nothing is said of them.

use serde_json::{Map, Value};

/// As it is in the document: compiling that costs nothing.
const SCHEMAS: &str = include_str!("others.json");

/// All of them, by name.
pub(super) fn schemas() -> Map<String, Value> {
    serde_json::from_str(SCHEMAS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_there() {
        assert_eq!(schemas().len(), 6);
    }
}
