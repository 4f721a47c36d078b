//! Tokens in chunks of as many as a text encoder reads at once: 75 for CLIP, beside a beginning and
//! an end.

use super::weights::Piece;
use crate::tokenizer::{Tokenizer, Unit};

/// How far before the end of a chunk its last comma may be for what follows it to be kept together
/// in the next: the web UI's setting.
const BACKTRACK: usize = 20;

/// What a text encoder is told in one call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunk {
    /// A beginning, tokens, an end and padding.
    pub ids: Vec<u32>,
    /// The weight of each.
    pub weights: Vec<f32>,
}

/// What a text encoder is told of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunks {
    /// One call each, at least one.
    pub chunks: Vec<Chunk>,
    /// How many tokens it is not told.
    pub cut: usize,
}

impl Chunks {
    /// The pieces of a text in as many chunks as they need.
    pub(crate) fn of(tokenizer: &Tokenizer, pieces: &[Piece]) -> Self {
        Filling::new(tokenizer, BACKTRACK).all(pieces)
    }

    /// The pieces of a text in one chunk, the rest cut.
    pub(crate) fn one(tokenizer: &Tokenizer, pieces: &[Piece]) -> Self {
        let words = pieces.iter().filter(|piece| matches!(piece, Piece::Words(..)));
        let Self { mut chunks, .. } =
            Filling::new(tokenizer, 0).all(&words.cloned().collect::<Vec<_>>());
        let room = tokenizer.max_length();
        let tokens =
            |chunk: &Chunk| chunk.ids.iter().position(|&id| id == tokenizer.special_ids()[1]);
        let cut = chunks.drain(1..).map(|chunk| tokens(&chunk).unwrap_or(room) - 1).sum();
        Self { chunks, cut }
    }

    /// A chunk without words.
    pub(crate) fn empty(tokenizer: &Tokenizer) -> Chunk {
        Filling::new(tokenizer, 0).all(&[]).chunks.remove(0)
    }
}

/// Chunks, the last of which is being filled.
struct Filling<'a> {
    tokenizer: &'a Tokenizer,
    backtrack: usize,
    /// How many tokens a chunk has.
    room: usize,
    chunks: Vec<Chunk>,
    tokens: Vec<(u32, f32)>,
    /// Where the last comma of the chunk is.
    comma: Option<usize>,
}

impl<'a> Filling<'a> {
    fn new(tokenizer: &'a Tokenizer, backtrack: usize) -> Self {
        let room = tokenizer.max_length() - 2;
        Self { tokenizer, backtrack, room, chunks: Vec::new(), tokens: Vec::new(), comma: None }
    }

    fn all(mut self, pieces: &[Piece]) -> Chunks {
        for piece in pieces {
            match piece {
                Piece::Break => self.close(),
                Piece::Words(text, weight) => {
                    for unit in self.tokenizer.units(text) {
                        self.add(&unit, *weight as f32);
                    }
                }
            }
        }
        if !self.tokens.is_empty() || self.chunks.is_empty() {
            self.close();
        }
        Chunks { chunks: self.chunks, cut: 0 }
    }

    fn add(&mut self, unit: &Unit, weight: f32) {
        let (first, ids) = match unit {
            Unit::Token(id) => (*id, std::slice::from_ref(id)),
            Unit::Word { first, ids } => (*first, ids.as_slice()),
        };
        self.make_room(first);
        // All vectors of a word stay together.
        if self.tokens.len() + ids.len() > self.room {
            self.close();
        }
        self.tokens.extend(ids.iter().map(|&id| (id, weight)));
    }

    /// Closes the chunk if it is full, but for what follows a comma near its end.
    fn make_room(&mut self, next: u32) {
        let full = self.tokens.len() == self.room;
        if Some(next) == self.tokenizer.comma() {
            self.comma = Some(self.tokens.len());
        } else if let Some(comma) = self.comma.filter(|_| full)
            && self.room - comma <= self.backtrack
        {
            let after = self.tokens.split_off(comma + 1);
            self.close();
            self.tokens = after;
        }
        if self.tokens.len() == self.room {
            self.close();
        }
    }

