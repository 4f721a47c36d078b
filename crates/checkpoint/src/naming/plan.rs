//! A file, tensor by tensor: what becomes of each, and what a model still wants.

use std::collections::{BTreeMap, BTreeSet};

use aquatint_tensor::{Numbers, Tensor};

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

    /// Whether the file has exactly the tensors that a part's model wants.
    ///
    /// # Errors
    /// If it has not.
    pub fn check(
        &self,
        weights: &Weights,
        part: &str,
        wanted: &[(String, Vec<usize>)],
    ) -> Result<(), LoadError> {
        let report = self.report(&shapes(weights.manifest()), part, wanted);
        if report.is_empty() {
            return Ok(());
        }
        Err(LoadError::Mismatch { file: weights.file().into(), report: Box::new(report) })
    }

    /// One of the tensors that a part's model wants, after [`Plan::check`] had nothing to say.
    /// Numbers of 16 bits stay as they are.
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
        let stored = weights.get_stored(&binding.stored)?;
        let found = stored.shape();
        if !binding.shape(found).is_some_and(|made| same_but_for_ones(&made, shape)) {
            panic!("`{part}.{name}` {shape:?} cannot be made of `{}` {found:?}", binding.stored);
        }
        if binding.keeps_bytes() {
            return Ok(stored.reshape(shape));
        }
        let fits = "the shape was compared above";
        Ok(match stored.numbers().expect("it was just read") {
            Numbers::F32(x) => Tensor::new(binding.load(x, found).expect(fits).0, shape),
            Numbers::F16(x) => Tensor::from_f16(binding.load(x, found).expect(fits).0, shape),
            Numbers::Bf16(x) => Tensor::from_bf16(binding.load(x, found).expect(fits).0, shape),
        })
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
