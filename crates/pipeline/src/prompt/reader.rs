//! Texts to what one or two text encoders say of them.

use std::cell::OnceCell;

use aquatint_models::ClipTextModel;
use aquatint_tensor::Tensor;

use super::PromptWeights;
use super::chunks::{Chunk, Chunks};
use super::embeds::{Encoded, PromptEmbeds};
use super::emphasis::weighted;
use super::weights::{Piece, parse_weights};
use super::wish::Wish;
use crate::components::SecondEncoder;
use crate::text_encoder::TextEncoder;
use crate::{Components, GenerateRequest, Tokenizer};

/// What reads prompts.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub tokenizer: &'a Tokenizer,
    pub text_encoder: &'a TextEncoder,
    pub second_encoder: Option<&'a SecondEncoder>,
    /// Whether zeros are said of a negative prompt without words.
    pub zeros_for_empty_prompt: bool,
}

/// How to read.
#[derive(Clone, Copy)]
struct How {
    style: PromptWeights,
    clip_skip: Option<usize>,
}

const LITERALLY: How = How { style: PromptWeights::Literal, clip_skip: None };

impl<'a> Reader<'a> {
    pub(crate) fn of(components: &'a Components) -> Self {
        let Components { tokenizer, text_encoder, second_encoder, config, .. } = components;
        let zeros_for_empty_prompt = config.zeros_for_empty_prompt;
        let second_encoder = second_encoder.as_ref();
        Self { tokenizer, text_encoder, second_encoder, zeros_for_empty_prompt }
    }

    /// All texts of a request, in contexts of one length.
    pub(crate) fn request(&self, request: &GenerateRequest) -> PromptEmbeds {
        let how = How { style: request.prompt_weights, clip_skip: request.clip_skip };
        let mut texts = Vec::new();
        let mut wish =
            |prompt: &str| Wish::new(prompt, request, self.zeros_for_empty_prompt, &mut texts);
        let (prompt, to) = (wish(&request.prompt), request.prompt_to.as_deref().map(wish));
        let (mut encoded, cuts): (Vec<Encoded>, Vec<usize>) =
            texts.iter().map(|text| self.text(text, how)).unzip();
        self.even_out(&mut encoded, how);
        let told = prompt.told(&encoded, &cuts);
        match to {
            Some(to) => told.mixed(&to.told(&encoded, &cuts), request.prompt_mix),
            None => told,
        }
    }

    /// One text, every character as it stands.
    pub(crate) fn literally(&self, text: &str) -> Encoded {
        self.text(text, LITERALLY).0
    }

    /// Lengthens what is shorter than the longest by what is said of nothing, as the web UI does
    /// where it is to "pad prompt/negative prompt".
    fn even_out(&self, encoded: &mut [Encoded], how: How) {
        let length = encoded.iter().map(|encoded| encoded.context.dim(1)).max().unwrap_or(0);
        let known = OnceCell::new();
        let nothing = || known.get_or_init(|| self.text("", how).0.context).clone();
        encoded.iter_mut().for_each(|encoded| encoded.lengthen(length, nothing));
    }

    /// What is said of a text, and how many of its tokens nobody was told.
    fn text(&self, text: &str, how: How) -> (Encoded, usize) {
        let pieces = match how.style {
            PromptWeights::Literal => Piece::literal(text),
            _ => parse_weights(text),
        };
        let chunked = |tokenizer: &Tokenizer| match (how.style, self.text_encoder) {
            (PromptWeights::Literal, _) | (_, TextEncoder::Bert(_) | TextEncoder::Sentence(_)) => {
                Chunks::one(tokenizer, &pieces)
            }
            _ => Chunks::of(tokenizer, &pieces),
        };
        let Chunks { mut chunks, cut } = chunked(self.tokenizer);
        let first = |ids: &[u32], n: usize| match self.text_encoder {
            TextEncoder::Clip(model) => match self.second_encoder {
                Some(_) => before_last(model, ids, n, how.clip_skip),
                None => last(model, ids, n, how.clip_skip),
            },
            TextEncoder::Bert(_) | TextEncoder::Sentence(_) => {
                (self.text_encoder.context(ids, n), None)
            }
        };
        let Some(SecondEncoder { tokenizer, text_encoder }) = self.second_encoder else {
            let (context, _) = told(self.tokenizer, &chunks, how.style, &first);
            return (Encoded { context, pooled: None }, cut);
        };
        let mut others = chunked(tokenizer).chunks;
        // The vocabularies may need different numbers of them.
        let most = chunks.len().max(others.len());
        chunks.resize_with(most, || Chunks::empty(self.tokenizer));
        others.resize_with(most, || Chunks::empty(tokenizer));
        let second = |ids: &[u32], n: usize| before_last(text_encoder, ids, n, how.clip_skip);
        let (context, _) = told(self.tokenizer, &chunks, how.style, &first);
        let (other, pooled) = told(tokenizer, &others, how.style, &second);
        (Encoded { context: Tensor::cat([&context, &other]), pooled }, cut)
    }
}

/// What a text encoder says of some chunks: of their words, and of each as a whole.
type States = (Tensor, Option<Tensor>);

/// The states of all chunks one after the other, `[1, n·T, D]`, each with its weight, and what is
/// said of the first chunk as a whole. `states` answers ids of n chunks with their states
/// `[n, T, D]` and one vector for each, `[n, P]`.
fn told(
    tokenizer: &Tokenizer,
    chunks: &[Chunk],
    style: PromptWeights,
    states: &dyn Fn(&[u32], usize) -> States,
) -> States {
    let ids: Vec<u32> = chunks.iter().flat_map(|chunk| chunk.ids.iter().copied()).collect();
    let weights: Vec<&[f32]> = chunks.iter().map(|chunk| chunk.weights.as_slice()).collect();
    let (words, whole) = states(&ids, chunks.len());
    let words = weighted(words, &weights, style, || states(&Chunks::empty(tokenizer).ids, 1).0);
    let &[n, tokens, channels] = words.shape() else { panic!("states {:?}", words.shape()) };
    (words.reshape(&[1, n * tokens, channels]), whole.map(|whole| whole.narrow_rows(0, 1)))
}

/// Stable Diffusion's: the last normalization of the last layer, or of the `clip_skip`-th from the
/// end.
fn last(model: &ClipTextModel, ids: &[u32], n: usize, clip_skip: Option<usize>) -> States {
    let told = model.forward(ids, n);
    let words = match clip_skip.unwrap_or(1) {
        1 => told.last_hidden_state,
        skip => model.final_layer_norm(&told.hidden_states[told.hidden_states.len() - skip]),
    };
    (words, None)
}

/// SDXL's: the layer before the last, or the `clip_skip`-th from the end, without normalization,
/// and a projection of the whole (Podell et al. 2023, section 2.1).
fn before_last(model: &ClipTextModel, ids: &[u32], n: usize, clip_skip: Option<usize>) -> States {
    let told = model.forward(ids, n);
    let states = &told.hidden_states;
    (states[states.len() - clip_skip.unwrap_or(2)].clone(), told.text_embeds)
}
