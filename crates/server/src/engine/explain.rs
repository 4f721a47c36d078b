//! What a student may want to see of a job.

use std::collections::BTreeMap;

use aquatint_pipeline::{
    Components, Encoding, GenerateRequest, WordMaps, encode_picture, prompt_tokens, word_picture,
};
use axum::body::Bytes;
use serde_json::{Value, json};

/// The tokens of the prompt.
pub(super) fn tokens(components: &Components, request: &GenerateRequest) -> Vec<Value> {
    let tokens = prompt_tokens(components, request).into_iter();
    tokens
        .map(|token| json!({"text": token.text, "id": token.id, "weight": token.weight}))
        .collect()
}

/// Where the first picture looked at each of its tokens, as PNG files, for latents `[h, w]`. Only of
/// prompts that the text encoder reads at once, whose tokens follow a beginning.
pub(super) fn attention(
    components: &Components,
    maps: &WordMaps,
    tokens: usize,
    latents: [usize; 2],
) -> BTreeMap<usize, Bytes> {
    let maps = maps.maps();
    if maps.iter().any(|map| map.words != components.tokenizer.max_length()) {
        return BTreeMap::new();
    }
    let pictures = (0..tokens).filter_map(|token| {
        let picture = word_picture(&maps, token + 1, latents)?;
        let png = encode_picture(&picture, &BTreeMap::new(), Encoding::default()).ok()?;
        Some((token, Bytes::from(png)))
    });
    pictures.collect()
}
