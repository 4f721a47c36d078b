//! Which file, and how strongly.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The largest strength, and minus the smallest.
const MOST: f64 = 100.0;

/// A LoRA to be added to a model: `FILE`, `FILE:0.8`, or `FILE:unet=0.8,te=0.5`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraSpec {
    /// The file.
    pub file: PathBuf,
    /// How much of it the U-Net gets; 1 is what it was trained for, 0 nothing.
    pub unet: f64,
    /// How much of it the text encoders get.
    pub text_encoder: f64,
}

impl LoraSpec {
    /// All of a file, so strongly.
    pub fn new(file: impl Into<PathBuf>, strength: f64) -> Self {
        Self { file: file.into(), unet: strength, text_encoder: strength }
    }

    /// How much of it a part of a model gets.
    pub(crate) fn strength(&self, part: &str) -> f64 {
        if part == "unet" { self.unet } else { self.text_encoder }
    }
}

impl FromStr for LoraSpec {
    type Err = String;

    /// # Errors
    /// A sentence, if a strength is no number from -100 to 100.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((file, tail)) = text.rsplit_once(':').filter(|(file, tail)| {
            // Another colon may be a part of the name.
            !file.is_empty() && (tail.parse::<f64>().is_ok() || tail.contains('='))
        }) else {
            return if text.is_empty() {
                Err("a file of a LoRA must have a name".into())
            } else {
                Ok(Self::new(text, 1.0))
            };
        };
        let number = |text: &str| match text.parse() {
            Ok(strength) if (-MOST..=MOST).contains(&strength) => Ok(strength),
            _ => {
                Err(format!("a strength of `{text}` is not possible: it must be from -100 to 100"))
            }
        };
        if !tail.contains('=') {
            return Ok(Self::new(file, number(tail)?));
        }
        let mut spec = Self::new(file, 1.0);
        for pair in tail.split(',') {
            match pair.split_once('=') {
                Some(("unet", strength)) => spec.unet = number(strength)?,
                Some(("te" | "text_encoder", strength)) => spec.text_encoder = number(strength)?,
                _ => return Err(format!("`{pair}` is neither unet=STRENGTH nor te=STRENGTH")),
            }
        }
        Ok(spec)
    }
}

impl fmt::Display for LoraSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, unet, text_encoder } = self;
        write!(f, "{}:", file.display())?;
        if unet == text_encoder {
            write!(f, "{unet}")
        } else {
            write!(f, "unet={unet},te={text_encoder}")
        }
    }
}

/// When a LoRA changes the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoraMode {
    /// While they are loaded, before they are packed or rounded: nothing is slower afterwards.
    #[default]
    Merged,
    /// Never: each layer adds what the change makes of its input. Slower, and the change is not
    /// rounded with the weight, which matters where that has 8 bits.
    RunTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths() {
        for (text, file, unet, te) in [
            ("a.safetensors", "a.safetensors", 1.0, 1.0),
            ("a.safetensors:0.8", "a.safetensors", 0.8, 0.8),
            ("a:-1", "a", -1.0, -1.0),
            ("dir:x/a.pt:te=0.5", "dir:x/a.pt", 1.0, 0.5),
            ("a:unet=0.25,te=0", "a", 0.25, 0.0),
            ("C:/a.pt", "C:/a.pt", 1.0, 1.0),
        ] {
            let spec: LoraSpec = text.parse().expect(text);
            assert_eq!(spec, LoraSpec { file: file.into(), unet, text_encoder: te }, "{text}");
            assert_eq!(spec.to_string().parse(), Ok(spec));
        }
        let refused = |text: &str| text.parse::<LoraSpec>().unwrap_err();
        assert!(refused("a:nan").contains("`nan` is not possible: it must be from -100 to 100"));
        assert!(refused("a:101").contains("-100 to 100"));
        assert!(refused("a:vae=1").contains("`vae=1` is neither unet=STRENGTH nor te=STRENGTH"));
        assert!(refused("a:unet=x").contains("`x` is not possible"));
        assert!(refused("").contains("must have a name"));
    }
}
