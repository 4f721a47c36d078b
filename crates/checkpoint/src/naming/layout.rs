//! Which part of a model has which names in a file.

use serde_json::{Map, Value};

use super::binding::Binding;
use super::table::Table;
use super::{Shapes, text, unet, vae};

/// The folders of the parts that have weights, as diffusers calls them.
pub const PARTS: [&str; 7] =
    ["unet", "vae", "vqvae", "text_encoder", "text_encoder_2", "bert", "class_embedder"];

/// Whose names a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// diffusers' and transformers', which are ours.
    Diffusers,
    /// That of the latent-diffusion authors, and of nearly all single files.
    Ldm,
}

impl Naming {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Diffusers => "diffusers",
            Self::Ldm => "ldm",
        }
    }
}

/// The names of a part in a file.
#[derive(Clone, Debug)]
pub struct PartLayout {
    /// The part, one of [`PARTS`].
    pub part: String,
    /// Whose names they are.
    pub naming: Naming,
    /// What stands before all of them.
    pub prefix: String,
    /// The names behind it.
    pub table: Table,
}

/// The names of all parts in a file.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// At most one for each part.
    pub parts: Vec<PartLayout>,
}

impl Layout {
    /// A model as one file in the authors' naming. `configs` has a configuration for each part;
    /// other keys, as a scheduler's, are passed over.
    ///
    /// # Errors
    /// A sentence that names the part and the key which we cannot read.
    pub fn ldm(configs: &Map<String, Value>) -> Result<Self, String> {
        let parts = present(configs).map(|(part, config)| {
            let mut candidates = candidates(part, config)?;
            let prefix = ldm_prefix(part, configs);
            let at = candidates.iter().position(|c| c.naming == Naming::Ldm && c.prefix == prefix);
            let at = at.ok_or_else(|| format!("{part}: it has no place in a single file"))?;
            Ok(candidates.swap_remove(at))
        });
        Ok(Self { parts: parts.collect::<Result<_, String>>()? })
    }

    /// A model as diffusers' folders, one file a part.
    ///
    /// # Errors
    /// A sentence that names the part and the key which we cannot read.
    pub fn diffusers(configs: &Map<String, Value>) -> Result<Self, String> {
        let parts = present(configs).map(|(part, config)| {
            let mut candidates = candidates(part, config)?.into_iter();
            let bare = candidates.find(|c| c.naming == Naming::Diffusers && c.prefix.is_empty());
            bare.ok_or_else(|| format!("{part}: it has no folder"))
        });
        Ok(Self { parts: parts.collect::<Result<_, String>>()? })
    }

    /// How a file calls the parts in `configs`: for each, of all prefixes and
    /// namings known, the one that accounts for most names. A part without any is left out. Bare
    /// names are understood where `configs` has a single part, as for a file that holds only it.
    ///
    /// # Errors
    /// A sentence that names the part and the key which we cannot read.
    pub fn of(file: &Shapes, configs: &Map<String, Value>) -> Result<Self, String> {
        let single = present(configs).count() == 1;
        let mut parts = Vec::new();
        for (part, config) in present(configs) {
            let mut best = (0, None);
            for candidate in candidates(part, config)? {
                if candidate.prefix.is_empty() && !single {
                    continue;
                }
                let known = |name: &&&str| !candidate.made_of(name).is_empty();
                let count = file.keys().filter(known).count();
                if count > best.0 {
                    best = (count, Some(candidate));
                }
            }
            parts.extend(best.1);
        }
        Ok(Self { parts })
    }

    /// What our tensor `name` of `part` is in the file.
    pub fn binding(&self, part: &str, name: &str) -> Option<Binding> {
        self.parts.iter().find(|layout| layout.part == part)?.binding(name)
    }

    /// What is made of the file's `stored`: the part, our name, how.
    pub fn made_of(&self, stored: &str) -> Vec<(&str, String, Binding)> {
        let parts = self.parts.iter().map(|layout| (layout.part.as_str(), layout.made_of(stored)));
        let named = parts.flat_map(|(part, made)| {
            made.into_iter().map(move |(name, binding)| (part, name, binding))
        });
        named.collect()
    }

    /// Why the file's `stored` is not needed, if that is known.
    pub fn ignored(&self, stored: &str) -> Option<&'static str> {
        let by_part = self.parts.iter().find_map(|layout| {
            stored.strip_prefix(layout.prefix.as_str()).and_then(|rest| layout.table.ignored(rest))
        });
        by_part.or_else(|| super::ignored(stored))
    }
}

