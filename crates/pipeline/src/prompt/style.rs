//! How a prompt is to be read, by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whose rules a prompt is read by, and what the weight of a word does.
///
/// The first three know the web UI's language: weights in brackets, `BREAK`, `AND`, changes on the
/// way, and prompts of any length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptWeights {
    /// Stable Diffusion web UI's "Original": a word's state is multiplied with its weight, and then
    /// all are with one number, so that their mean is what it was.
    #[default]
    WebUi,
    /// Its "No norm": multiplied, and no more.
    NoNorm,
    /// ComfyUI's: the weight says how far to go from what the encoder says of nothing, at 0, to
    /// what it says of the word, at 1, and beyond.
    Comfyui,
    /// No language: every character means itself, and what is longer than the text encoder reads
    /// is cut, as in diffusers.
    Literal,
}

impl PromptWeights {
    /// Every way; the default is the first.
    pub const ALL: [Self; 4] = [Self::WebUi, Self::NoNorm, Self::Comfyui, Self::Literal];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebUi => "web-ui",
            Self::NoNorm => "no-norm",
            Self::Comfyui => "comfyui",
            Self::Literal => "literal",
        }
    }
}

impl fmt::Display for PromptWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PromptWeights {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|style| style.name() == name)
            .ok_or_else(|| format!("`{name}` is none of {}", Self::ALL.map(Self::name).join(", ")))
    }
}
