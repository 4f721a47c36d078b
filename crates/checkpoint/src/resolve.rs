//! From the names in a file to the names that a model wants: strict, and talkative about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aquatint_tensor::Tensor;

use crate::{LoadError, Weights};

/// Endings of names that may be in a file though no model wants them, each with its reason.
pub const IGNORED: &[(&str, &str)] = &[
    (
        "embeddings.position_ids",
        "0, 1, 2, … as a buffer, which transformers saved before version 4.31",
    ),
    (".num_batches_tracked", "a counter of PyTorch's batch normalization, of no use in inference"),
];

/// Which tensors of a file are not those that a model wants. Empty if it fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Wanted, and not in the file.
    pub missing: Vec<String>,
    /// In the file, and not wanted.
    pub unexpected: Vec<String>,
    /// In the file under another shape.
    pub misshaped: Vec<MisShaped>,
    /// For the first missing name, the most similar one among the unexpected.
    pub nearest: Option<String>,
}

/// A tensor whose shape is not the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MisShaped {
    /// Its name.
    pub name: String,
    /// The shape in the model.
    pub wanted: Vec<usize>,
    /// The shape in the file.
    pub found: Vec<usize>,
}

impl LoadReport {
    /// Compares the tensors of a file with the wanted names and shapes.
    pub fn of(weights: &Weights, wanted: &[(String, Vec<usize>)]) -> Self {
        let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        let mut report = Self::default();
        for (name, shape) in wanted {
            match weights.shape(name) {
                None => report.missing.push(name.clone()),
                Some(found) if found != shape => report.misshaped.push(MisShaped {
                    name: name.clone(),
                    wanted: shape.clone(),
                    found: found.to_vec(),
                }),
                Some(_) => {}
            }
        }
        let ignored = |name: &str| IGNORED.iter().any(|(ending, _)| name.ends_with(ending));
        let unexpected = weights.names().filter(|name| !names.contains(name) && !ignored(name));
        report.unexpected = unexpected.map(str::to_owned).collect();
        if let Some(first) = report.missing.first() {
            let others = report.unexpected.iter().map(String::as_str);
            report.nearest = nearest(first, others).map(str::to_owned);
        }
        report
    }

    /// Whether the file fits.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshaped.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(first) = self.missing.first() {
            let near = self.nearest.as_ref().map_or(String::new(), |n| format!(", nearest `{n}`"));
            parts.push(format!("{} missing (`{first}`{near})", count(self.missing.len())));
        }
        if let Some(first) = self.unexpected.first() {
            parts.push(format!("{} unexpected (`{first}`)", count(self.unexpected.len())));
        }
        if let Some(MisShaped { name, wanted, found }) = self.misshaped.first() {
            let n = count(self.misshaped.len());
            parts.push(format!("{n} of another shape (`{name}` is {found:?}, wanted {wanted:?})"));
        }
        f.write_str(&parts.join(", "))
    }
}

fn count(n: usize) -> String {
    if n == 1 { "1 tensor".into() } else { format!("{n} tensors") }
}

/// Exactly the wanted tensors, by name, converted to f32.
///
/// # Errors
/// If one is missing, mis-shaped or of an unknown encoding, or if the file holds one that is not
/// wanted (but for [`IGNORED`]).
pub fn resolve(
    weights: &Weights,
    wanted: &[(String, Vec<usize>)],
) -> Result<BTreeMap<String, Tensor>, LoadError> {
    let report = LoadReport::of(weights, wanted);
    if !report.is_empty() {
        return Err(LoadError::Mismatch { file: weights.file().into(), report: Box::new(report) });
    }
    wanted.iter().map(|(name, _)| Ok((name.clone(), weights.get(name)?))).collect()
}

/// The candidate most similar to `name`, if one is similar enough to be meant.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.7).then_some(best.1)
}
