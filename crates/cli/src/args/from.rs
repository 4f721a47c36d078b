//! `--from`: a picture is made again, with what was typed in place of what it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aquatint_pipeline::GenerateRequest;
use aquatint_pipeline::attached::{Attached, Missing, Purpose};
use aquatint_pipeline::lora::LoraSpec;
use aquatint_pipeline::metadata::{Description, Made};
use clap::parser::ValueSource;
use clap::{ArgMatches, ValueEnum};

use super::{AdapterArgs, Dtype};
use crate::failure::Failure;

/// The options that were typed, by the names of their fields.
#[derive(Clone, Debug, Default)]
pub struct Typed(BTreeSet<String>);

/// Options that have another name than the part of the request that they are about, or are about
/// several.
const ABOUT: [(&str, &[&str]); 4] = [
    ("fast", &["guidance_interval", "deep_cache"]),
    ("hires_strength", &["hires"]),
    ("hires_steps", &["hires"]),
    ("hires_upscaler", &["hires"]),
];

impl Typed {
    /// Those of the command that these are the arguments of.
    pub fn of(matches: &ArgMatches) -> Self {
        let Some((_, matches)) = matches.subcommand() else { return Self::default() };
        let ids = matches.ids().map(|id| id.as_str());
        let typed = ids.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        Self(typed.map(str::to_owned).collect())
    }

    /// Whether this one was.
    pub fn has(&self, option: &str) -> bool {
        self.0.contains(option)
    }

    /// Whether this part of a request was.
    fn says(&self, key: &str) -> bool {
        let about = ABOUT.iter().filter(|(_, keys)| keys.contains(&key));
        self.has(key) || about.into_iter().any(|(option, _)| self.has(option))
    }
}

/// A picture that is to be made again.
pub struct Repeated {
    /// The request that it was made by, with what was typed in its place.
    pub request: GenerateRequest,
    /// What else it says.
    made: Made,
    /// The small files that it was made with.
    attached: Vec<Attached>,
    file: PathBuf,
}

impl Repeated {
    /// The picture at `path`, with what was typed of `request`.
    pub fn open(path: &Path, request: &GenerateRequest, typed: &Typed) -> Result<Self, Failure> {
        let file = path.display();
        let description =
            Description::open(path).map_err(|error| Failure::new(error.to_string()))?;
        let mut made = description.made.ok_or_else(|| {
            Failure::new(format!(
                "{file} does not say how it was made: give it a prompt, or another picture"
            ))
        })?;
        made.request.retain(|key, _| !typed.says(key));
        // A picture that grows has the size that it grows to.
        let grows = |key: &str| made.request.get(key).is_some_and(|value| !value.is_null());
        if typed.has("extend") || grows("extend") {
            made.request.retain(|key, _| key != "width" && key != "height");
        }
        let request = made
            .request_over(request)
            .map_err(|reason| Failure::new(format!("{file} cannot be repeated: {reason}")))?;
        let attached = Attached::told(&mut made);
        Ok(Self { request, made, attached, file: path.to_owned() })
    }

    /// The type in which products were formed, if it says one that we have.
    pub fn dtype(&self) -> Option<Dtype> {
        self.made.dtype.as_ref().and_then(|name| Dtype::from_str(name, false).ok())
    }

    /// Adds the LoRAs and embeddings of the picture, where none were typed, and answers what there
    /// is to say about those that are not found.
    pub fn attach(
        &self,
        adapters: &mut AdapterArgs,
        model: Option<&Path>,
        typed: &Typed,
    ) -> Vec<String> {
        let mut folders = adapters.folders(model);
        folders.extend(self.file.parent().map(|beside| match beside.to_str() {
            Some("") => PathBuf::from("."),
            _ => beside.to_owned(),
        }));
        let mut notes = Vec::new();
        for attached in &self.attached {
            let option = match attached.purpose {
                Purpose::Lora { .. } => "lora",
                Purpose::Embedding => "embedding",
            };
            let named = matches!(attached.purpose, Purpose::Lora { named: true, .. });
            if typed.has(option) && !named {
                continue;
            }
            match (attached.find(&folders), attached.purpose) {
                (Ok(file), Purpose::Lora { unet, text_encoder, named: false }) => {
                    adapters.lora.push(LoraSpec { file, unet, text_encoder });
                }
                // The prompt asks for it by name, and here it is.
                (Ok(file), Purpose::Lora { .. }) => {
                    adapters.lora_dir.extend(file.parent().map(Path::to_owned));
                }
                (Ok(file), Purpose::Embedding) => adapters.embedding.push(file),
                // Whoever looks for the name says that there is none.
                (Err(Missing::Nowhere(_)), Purpose::Lora { named: true, .. }) => {}
                (Err(reason), _) => notes.push(format!(
                    "note: {} was made with {}, and {reason}: without it this is another picture; \
                     give it with --{option}, or say where it is with --lora-dir",
                    self.file.display(),
                    attached.file.display(),
                )),
            }
        }
        notes
    }

    /// What the picture says that is not used, in one line.
    pub fn not_used(&self, model: &str) -> Option<String> {
        let (made, mut parts) = (&self.made, Vec::new());
        let name = |name: &str| {
            let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            name.to_lowercase()
        };
        if let Some(other) = made.model.as_ref().filter(|other| name(other) != name(model)) {
            parts.push(format!("the model {other} (this one is {model})"));
        }
        parts.extend(made.beside.iter().map(|(name, value)| format!("{name}: {value}")));
        parts.extend(made.rest.iter().map(|(name, value)| {
            let value: String = value.chars().filter(|c| !c.is_control()).take(60).collect();
            format!("{name}: {value}")
        }));
        let file = self.file.display();
        (!parts.is_empty())
            .then(|| format!("note: {file} says more, which is not used: {}", parts.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    /// Options that no request has, because they do not change what is on the picture, or because
    /// what they say is not in pictures.
    const APART: [&str; 25] = [
        "config",
        "family",
        "format",
        "from",
        "help",
        "json",
        "model",
        "output",
        "preview",
        "preview_decoder",
        "prompts",
        "quality",
        "show",
        "text_encoder",
        "threads",
        "unet",
        "vae",
        "vae_tiling",
        "version",
        "dtype",
        "command",
        "embedding",
        "lora",
        "lora_dir",
        "lora_mode",
    ];

    /// An option that is in none of the lists would be overruled by the picture.
    #[test]
    fn every_option_of_generate_wins_over_the_picture() {
        let unknown = serde_json::json!({"no such field": null});
        let error = serde_json::from_value::<GenerateRequest>(unknown).unwrap_err().to_string();
        let keys: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert!(keys.contains(&"guidance_scale"), "{error}");
        let command = Args::command();
        let generate = command.find_subcommand("generate").expect("a command");
        let options = generate.get_arguments().map(|option| option.get_id().as_str());
        let lost: Vec<&str> = options
            .filter(|id| {
                let known = keys.contains(id) || APART.contains(id);
                !known && ABOUT.iter().all(|(option, _)| option != id)
            })
            .collect();
        assert!(lost.is_empty(), "{lost:?} need a line in ABOUT or in APART");
    }
}
