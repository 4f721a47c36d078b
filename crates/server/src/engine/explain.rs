//! What a student may want to see of a job.

use aquatint_pipeline::{Components, GenerateRequest, prompt_tokens};
use serde_json::{Value, json};

/// The tokens of the prompt.
pub(super) fn tokens(components: &Components, request: &GenerateRequest) -> Vec<Value> {
    let tokens = prompt_tokens(components, request).into_iter();
    tokens
        .map(|token| json!({"text": token.text, "id": token.id, "weight": token.weight}))
        .collect()
}
