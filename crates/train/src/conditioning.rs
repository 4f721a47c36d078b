//! What the third stage's network is told: a key of the configuration, which says who reads the
//! rest of it.

use std::path::Path;

use aquatint_checkpoint::nearest;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// The key `task.conditioning`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conditioning {
    /// Captions, by cross-attention.
    #[default]
    Text,
    /// Captions, and beside the noisy latents a mask and the picture without what is under it, by
    /// concatenation.
    Inpainting,
    /// What is where in the picture, by cross-attention.
    Layout,
    /// A number in a table of classes, added to the time.
    Class,
    /// A picture of the size of the latents, by concatenation.
    LowResolution,
    /// Nothing.
    None,
}

const NAMES: [(&str, Conditioning); 6] = [
    ("text", Conditioning::Text),
    ("inpainting", Conditioning::Inpainting),
    ("layout", Conditioning::Layout),
    ("class", Conditioning::Class),
    ("low-resolution", Conditioning::LowResolution),
    ("none", Conditioning::None),
];

impl Conditioning {
    /// Whether there are captions, or layouts in their place, so that the network has
    /// cross-attention.
    pub fn has_text(self) -> bool {
        matches!(self, Self::Text | Self::Inpainting | Self::Layout)
    }

    /// What the file at `path` asks for. A file that is no TOML asks for text: whoever reads the
    /// rest of it will say what is wrong with it.
    ///
    /// # Errors
    /// If the file cannot be read, or the key has another value.
    pub fn of_file(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let table: toml::Table = toml::from_str(&text).unwrap_or_default();
        let Some(value) = table.get("task").and_then(|task| task.get("conditioning")) else {
            return Ok(Self::Text);
        };
        let name = value.as_str().unwrap_or_default();
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, conditioning)| *conditioning).ok_or_else(|| {
            let names = NAMES.iter().map(|(known, _)| *known);
            let message = match nearest(name, names.clone()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known are {}", names.collect::<Vec<_>>().join(", ")),
            };
            let value = serde_json::to_string(value).unwrap_or_default();
            let message = format!("`task.conditioning` is {value}; {message}");
            TrainError::Config { path: path.to_path_buf(), message }
        })
    }

    /// Whether it is captions alone, which needs not be written down.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_text(&self) -> bool {
        *self == Self::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Conditioning, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = format!("{}: ", file.path().display());
        Conditioning::of_file(file.path()).map_err(|error| error.to_string().replace(&path, ""))
    }

    #[test]
    fn every_name_is_what_serde_writes() {
        for (name, conditioning) in NAMES {
            assert_eq!(serde_json::to_value(conditioning).unwrap(), name);
            assert_eq!(of(&format!("[task]\nconditioning = {name:?}")), Ok(conditioning));
        }
    }

    #[test]
    fn what_is_not_said_is_text() {
        for text in ["", "[task]\n", "task = 1", "[task"] {
            assert_eq!(of(text), Ok(Conditioning::Text));
        }
    }

    #[test]
    fn what_is_misspelt_is_named() {
        let said = of("[task]\nconditioning = \"inpaint\"").unwrap_err();
        assert_eq!(said, "`task.conditioning` is \"inpaint\"; did you mean \"inpainting\"?");
        let said = of("[task]\nconditioning = 3").unwrap_err();
        assert!(said.starts_with("`task.conditioning` is 3; known are text, "), "{said}");
    }
}
