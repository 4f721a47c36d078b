//! CLIP's tokenizer: text to ids and nothing else.
//!
//! The vocabulary is read from, and written to, the three files of transformers' `CLIPTokenizer`.
//! A prompt becomes `<|startoftext|>`, its tokens, `<|endoftext|>`, and padding up to the fixed
//! length that the text encoder was trained on; what is longer is cut.

mod alphabet;
mod bpe;
mod files;
mod split;
mod train;

use std::collections::HashMap;

use bpe::{Merges, symbols};

pub use files::FILES;

/// Before the tokens of a text.
pub const START: &str = "<|startoftext|>";
/// After the tokens of a text.
pub const END: &str = "<|endoftext|>";

/// A byte-pair vocabulary and how a text is framed.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    vocabulary: HashMap<String, u32>,
    /// The merges as they are written to a file, earliest first.
    pairs: Vec<(String, String)>,
    merges: Merges,
    start: u32,
    end: u32,
    pad: u32,
    max_length: usize,
}

impl Tokenizer {
    /// Learns a vocabulary of at most `vocab_size` tokens from `captions`; prompts will be
    /// `max_length` ids long. The same captions in any order give the same vocabulary.
    ///
    /// # Panics
    /// If `vocab_size` leaves no room for the 512 bytes and the two special tokens, or
    /// `max_length` none for those two.
    #[track_caller]
    pub fn train<'a>(
        captions: impl IntoIterator<Item = &'a str>,
        vocab_size: usize,
        max_length: usize,
    ) -> Self {
        assert!(vocab_size >= 514, "a vocabulary of {vocab_size} tokens cannot hold every byte");
        let pairs = train::learn_merges(captions, vocab_size);
        let mut names = alphabet::base_tokens();
        names.extend(pairs.iter().map(|(left, right)| format!("{left}{right}")));
        names.extend([START.to_owned(), END.to_owned()]);
        let vocabulary = names.into_iter().zip(0..).collect();
        Self::new(vocabulary, pairs, END, max_length)
            .unwrap_or_else(|reason| panic!("a learned vocabulary is complete, but {reason}"))
    }

    fn new(
        vocabulary: HashMap<String, u32>,
        pairs: Vec<(String, String)>,
        pad: &str,
        max_length: usize,
    ) -> Result<Self, String> {
        let id = |token: &str| match vocabulary.get(token) {
            Some(&id) => Ok(id),
            None => Err(format!("the vocabulary has no token `{token}`")),
        };
        if max_length < 2 {
            return Err(format!(
                "a text of {max_length} tokens has no room for a beginning and an end"
            ));
        }
        let mut merges = Merges::default();
        for (left, right) in &pairs {
            merges.push(id(left)?, id(right)?, id(&format!("{left}{right}"))?);
        }
        for symbol in alphabet::base_tokens() {
            id(&symbol)?;
        }
        let (start, end, pad) = (id(START)?, id(END)?, id(pad)?);
        Ok(Self { vocabulary, pairs, merges, start, end, pad, max_length })
    }

    /// The ids of `text`, exactly [`Tokenizer::max_length`] of them.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![self.start];
        ids.extend(self.tokens(text));
        ids.truncate(self.max_length - 1);
        ids.push(self.end);
        ids.resize(self.max_length, self.pad);
        ids
    }

    /// The ids of `text` alone: no beginning, end, padding or limit. The special tokens are
    /// recognised where they are spelled out.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut rest = text;
        loop {
            let special = [(START, self.start), (END, self.end)]
                .into_iter()
                .filter_map(|(name, id)| Some((rest.find(name)?, name.len(), id)))
                .min();
            let plain = &rest[..special.map_or(rest.len(), |(begin, _, _)| begin)];
            for word in split::words(plain) {
                let mut word = symbols(&word).map(|symbol| self.vocabulary[&symbol]).collect();
                self.merges.apply(&mut word);
                ids.extend(word);
            }
            let Some((begin, length, id)) = special else { return ids };
            ids.push(id);
            rest = &rest[begin + length..];
        }
    }

    /// How many ids a prompt has.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// How many tokens there are.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.len()
    }

    /// The largest id, which the text encoder's table must hold.
    pub fn max_id(&self) -> u32 {
        self.vocabulary.values().copied().max().unwrap_or(0)
    }

    /// The ids of the beginning, the end and the padding.
    pub fn special_ids(&self) -> [u32; 3] {
        [self.start, self.end, self.pad]
    }
}
