//! Words that a vocabulary is given later: textual inversion (Gal et al. 2022, arXiv:2208.01618).

use super::Tokenizer;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A token of the vocabulary.
    Token(u32),
    /// A word that was added.
    Word {
        /// The first token that it would otherwise be.
        first: u32,
        /// The ids that it was given.
        ids: Vec<u32>,
    },
}

/// A word that was added.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// How it is written.
    name: String,
    /// The tokens that it would otherwise be, at least one.
    tokens: Vec<u32>,
    ids: Vec<u32>,
}

impl Tokenizer {
    /// From now on `name` in a text stands for `ids`, which the text encoder knows and the
    /// vocabulary does not. A word in angle brackets is found wherever it is spelled out, as in
    /// diffusers; any other one where its tokens are, as in the web UI: between spaces or
    /// punctuation, in capitals or not.
    ///
    /// A name without any letters is never found. Of several words that fit, the one of the most
    /// tokens counts. [`Tokenizer::save`] does not write added words.
    pub fn add_word(&mut self, name: &str, ids: Vec<u32>) {
        let word = Word { name: name.to_owned(), tokens: self.tokens(name), ids };
        if !word.tokens.is_empty() {
            self.words.push(word);
            self.words.sort_by_key(|word| std::cmp::Reverse(word.tokens.len()));
        }
    }

    /// The tokens of a text, as [`Tokenizer::tokens`] has them, and the words that were added.
    pub fn units(&self, text: &str) -> Vec<Unit> {
        let spelled = self.words.iter().filter(|word| word.is_spelled_out());
        let first = spelled.filter_map(|word| Some((text.find(&word.name)?, word)));
        if let Some((at, word)) = first.min_by_key(|(at, word)| (*at, word.name.len())) {
            let mut units = self.units(&text[..at]);
            units.push(word.unit());
            units.extend(self.units(&text[at + word.name.len()..]));
            return units;
        }
        let (tokens, mut units, mut at) = (self.tokens(text), Vec::new(), 0);
        while let Some(&token) = tokens.get(at) {
            match self.words.iter().find(|word| tokens[at..].starts_with(&word.tokens)) {
                Some(word) => {
                    units.push(word.unit());
                    at += word.tokens.len();
                }
                None => {
                    units.push(Unit::Token(token));
                    at += 1;
                }
            }
        }
        units
    }

    /// The token that is a comma, if there is one.
    pub fn comma(&self) -> Option<u32> {
        self.comma
    }
}

impl Word {
    fn is_spelled_out(&self) -> bool {
        self.name.starts_with('<') && self.name.ends_with('>')
    }

    fn unit(&self) -> Unit {
        Unit::Word { first: self.tokens[0], ids: self.ids.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_words_are_found() {
        let mut tokenizer = Tokenizer::clip();
        tokenizer.add_word("easy cat", vec![50000]);
        tokenizer.add_word("easy", vec![50001, 50002]);
        tokenizer.add_word("<cat-toy>", vec![50003]);
        tokenizer.add_word(" ", vec![50004]);
        let ids = |text: &str| -> Vec<u32> {
            let ids = |unit| match unit {
                Unit::Token(id) => vec![id],
                Unit::Word { ids, .. } => ids,
            };
            tokenizer.units(text).into_iter().flat_map(ids).collect()
        };
        let token = |text: &str| tokenizer.tokens(text)[0];
        assert_eq!(ids("an Easy, cat"), [token("an"), 50001, 50002, token(","), token("cat")]);
        assert_eq!(ids("EASY  cat"), [50000]);
        assert_eq!(ids("easygoing"), tokenizer.tokens("easygoing"));
        assert_eq!(ids("a<cat-toy>, <cat-toy>"), [token("a"), 50003, token(","), 50003]);
        assert_eq!(ids("cat-toy"), tokenizer.tokens("cat-toy"));
        let first = token("easy");
        let unit = Unit::Word { first, ids: vec![50001, 50002] };
        assert_eq!(tokenizer.units("easy"), [unit]);
    }

    #[test]
    fn commas() {
        for tokenizer in [Tokenizer::clip(), Tokenizer::open_clip(), Tokenizer::bert()] {
            assert_eq!(tokenizer.comma(), Some(tokenizer.tokens("a, b")[1]));
        }
    }
}