impl PartLayout {
    fn binding(&self, name: &str) -> Option<Binding> {
        let binding = self.table.binding(name)?;
        Some(Binding { stored: format!("{}{}", self.prefix, binding.stored), ..binding })
    }

    fn made_of(&self, stored: &str) -> Vec<(String, Binding)> {
        let Some(rest) = stored.strip_prefix(self.prefix.as_str()) else { return Vec::new() };
        let mut made = self.table.made_of(rest);
        made.retain(|_| super::ignored(stored).is_none());
        for (_, binding) in &mut made {
            binding.stored = stored.into();
        }
        made
    }
}

/// The parts that `configs` has a configuration for, in the order of [`PARTS`].
fn present(configs: &Map<String, Value>) -> impl Iterator<Item = (&'static str, &Value)> {
    PARTS.into_iter().filter_map(|part| Some((part, configs.get(part)?)))
}

/// Where a single file has a part. With two text encoders they are a list; SD 2.x has OpenCLIP's,
/// which computes another GELU than OpenAI's.
fn ldm_prefix(part: &str, configs: &Map<String, Value>) -> &'static str {
    let has = |part| configs.contains_key(part);
    match part {
        "unet" => UNET,
        "vae" | "vqvae" => FIRST_STAGE,
        "text_encoder" if has("text_encoder_2") => "conditioner.embedders.0.transformer.",
        "text_encoder" if configs[part]["hidden_act"] == "gelu" => "cond_stage_model.model.",
        "text_encoder_2" if has("text_encoder") => "conditioner.embedders.1.model.",
        "text_encoder_2" => "conditioner.embedders.0.model.",
        "class_embedder" => "cond_stage_model.",
        _ => "cond_stage_model.transformer.",
    }
}

pub(super) const UNET: &str = "model.diffusion_model.";
pub(super) const FIRST_STAGE: &str = "first_stage_model.";

/// All ways in which files are known to call a part; first the usual one.
fn candidates(part: &str, config: &Value) -> Result<Vec<PartLayout>, String> {
    let say = |reason: String| format!("{part}: {reason}");
    let folder = format!("{part}.");
    let (ldm, diffusers) = match part {
        "unet" => (unet::ldm(config), unet::diffusers(config)),
        "vae" | "vqvae" => (vae::ldm(config), vae::diffusers(config)),
        "bert" => (text::ldm_bert(config), Ok(text::diffusers_bert())),
        "class_embedder" => (Ok(text::class_embedder()), Ok(text::class_embedder())),
        _ => (text::open_clip(config), text::transformers(config)),
    };
    let (ldm, diffusers) = (ldm.map_err(say)?, diffusers.map_err(say)?);
    // transformers' names appear inside the authors' files, too.
    let transformers = part.starts_with("text_encoder").then_some(&diffusers);
    let (by_ldm, by_transformers): (&[&str], &[&str]) = match part {
        "unet" => (&[UNET, ""], &[]),
        "vae" | "vqvae" => (&[FIRST_STAGE, "vae.", ""], &[]),
        "bert" => (&["cond_stage_model.transformer.", "transformer.", ""], &[]),
        "class_embedder" => (&["cond_stage_model."], &[]),
        "text_encoder" => (
            &["cond_stage_model.model.", "model.", ""],
            &["cond_stage_model.transformer.", "conditioner.embedders.0.transformer."],
        ),
        _ => (
            &["conditioner.embedders.1.model.", "conditioner.embedders.0.model.", "model.", ""],
            &["cond_stage_model.1.transformer."],
        ),
    };
    let layout = |naming, prefix: &str, table: &Table| PartLayout {
        part: part.into(),
        naming,
        prefix: prefix.into(),
        table: table.clone(),
    };
    let mut found: Vec<PartLayout> =
        by_ldm.iter().map(|prefix| layout(Naming::Ldm, prefix, &ldm)).collect();
    if let Some(table) = transformers {
        found.extend(by_transformers.iter().map(|prefix| layout(Naming::Ldm, prefix, table)));
    }
    let by_folder = ["", &folder];
    found.extend(by_folder.map(|prefix| layout(Naming::Diffusers, prefix, &diffusers)));
    Ok(found)
}
