//! BERT's vocabularies (Devlin et al. 2019): the longest word pieces first, set up as
//! transformers' `BertTokenizer` does it.

use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

/// Ids by token, from a text with one token a line; of equal lines the last counts.
pub fn vocabulary(text: &str) -> Vocab {
    text.lines().map(str::to_owned).zip(0..).collect()
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
