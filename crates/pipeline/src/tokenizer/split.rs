//! Text into words, before any of them becomes tokens: Unicode NFC, lower case, and then CLIP's
//! pattern `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`, whose alternatives are
//! tried in this order at every place.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

const CONTRACTIONS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Letter,
    Number,
    Other,
}

/// The words of `text`, in lower case, without the spaces.
pub fn words(text: &str) -> Vec<String> {
    let text: String = text.nfc().flat_map(char::to_lowercase).collect();
    let mut words = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let contraction = CONTRACTIONS.iter().find(|c| rest.starts_with(**c));
        let length = match (contraction, kind(first)) {
            (Some(contraction), _) => contraction.len(),
            (None, Kind::Number) => first.len_utf8(),
            (None, kind) => run(rest, kind),
        };
        let (word, after) = rest.split_at(length);
        if kind(first) != Kind::Space {
            words.push(word.to_owned());
        }
        rest = after;
    }
    words
}

fn run(text: &str, wanted: Kind) -> usize {
    text.find(|c| kind(c) != wanted).unwrap_or(text.len())
}

fn kind(c: char) -> Kind {
    if c.is_whitespace() {
        return Kind::Space;
    }
    match c.general_category_group() {
        GeneralCategoryGroup::Letter => Kind::Letter,
        GeneralCategoryGroup::Number => Kind::Number,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_pattern() {
        let cases: &[(&str, &[&str])] = &[
            ("A  Cat\tsat.", &["a", "cat", "sat", "."]),
            ("it's 42, isn't it?!", &["it", "'s", "4", "2", ",", "isn", "'t", "it", "?!"]),
            ("they'LL go", &["they", "'ll", "go"]),
            ("''s !'re", &["''", "s", "!'", "re"]),
            ("cafe\u{301} Ⅻ x²", &["café", "ⅻ", "x", "²"]),
            ("猫と犬 🐱🐶", &["猫と犬", "🐱🐶"]),
            (" \n ", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(&words(text), expected, "{text:?}");
        }
    }
}