    fn close(&mut self) {
        let [start, end, pad] = self.tokenizer.special_ids();
        let length = self.room + 2;
        let framed = |tokens: &mut dyn Iterator<Item = u32>| {
            let mut ids: Vec<u32> = std::iter::once(start).chain(tokens).chain([end]).collect();
            ids.resize(length, pad);
            ids
        };
        let ids = framed(&mut self.tokens.iter().map(|(id, _)| *id));
        let mut weights = vec![1.0];
        weights.extend(self.tokens.iter().map(|(_, weight)| *weight));
        weights.resize(length, 1.0);
        self.chunks.push(Chunk { ids, weights });
        (self.tokens, self.comma) = (Vec::new(), None);
    }
}

#[cfg(test)]
mod tests {
    use super::super::weights::parse_weights;
    use super::*;

    /// How many tokens each chunk has, and the tokens cut.
    fn lengths(tokenizer: &Tokenizer, Chunks { chunks, cut }: Chunks) -> (Vec<usize>, usize) {
        let end = tokenizer.special_ids()[1];
        let tokens = |chunk: &Chunk| {
            assert_eq!((chunk.ids.len(), chunk.weights.len()), (77, 77));
            chunk.ids.iter().position(|&id| id == end).expect("an end") - 1
        };
        (chunks.iter().map(tokens).collect(), cut)
    }

    fn of(text: &str) -> Vec<usize> {
        let tokenizer = Tokenizer::clip();
        lengths(&tokenizer, Chunks::of(&tokenizer, &parse_weights(text))).0
    }

    #[test]
    fn one_chunk_is_what_the_tokenizer_says() {
        for tokenizer in [Tokenizer::clip(), Tokenizer::open_clip(), Tokenizer::bert()] {
            for text in ["", "a red cat, 35mm", &"cat ".repeat(75), &"cat ".repeat(99)] {
                let pieces = Piece::literal(text);
                let Chunks { chunks, cut } = Chunks::one(&tokenizer, &pieces);
                assert_eq!((chunks.len(), &chunks[0].ids), (1, &tokenizer.encode(text)));
                assert_eq!(cut, if text.len() > 300 { 24 } else { 0 });
                assert!(chunks[0].weights.iter().all(|&weight| weight == 1.0));
            }
        }
    }

    #[test]
    fn chunks_of_75() {
        assert_eq!(of(""), [0]);
        assert_eq!(of(&"cat ".repeat(75)), [75]);
        assert_eq!(of(&"cat ".repeat(160)), [75, 75, 10]);
        assert_eq!(of("a BREAK b c BREAK"), [1, 2]);
        assert_eq!(of("BREAK BREAK a"), [0, 0, 1]);
    }

    /// A comma up to twenty tokens before the end takes what follows into the next chunk.
    #[test]
    fn commas_keep_words_together() {
        let words = |n| "cat ".repeat(n);
        let of = |before: usize| of(&format!("{}, {}", words(before), words(80 - before)));
        assert_eq!(of(54), [75, 6]);
        assert_eq!(of(55), [56, 25]);
        assert_eq!(of(74), [75, 6]);
        assert_eq!(of(75), [75, 6]);
        // A comma that is the last of all breaks nothing.
        assert_eq!(self::of(&format!("{},", words(74))), [75]);
    }

    #[test]
    fn weights_are_beside_their_tokens() {
        let tokenizer = Tokenizer::clip();
        let Chunks { chunks, .. } = Chunks::of(&tokenizer, &parse_weights("a (red cat:1.5) [x]"));
        assert_eq!(chunks[0].weights[..6], [1.0, 1.0, 1.5, 1.5, (1.0 / 1.1_f64) as f32, 1.0]);
    }
}
