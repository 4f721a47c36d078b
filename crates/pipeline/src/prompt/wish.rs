//! The texts that are to be read for one prompt, and what is made of what is said of them.

use aquatint_diffusion::Condition;

use super::changes::{Stage, stages};
use super::embeds::{Change, Encoded, PromptEmbeds};
use super::parts::{Part, parts};
use super::{PromptWeights, take_loras};
use crate::GenerateRequest;

/// A prompt and a negative prompt as texts that do not change.
pub(super) struct Wish {
    uses: Vec<Use>,
    weights: Vec<f64>,
}

/// What one text is for: a condition, at first or after a step.
struct Use {
    condition: Condition,
    after: Option<usize>,
    text: usize,
}

impl Wish {
    /// `prompt` in place of the request's. `texts` are what is to be read, each once; those that are
    /// missing are added. A negative prompt without words may be left `unsaid`.
    pub fn new(
        prompt: &str,
        request: &GenerateRequest,
        unsaid: bool,
        texts: &mut Vec<String>,
    ) -> Self {
        let literally = request.prompt_weights == PromptWeights::Literal;
        let prompts = match literally {
            true => vec![Part { text: prompt.to_owned(), weight: 1.0 }],
            false => parts(&take_loras(prompt).0),
        };
        let mut uses = Vec::new();
        let mut add = |condition: Condition, text: &str| {
            let stages = match literally {
                true => vec![Stage { last_step: request.steps, text: text.to_owned() }],
                false => stages(text, request.steps),
            };
            let mut after = None;
            for Stage { last_step, text } in stages {
                let known = texts.iter().position(|known| *known == text);
                let text = known.unwrap_or_else(|| {
                    texts.push(text);
                    texts.len() - 1
                });
                uses.push(Use { condition, after, text });
                after = Some(last_step);
            }
        };
        for (i, part) in prompts.iter().enumerate() {
            let condition = if i == 0 { Condition::Prompt } else { Condition::Part(i) };
            add(condition, &part.text);
        }
        let negative = match literally {
            true => request.negative_prompt.clone(),
            false => take_loras(&request.negative_prompt).0,
        };
        if !(negative.is_empty() && unsaid) {
            add(Condition::NegativePrompt, &negative);
        }
        Self { uses, weights: prompts.iter().map(|part| part.weight).collect() }
    }

    /// What is said of it: `encoded` of each text, of which `cuts` tokens were not read.
    pub fn told(&self, encoded: &[Encoded], cuts: &[usize]) -> PromptEmbeds {
        let mut embeds = PromptEmbeds::new(encoded[0].clone(), encoded[0].zeros());
        for &Use { condition, after, text } in &self.uses {
            let said = encoded[text].clone();
            match (after, condition) {
                (Some(after), _) => embeds.changes.push(Change { condition, after, encoded: said }),
                (None, Condition::Prompt) => embeds.prompt = said,
                (None, Condition::NegativePrompt) => embeds.negative = said,
                (None, Condition::Part(_)) => embeds.parts.push(said),
            }
            let of = usize::from(condition == Condition::NegativePrompt);
            embeds.cut[of] = embeds.cut[of].max(cuts[text]);
        }
        embeds.weights.clone_from(&self.weights);
        embeds
    }
}
