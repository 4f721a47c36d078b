//! The changes that a model's weights get while they are loaded.

use std::collections::BTreeMap;

use aquatint_checkpoint::LoadError;
use aquatint_checkpoint::lora::{Change, Delta, LoraError, LoraFile, Targets, What};
use aquatint_nn::{Beside, Module, ModuleExt};
use aquatint_tensor::{Tensor, Use};
use serde_json::Value;

use super::{LoraMode, LoraSpec};
use crate::{LoadOptions, ModelError, ModelSource};

/// The changes of a model's parameters, by part and by name.
#[derive(Default)]
pub(crate) struct Adapters {
    files: Vec<LoraFile>,
    uses: Vec<LoraUse>,
    changes: BTreeMap<(String, String), Vec<OneChange>>,
    mode: LoraMode,
}

/// Which file, how strongly, what.
struct OneChange {
    file: usize,
    strength: f32,
    change: Change,
}

/// A LoRA that a model was loaded with.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraUse {
    /// What was asked for.
    pub spec: LoraSpec,
    /// Part of the model → how many of its layers the file changes.
    pub layers: BTreeMap<String, usize>,
}

/// The names and shapes of a module's parameters.
type Parameters = Vec<(String, Vec<usize>)>;

/// The value of a parameter, and what is to stand beside it.
pub(crate) struct Filled {
    pub value: Tensor,
    pub beside: Option<Beside>,
}

impl Adapters {
    /// Opens the files and compares them with the parameters of the model's parts. Only the heads
    /// of files are read.
    ///
    /// # Errors
    /// The first file that cannot be used with this model, and why.
    pub fn open(
        source: &ModelSource,
        options: &LoadOptions,
        parts: &[(&str, Parameters)],
    ) -> Result<Self, ModelError> {
        let mut adapters = Self { mode: options.lora_mode, ..Self::default() };
        if options.loras.is_empty() {
            return Ok(adapters);
        }
        let mut targets = Targets::default();
        for (part, parameters) in parts {
            let config: Value = source.json(&format!("{part}/config.json"))?;
            targets.add(part, &config, parameters);
        }
        for spec in &options.loras {
            adapters.add(spec, &targets)?;
        }
        Ok(adapters)
    }

    fn add(&mut self, spec: &LoraSpec, targets: &Targets) -> Result<(), LoraError> {
        let opened = LoraFile::open(&spec.file)?;
        let mut layers = BTreeMap::new();
        for change in opened.bind(targets)? {
            if change.what == What::Weight {
                *layers.entry(change.part.clone()).or_default() += 1;
            }
            let (file, strength) = (self.files.len(), spec.strength(&change.part) as f32);
            if strength != 0.0 {
                let key = (change.part.clone(), change.parameter.clone());
                let of_parameter = self.changes.entry(key).or_default();
                of_parameter.push(OneChange { file, strength, change });
            }
        }
        self.files.push(opened);
        self.uses.push(LoraUse { spec: spec.clone(), layers });
        Ok(())
    }

    /// The files, in the order they were given in.
    pub fn uses(&self) -> &[LoraUse] {
        &self.uses
    }

    /// The parameter `name` of a part with its changes: in its value, or beside it where that is
    /// wanted and a layer can do it.
    ///
    /// # Errors
    /// If a file cannot be read any more.
    pub fn apply(
        &self,
        (part, name): (&str, &str),
        used: Use,
        trainable: bool,
        value: Tensor,
    ) -> Result<Filled, LoadError> {
        let Some(changes) = self.changes.get(&(part.to_owned(), name.to_owned())) else {
            return Ok(Filled::from(value));
        };
        let deltas = changes.iter().map(|OneChange { file, strength, change }| {
            self.files[*file].delta(change, *strength, &value)
        });
        let deltas = deltas.collect::<Result<Vec<Delta>, _>>()?;
        let of_layer = !matches!(used, Use::Any | Use::Table);
        if self.mode == LoraMode::RunTime && of_layer && !trainable {
            let beside = Some(beside(&deltas, value.shape()));
            return Ok(Filled { value, beside });
        }
        let shape = value.shape().to_vec();
        let mut value = value.in_f32();
        deltas.iter().for_each(|delta| value.axpy(1.0, &delta.whole(&shape)));
        Ok(Filled::from(value))
    }
}

impl From<Tensor> for Filled {
    fn from(value: Tensor) -> Self {
        Self { value, beside: None }
    }
}

/// Changes of one weight of this shape as one: of low rank, if all are and that is less work.
fn beside(deltas: &[Delta], shape: &[usize]) -> Beside {
    let mut factors = Vec::with_capacity(deltas.len());
    for delta in deltas {
        if let Delta::LowRank { down, up } = delta {
            factors.push((down, up));
        }
    }
    let rank = factors.iter().map(|(down, _)| down.dim(0)).sum::<usize>();
    let (outputs, inputs) = (shape[0], shape[1..].iter().product::<usize>());
    if factors.len() < deltas.len() || rank * (outputs + inputs) > outputs * inputs {
        let mut sum = Tensor::zeros(shape);
        deltas.iter().for_each(|delta| sum.axpy(1.0, &delta.whole(shape)));
        return Beside::Whole(sum);
    }
    // One below the other, and one to the right of the other.
    let down = factors.iter().flat_map(|(down, _)| down.to_vec()).collect();
    let ups: Vec<(usize, Vec<f32>)> =
        factors.iter().map(|(_, up)| (up.dim(1), up.to_vec())).collect();
    let row = |o: usize| ups.iter().flat_map(move |(r, up)| up[o * r..][..*r].iter().copied());
    let up = (0..outputs).flat_map(row).collect();
    let narrow: Vec<usize> = [&[rank], &shape[1..]].concat();
    Beside::LowRank { down: Tensor::new(down, &narrow), up: Tensor::new(up, &[outputs, rank]) }
}

/// The names and shapes of a module's parameters.
pub(crate) fn parameters(module: &impl Module) -> Parameters {
    let parameters = module.named_parameters();
    parameters.iter().map(|(name, p)| (name.clone(), p.shape().to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use aquatint_tensor::Rng;

    use super::*;

    #[test]
    fn changes_side_by_side_are_their_sum() {
        let mut rng = Rng::new(1);
        let mut low = |r| Delta::LowRank { down: rng.randn(&[r, 90]), up: rng.randn(&[8, r]) };
        let deltas = [low(2), low(3)];
        let shape = [8, 10, 3, 3];
        let sum = deltas[0].whole(&shape).add(&deltas[1].whole(&shape));
        let Beside::LowRank { down, up } = beside(&deltas, &shape) else { panic!("of low rank") };
        assert_eq!((down.shape(), up.shape()), (&[5, 10, 3, 3][..], &[8, 5][..]));
        let product = Delta::LowRank { down: down.reshape(&[5, 90]), up }.whole(&shape);
        assert!(product.sub(&sum).max_abs() < 1e-5);
        let high = [deltas[0].clone(), low(9)];
        assert!(matches!(beside(&high, &shape), Beside::Whole(_)));
        let mixed = [deltas[0].clone(), Delta::Whole(rng.randn(&shape))];
        assert!(matches!(beside(&mixed, &shape), Beside::Whole(_)));
    }
}
