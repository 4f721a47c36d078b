//! The first stage: words to what the U-Net is told of them.
//!
//! A prompt goes through these files in this order: [`loras`] are taken out, what `AND` joins are
//! [`parts`], what depends on the step are [`changes`], brackets are [`weights`], tokens go in
//! [`chunks`] to the text encoder, and the weights have their [`emphasis`] on what it says.

mod changes;
mod chunks;
mod contexts;
mod embeds;
mod emphasis;
mod loras;
mod mix;
mod parts;
mod reader;
mod style;
mod tokens;
mod weights;
mod wish;

use aquatint_models::unet::UNetConditions;
use aquatint_tensor::Tensor;

pub(crate) use self::contexts::{Contexts, Told};
pub use self::embeds::{Change, Encoded, PromptEmbeds};
pub use self::loras::{PromptLora, take_loras};
pub(crate) use self::reader::Reader;
pub use self::style::PromptWeights;
pub use self::tokens::{PromptToken, prompt_tokens};
use crate::{Components, GenerateRequest};

/// Words to context.
pub fn encode_prompt(components: &Components, request: &GenerateRequest) -> PromptEmbeds {
    Reader::of(components).request(request)
}

/// One text to context, every character as it stands; what is too long is cut.
pub fn encode(components: &Components, text: &str) -> Encoded {
    Reader::of(components).literally(text)
}

/// How many prompts a request draws at once.
pub(crate) fn count_parts(request: &GenerateRequest) -> usize {
    match request.prompt_weights {
        PromptWeights::Literal => 1,
        _ => {
            let to = request.prompt_to.as_ref().map_or(0, |to| parts::parts(to).len());
            parts::parts(&request.prompt).len().max(to)
        }
    }
}

/// What the U-Net hears besides time and context, for pictures of `[height, width]` pixels and
/// `rows` of them for each of the texts.
pub(crate) fn conditions(
    texts: &[&Encoded],
    rows: usize,
    [height, width]: [usize; 2],
) -> UNetConditions {
    let Some(pooled) = texts[0].pooled.as_ref() else { return UNetConditions::default() };
    let n = texts.len() * rows;
    let vectors = texts.iter().flat_map(|text| match &text.pooled {
        Some(pooled) => Encoded::for_each(pooled, rows),
        None => unreachable!("all texts of a request went through the same encoders"),
    });
    // Original size, top and left of the crop, target size.
    let ids = [height, width, 0, 0, height, width].map(|pixels| pixels as f32);
    UNetConditions {
        text_embeds: Some(Tensor::new(vectors.collect(), &[n, pooled.dim(1)])),
        time_ids: Some(Tensor::new(ids.repeat(n), &[n, ids.len()])),
        ..Default::default()
    }
}
