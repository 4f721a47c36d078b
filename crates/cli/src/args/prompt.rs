//! How a prompt is read.

use aquatint_pipeline::{GenerateRequest, PromptWeights};

/// How the prompt and the negative prompt are read.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Prompt")]
#[allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "the brackets of prompts, in a help text"
)]
pub struct PromptArgs {
    /// What not to show
    #[arg(long, value_name = "TEXT", default_value_t = GenerateRequest::default().negative_prompt,
        hide_default_value = true)]
    pub negative_prompt: String,

    /// How words weigh: web-ui, no-norm, comfyui, or literal for none
    ///
    /// (word) weighs 1.1, ((word)) 1.21, (word:1.5) 1.5, [word] 1/1.1; \( is a bracket. BREAK begins
    /// a new part of 75 tokens, "a AND b :0.5" draws both, [from:to:0.5] changes in the middle of
    /// the steps, [a|b] takes turns, <lora:name:0.8> is an adapter. web-ui multiplies what the text
    /// encoder says of a word and restores the mean, no-norm does not restore it, comfyui goes
    /// beyond what it says of no words. literal takes every character as it stands, and cuts what
    /// is too long.
    #[arg(long, value_name = "RULE", default_value_t)]
    pub prompt_weights: PromptWeights,

    /// Listen to the N-th layer of the text encoder from the end; 1 is the last [default: the model's]
    #[arg(long, value_name = "N")]
    pub clip_skip: Option<usize>,
}

impl PromptArgs {
    /// The request with what is meant by it.
    pub fn apply(&self, request: GenerateRequest) -> GenerateRequest {
        let &Self { prompt_weights, clip_skip, .. } = self;
        let negative_prompt = self.negative_prompt.clone();
        GenerateRequest { negative_prompt, prompt_weights, clip_skip, ..request }
    }
}
