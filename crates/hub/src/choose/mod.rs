//! Which files of a repository are wanted. Repositories hold the same weights several times over:
//! for other programs, in other precisions, in one file and in folders.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::error::some_of;
use crate::weights::Weights;
use crate::{HubError, RepoId};

/// What is wanted of a repository.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// If there are any: the files that one of these fits, instead of what a model needs.
    pub include: Vec<Pattern>,
    /// Not the files that one of these fits.
    pub exclude: Vec<Pattern>,
    /// Which weights to prefer, as `fp16`, where a part has several.
    pub variant: Option<String>,
}

/// A pattern for paths: `*` stands for anything, slashes too, `?` for one character, `[ab]` for
/// one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(glob::Pattern);

impl FromStr for Pattern {
    type Err = HubError;

    fn from_str(pattern: &str) -> Result<Self, HubError> {
        let malformed = |error: glob::PatternError| HubError::MalformedPattern {
            pattern: pattern.into(),
            reason: error.msg.into(),
        };
        glob::Pattern::new(pattern).map(Self).map_err(malformed)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The file that makes a folder a model in diffusers' layout.
pub(crate) const INDEX: &str = "model_index.json";

impl Choice {
    fn is_excluded(&self, file: &str) -> bool {
        self.exclude.iter().any(|pattern| pattern.0.matches(file))
    }

    /// Whether the choice depends on what the repository's `model_index.json` says.
    pub(crate) fn asks_index(&self, files: &[&str]) -> bool {
        self.include.is_empty() && files.contains(&INDEX)
    }

    /// The wanted ones of `files`; `parts` are the folders that `model_index.json` names.
    ///
    /// # Errors
    /// A sentence if nothing is left, or no weights are.
    pub(crate) fn of(
        &self,
        repo: &RepoId,
        files: &[&str],
        parts: Option<&BTreeSet<String>>,
    ) -> Result<Vec<String>, HubError> {
        let (repo, has) = (repo.to_string(), || some_of(files.iter().copied()));
        let left: Vec<&str> =
            files.iter().copied().filter(|file| !self.is_excluded(file)).collect();
        if !self.include.is_empty() {
            let wanted = |file: &&str| self.include.iter().any(|pattern| pattern.0.matches(file));
            let chosen: Vec<String> = left.into_iter().filter(wanted).map(str::to_owned).collect();
            return match chosen.is_empty() {
                true => Err(HubError::NothingLeft { repo, has: has() }),
                false => Ok(chosen),
            };
        }

        let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for file in left {
            let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
            let is_part = match parts {
                Some(parts) => parts.contains(folder) || file == INDEX,
                None => folder.is_empty(),
            };
            if is_part {
                folders.entry(folder).or_default().push(name);
            }
        }
        let (mut chosen, mut weights, mut with_variant) = (Vec::new(), 0, false);
        for (folder, names) in folders {
            let best = self.best(&names);
            for name in names {
                let wanted = match Weights::parse(name) {
                    Some(found) => best.as_ref() == Some(&found),
                    None => is_text(name),
                };
                if wanted {
                    weights += usize::from(Weights::parse(name).is_some());
                    chosen.push(if folder.is_empty() {
                        name.into()
                    } else {
                        format!("{folder}/{name}")
                    });
                }
            }
            with_variant |= best.is_some_and(|best| Some(best.variant) == self.variant.as_deref());
        }
        match (&self.variant, weights) {
            (_, 0) if parts.is_some() => Err(HubError::NoWeights { repo, has: has() }),
            (_, 0) => Err(self.no_layout(repo, files)),
            (Some(variant), _) if !with_variant => {
                Err(HubError::NoVariant { repo, variant: variant.clone() })
            }
            _ => Ok(chosen),
        }
    }

    /// Which of a folder's weights are fetched: safetensors before pickles, the variant that was
    /// asked for before the plain ones, one file before shards.
    fn best<'a>(&self, names: &[&'a str]) -> Option<Weights<'a>> {
        let wanted = self.variant.as_deref().unwrap_or_default();
        let rank = |weights: &Weights<'_>| {
            let plain = if weights.variant.is_empty() { 1 } else { 2 };
            let variant = if weights.variant == wanted { 0 } else { plain };
            // Without a plain file even pickles come before a precision that nobody asked for.
            let stranger = variant == 2;
            (stranger, !weights.is_safetensors, variant, weights.is_shard)
        };
        let all = names.iter().filter_map(|name| Weights::parse(name));
        let usable = |weights: &Weights<'_>| !rank(weights).0 || weights.variant == "fp16";
        all.filter(usable).min_by_key(rank)
    }

    fn no_layout(&self, repo: String, files: &[&str]) -> HubError {
        let single = |file: &&str| {
            [".safetensors", ".ckpt", ".gguf", ".pt"].iter().any(|end| file.ends_with(end))
        };
        match files.iter().copied().find(single) {
            Some(_) => {
                let has = some_of(files.iter().copied().filter(single));
                HubError::NoLayout { repo, has }
            }
            None => HubError::NoWeights { repo, has: some_of(files.iter().copied()) },
        }
    }
}

/// Configurations, vocabularies.
fn is_text(name: &str) -> bool {
    [".json", ".txt", ".model"].iter().any(|end| name.ends_with(end))
}

/// The folders that a `model_index.json` names: its entries `"unet": ["diffusers", "…"]`.
pub(crate) fn parts(index: &str) -> Option<BTreeSet<String>> {
    let index: BTreeMap<String, serde_json::Value> = serde_json::from_str(index).ok()?;
    let is_part = |value: &serde_json::Value| {
        value.as_array().is_some_and(|pair| pair.len() == 2 && pair.iter().all(|v| v.is_string()))
    };
    Some(index.into_iter().filter(|(_, value)| is_part(value)).map(|(name, _)| name).collect())
}
