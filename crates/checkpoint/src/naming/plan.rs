//! A file, tensor by tensor: what becomes of each, and what a model still wants.

use std::collections::{BTreeMap, BTreeSet};

use aquatint_tensor::Tensor;

use super::binding::Binding;
use super::layout::Layout;
use super::{Shapes, shapes};
use crate::resolve::MisShaped;
use crate::{LoadError, LoadReport, Weights, nearest};

/// What becomes of each tensor of a file.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Part → our name → how it is made.
    pub bound: BTreeMap<String, BTreeMap<String, Binding>>,
    /// Names in the file that no part needs, with the reason.
    pub ignored: Vec<(String, &'static str)>,
    /// Names in the file that nobody knows.
    pub unexpected: Vec<String>,
}

impl Plan {
    /// What becomes of the tensors of a file by this `layout`.
    pub fn new(file: &Shapes, layout: &Layout) -> Self {
        let mut plan = Self::default();
        for &stored in file.keys() {
            let made = layout.made_of(stored);
            if made.is_empty() {
                match layout.ignored(stored) {
                    Some(reason) => plan.ignored.push((stored.into(), reason)),
                    None => plan.unexpected.push(stored.into()),
                }
                continue;
            }
            for (part, name, binding) in made {
                let part = plan.bound.entry(part.into()).or_default();
                // A tensor that is there under its new name and its old one, too, is there twice.
                if part.insert(name, binding).is_some() {
                    plan.unexpected.push(stored.into());
                }
            }
        }
        plan
    }

    /// Compares what is made of the file with the names and shapes that a part's model wants. The
    /// file's own unexpected names are in the report of every part.
    pub fn report(&self, file: &Shapes, part: &str, wanted: &[(String, Vec<usize>)]) -> LoadReport {
        let nothing = BTreeMap::new();
        let bound = self.bound.get(part).unwrap_or(&nothing);
        let mut report = LoadReport::default();
        for (name, shape) in wanted {
            let Some(binding) = bound.get(name) else {
                report.missing.push(name.clone());
                continue;
            };
            let stored = file.get(binding.stored.as_str()).copied();
            let found = stored.and_then(|shape| binding.shape(shape));
            if found.as_deref().is_none_or(|found| !same_but_for_ones(found, shape)) {
                report.misshaped.push(MisShaped {
                    name: binding.stored.clone(),
                    wanted: shape.clone(),
                    found: stored.unwrap_or_default().to_vec(),
                });
            }
        }
        let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        let extra = bound.iter().filter(|(name, _)| !names.contains(name.as_str()));
        report.unexpected = self.unexpected.clone();
        report.unexpected.extend(extra.map(|(_, binding)| binding.stored.clone()));
        report.unexpected.sort();
        report.unexpected.dedup();
        if let Some(first) = report.missing.first() {
            let others = report.unexpected.iter().map(String::as_str);
            report.nearest = nearest(first, others).map(str::to_owned);
        }
        report
    }

    /// Exactly the tensors that a part's model wants, by our names, in f32.
    ///
    /// # Errors
    /// If the file does not fit, or a tensor cannot be read.
    pub fn tensors(
        &self,
        weights: &Weights,
        part: &str,
        wanted: &[(String, Vec<usize>)],
    ) -> Result<BTreeMap<String, Tensor>, LoadError> {
        let report = self.report(&shapes(weights.manifest()), part, wanted);
        if !report.is_empty() {
            return Err(LoadError::Mismatch {
                file: weights.file().into(),
                report: Box::new(report),
            });
        }
        let made = wanted.iter().map(|(name, shape)| {
            let tensor = self.tensor(weights, part, name, shape)?;
            Ok((name.clone(), tensor))
        });
        made.collect()
    }

    /// One of the tensors of [`Plan::tensors`], after [`Plan::report`] had nothing to say.
    ///
    /// # Errors
    /// If it cannot be read.
    ///
    /// # Panics
    /// If the report would have named it.
    #[track_caller]
    pub fn tensor(
        &self,
        weights: &Weights,
        part: &str,
        name: &str,
        shape: &[usize],
    ) -> Result<Tensor, LoadError> {
        let binding = self.bound.get(part).and_then(|bound| bound.get(name));
        let binding = binding.unwrap_or_else(|| panic!("the file has no `{part}.{name}`"));
        let stored = weights.get(&binding.stored)?;
        if stored.shape() == shape && binding.keeps_bytes() {
            return Ok(stored);
        }
        match binding.load(&stored.to_vec(), stored.shape()) {
            Some((values, made)) if same_but_for_ones(&made, shape) => {
                Ok(Tensor::new(values, shape))
            }
            made => panic!(
                "`{part}.{name}` {shape:?} cannot be made of `{}` {:?}, only {:?}",
                binding.stored,
                stored.shape(),
                made.map(|(_, shape)| shape)
            ),
        }
    }
}

/// `[O, I]` and `[O, I, 1, 1]` are the same numbers: a linear layer and a 1×1 convolution.
fn same_but_for_ones(a: &[usize], b: &[usize]) -> bool {
    fn trimmed(shape: &[usize]) -> &[usize] {
        let ones = shape.iter().rev().take_while(|&&n| n == 1).count();
        &shape[..shape.len() - ones]
    }
    // A vector of length one and a matrix of one number are not the same thing.
    a == b || (a.len().min(b.len()) >= 2 && trimmed(a) == trimmed(b))
}
