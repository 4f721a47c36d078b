//! The tokens of a prompt one by one, for who wants to see what a text encoder reads.

use super::PromptWeights;
use super::changes::stages;
use super::parts::parts;
use super::take_loras;
use super::weights::{Piece, parse_weights};
use crate::{Components, GenerateRequest};

/// A token of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptToken {
    /// What it stands for; a word's end is no part of it.
    pub text: String,
    /// Its number in the vocabulary.
    pub id: u32,
    /// How much it counts; 1 is neutral.
    pub weight: f64,
}

/// The tokens of a request's prompt, or of the first that `AND` joins, as it reads at first.
pub fn prompt_tokens(components: &Components, request: &GenerateRequest) -> Vec<PromptToken> {
    let pieces = match request.prompt_weights {
        PromptWeights::Literal => Piece::literal(&request.prompt),
        _ => {
            let parts = parts(&take_loras(&request.prompt).0);
            let text = parts.first().map(|part| part.text.clone()).unwrap_or_default();
            let first = stages(&text, request.steps).into_iter().next();
            parse_weights(&first.map_or(text, |stage| stage.text))
        }
    };
    let tokenizer = &components.tokenizer;
    let of_piece = |piece| match piece {
        Piece::Words(text, weight) => (tokenizer.tokens(&text), weight),
        Piece::Break => (Vec::new(), 1.0),
    };
    let tokens = pieces.into_iter().map(of_piece).flat_map(|(ids, weight)| {
        ids.into_iter().map(move |id| PromptToken { text: tokenizer.text(id), id, weight })
    });
    tokens.collect()
}
