//! CLIP's vocabularies (Radford et al. 2021, section 2.4): byte-pair encoding (Sennrich et al.
//! 2016) of lower-case words, set up as transformers' `CLIPTokenizer` does it.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{self, Lowercase, NFC, Replace, replace::ReplacePattern};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    SplitDelimiterBehavior,
};

/// The end of a word, as CLIP writes it.
pub const END_OF_WORD: &str = "</w>";

/// What is a word; its alternatives are tried in this order at every place.
const WORD: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// The 512 tokens that CLIP vocabularies begin with, in their order: every byte as a character
/// that can be printed, then the same at the end of a word. Bytes that are printable in Latin-1
/// stand for themselves, the other 68 for the characters from U+0100 on.
pub fn base_tokens() -> Vec<String> {
    let mut bytes: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    bytes.sort_unstable();
    let ends = bytes.iter().map(|byte| format!("{byte}{END_OF_WORD}"));
    bytes.iter().map(char::to_string).chain(ends).collect()
}

/// The model, from ids by token and lines of merges.
///
/// # Errors
/// If a merge has other than two parts, or the vocabulary lacks one of them, or what they make.
pub fn model(vocabulary: Vocab, merges: &str, unknown: &str) -> Result<BPE, String> {
    let mut pairs = Vec::new();
    for line in merges.lines() {
        let Some((left, right)) = line.split_once(' ').filter(|(_, right)| !right.contains(' '))
        else {
            return Err(format!("`{line}` is no pair of tokens"));
        };
        // The crate relies on this: what is longer than any token is out of its bounds.
        for token in [left, right, &format!("{left}{right}")] {
            if !vocabulary.contains_key(token) {
                return Err(format!("the vocabulary has no token `{token}`"));
            }
        }
        pairs.push((left.to_owned(), right.to_owned()));
    }
    let builder = BPE::builder().vocab_and_merges(vocabulary, pairs);
    let builder = builder.unk_token(unknown.into()).end_of_word_suffix(END_OF_WORD.into());
    builder.build().map_err(|error| error.to_string())
}

/// Unicode NFC, one space for any white space, lower case.
pub fn normalizer() -> normalizers::Sequence {
    let space = Replace::new(ReplacePattern::Regex(r"\s+".into()), " ");
    let space = space.expect("the pattern is a valid one");
    normalizers::Sequence::new(vec![NFC.into(), space.into(), Lowercase.into()])
}

/// Words, without the spaces, their bytes as characters.
pub fn pre_tokenizer() -> Sequence {
    let pattern = SplitPattern::Regex(WORD.into());
    let words = Split::new(pattern, SplitDelimiterBehavior::Removed, true);
    let words = words.expect("the pattern is a valid one");
    Sequence::new(vec![words.into(), ByteLevel::default().add_prefix_space(false).into()])
}

/// What a text consists of before any merge.
pub struct Words {
    normalizer: normalizers::Sequence,
    pre_tokenizer: Sequence,
}

impl Words {
    /// CLIP's words.
    pub fn new() -> Self {
        Self { normalizer: normalizer(), pre_tokenizer: pre_tokenizer() }
    }

    /// The words of `text`, their bytes as characters.
    pub fn of(&self, text: &str) -> Vec<String> {
        let mut text = NormalizedString::from(text);
        self.normalizer.normalize(&mut text).expect("every text is normalized");
        let mut words = PreTokenizedString::from(text);
        self.pre_tokenizer.pre_tokenize(&mut words).expect("every text has words");
        let words = words.get_splits(OffsetReferential::Original, OffsetType::None);
        words.into_iter().map(|(word, _, _)| word.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own() {
        let mut tokens = base_tokens();
        assert_eq!((tokens[0].as_str(), tokens[93].as_str(), tokens[94].as_str()), ("!", "~", "¡"));
        assert_eq!((tokens[256].as_str(), tokens[511].as_str()), ("!</w>", "Ń</w>"));
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), 512);
    }

    #[test]
    fn clips_pattern() {
        let cases: &[(&str, &[&str])] = &[
            ("A  Cat\tsat.", &["a", "cat", "sat", "."]),
            ("it's 42, isn't it?!", &["it", "'s", "4", "2", ",", "isn", "'t", "it", "?!"]),
            ("they'LL go", &["they", "'ll", "go"]),
            ("''s !'re", &["''", "s", "!'", "re"]),
            ("cafe\u{301} Ⅻ x²", &["cafÃ©", "âħ»", "x", "Â²"]),
            ("猫 🐱!", &["çĮ«", "ðŁĲ±!"]),
            (" \n ", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(&Words::new().of(text), expected, "{text:?}");
        }
    }
}
