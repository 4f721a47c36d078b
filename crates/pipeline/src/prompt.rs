//! The first stage: words to what the U-Net is told of them.

use aquatint_models::ClipTextModel;
use aquatint_models::unet::UNetConditions;
use aquatint_tensor::Tensor;

use crate::components::SecondEncoder;
use crate::text_encoder::TextEncoder;
use crate::{Components, GenerateRequest, Tokenizer};

/// What the text encoders say about a request.
#[derive(Clone, Debug)]
pub struct PromptEmbeds {
    /// About the prompt.
    pub prompt: Encoded,
    /// About the negative prompt.
    pub negative: Encoded,
}

/// What the text encoders say about one text.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Of every word. `[1, T, D]`
    pub context: Tensor,
    /// Of the whole text, for models that want it. `[1, P]`
    pub pooled: Option<Tensor>,
}

/// Words to context.
pub fn encode_prompt(components: &Components, request: &GenerateRequest) -> PromptEmbeds {
    let zeros = components.config.zeros_for_empty_prompt;
    of_request(request, zeros, |text| encode(components, text))
}

/// One text to context.
pub fn encode(components: &Components, text: &str) -> Encoded {
    let Components { tokenizer, text_encoder, second_encoder, .. } = components;
    of_text(tokenizer, text_encoder, second_encoder.as_ref(), text)
}

/// Both texts of a request to context.
pub(crate) fn of_request(
    request: &GenerateRequest,
    zeros_for_empty_prompt: bool,
    encode: impl Fn(&str) -> Encoded,
) -> PromptEmbeds {
    let prompt = encode(&request.prompt);
    let negative = if request.negative_prompt.is_empty() && zeros_for_empty_prompt {
        let zeros = |x: &Tensor| Tensor::zeros(x.shape());
        Encoded { context: zeros(&prompt.context), pooled: prompt.pooled.as_ref().map(zeros) }
    } else {
        encode(&request.negative_prompt)
    };
    PromptEmbeds { prompt, negative }
}

/// One text to context, by one or two encoders.
pub(crate) fn of_text(
    tokenizer: &Tokenizer,
    text_encoder: &TextEncoder,
    second_encoder: Option<&SecondEncoder>,
    text: &str,
) -> Encoded {
    let ids = tokenizer.encode(text);
    match (text_encoder, second_encoder) {
        (TextEncoder::Clip(first), Some(second)) => encode_twice(first, &ids, second, text),
        _ => Encoded { context: text_encoder.context(&ids, 1), pooled: None },
    }
}

/// SDXL's: the states of both encoders before their last layers side by side, and the second one's
/// projection of the whole (Podell et al. 2023, section 2.1).
fn encode_twice(first: &ClipTextModel, ids: &[u32], second: &SecondEncoder, text: &str) -> Encoded {
    let first = first.forward(ids, 1);
    let second = second.text_encoder.forward(&second.tokenizer.encode(text), 1);
    let before_last = |states: &[Tensor]| states[states.len() - 2].clone();
    let context =
        Tensor::cat([&before_last(&first.hidden_states), &before_last(&second.hidden_states)]);
    Encoded { context, pooled: second.text_embeds }
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
        Some(pooled) => pooled.to_vec().repeat(rows),
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
