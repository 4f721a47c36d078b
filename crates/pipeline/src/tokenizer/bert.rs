//! BERT's vocabularies (Devlin et al. 2019): the longest word pieces first, set up as
//! transformers' `BertTokenizer` does it.

use std::collections::BTreeSet;

use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};

/// Tokens that are no words, in the order of BERT's own ids for them.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Ids by token, from a text with one token a line; of equal lines the last counts.
pub fn vocabulary(text: &str) -> Vocab {
    text.lines().map(str::to_owned).zip(0..).collect()
}

/// The words of a text, normalized.
pub fn words(text: &str) -> Vec<String> {
    let mut text = NormalizedString::from(text);
    BertNormalizer::default().normalize(&mut text).expect("every text is normalized");
    let mut split = PreTokenizedString::from(text);
    pre_tokenizer().pre_tokenize(&mut split).expect("every text has words");
    let split = split.get_splits(OffsetReferential::Original, OffsetType::None);
    split.into_iter().map(|(word, _, _)| word.to_owned()).collect()
}

/// A vocabulary of whole words: those of `texts`, in alphabetical order.
pub fn words_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vocab {
    let words: BTreeSet<String> = texts.into_iter().flat_map(words).collect();
    SPECIAL.map(str::to_owned).into_iter().chain(words).zip(0..).collect()
}

/// The model, from ids by token.
///
/// # Errors
/// Those of the crate.
pub fn model(vocabulary: Vocab, unknown: &str) -> Result<WordPiece, String> {
    let builder = WordPiece::builder().vocab(vocabulary).unk_token(unknown.into());
    builder.build().map_err(|error| error.to_string())
}

/// Words and single marks of punctuation.
pub fn pre_tokenizer() -> BertPreTokenizer {
    BertPreTokenizer
}
