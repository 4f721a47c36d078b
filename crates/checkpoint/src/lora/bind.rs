//! A file tied to the parameters of a model.

use std::collections::BTreeMap;

use aquatint_tensor::Tensor;

use super::algebra::rescaled;
use super::error::LoraError;
use super::file::{Layer, LoraFile};
use super::form::Delta;
use super::targets::{Target, Targets, base};
use crate::{LoadError, nearest};

/// What a file changes one parameter of a model by.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The part of the model, as its folder is called.
    pub part: String,
    /// The parameter in that part.
    pub parameter: String,
    /// Which of the layer's two it is.
    pub what: What,
    /// Which layer of the file.
    layer: usize,
}

/// Which parameter of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Its weight.
    Weight,
    /// Its bias.
    Bias,
}

impl LoraFile {
    /// What the file changes in a model: each of its layers must be there, in the shape it wants.
    ///
    /// # Errors
    /// What the file was made for instead, or the first layer that does not fit.
    pub fn bind(&self, targets: &Targets) -> Result<Vec<Change>, LoraError> {
        if let (Some(made_for), Some(this)) = (self.base(), targets.base)
            && made_for != this
        {
            return Err(LoraError::OtherBase { file: self.file().into(), made_for, this });
        }
        let (mut changes, mut misfit, mut fitting) = (Vec::new(), None, 0);
        let mut taken = BTreeMap::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let of_layer = match self.changes(index, layer, targets) {
                Ok(of_layer) => of_layer,
                Err(error) => {
                    misfit.get_or_insert(error);
                    continue;
                }
            };
            fitting += 1;
            if let Some(other) = taken.insert(targets.spelled[&layer.name], layer) {
                let first = |layer: &Layer| {
                    let form = layer.form.as_ref().map(|form| form.tensors()[0]);
                    form.or(layer.bias.as_deref()).unwrap_or_default().to_owned()
                };
                let tensors = [other, layer].map(first);
                let (file, layer) = (self.file().into(), layer.name.clone());
                return Err(LoraError::Ambiguous { file, layer, tensors });
            }
            changes.extend(of_layer);
        }
        match misfit {
            None => Ok(changes),
            Some(mut error) => {
                if let LoraError::Layer { fitting: n, all, .. }
                | LoraError::Shape { fitting: n, all, .. } = &mut error
                {
                    (*n, *all) = (fitting, self.layers.len());
                }
                Err(error)
            }
        }
    }

    fn changes(
        &self,
        index: usize,
        layer: &Layer,
        targets: &Targets,
    ) -> Result<Vec<Change>, LoraError> {
        let (file, name) = (|| self.file().to_owned(), || layer.name.clone());
        let Some(&at) = targets.spelled.get(&layer.name) else {
            let nearest = nearest(&layer.name, targets.spelled.keys().map(String::as_str));
            let nearest = nearest.map(str::to_owned);
            let (file, layer) = (file(), name());
            return Err(LoraError::Layer { file, layer, nearest, fitting: 0, all: 0 });
        };
        let target: &Target = &targets.targets[at];
        let mut changes = Vec::new();
        let change = |what, end: &str| Change {
            part: target.part.clone(),
            parameter: format!("{}{end}", target.layer),
            what,
            layer: index,
        };
        let shape = |found: &[usize], wanted: &[usize], end: &str| LoraError::Shape {
            file: file(),
            layer: name(),
            parameter: format!("{}.{}{end}", target.part, target.layer),
            found: found.into(),
            wanted: wanted.into(),
            fitting: 0,
            all: 0,
        };
        if let Some(form) = &layer.form {
            let found = form.shape(&self.weights).unwrap_or_default();
            let wanted = target.weight.as_deref().unwrap_or_default();
            if !fits(&found, wanted) {
                return Err(shape(&found, wanted, ".weight"));
            }
            if let Some(dora) = &layer.dora {
                let lengths = self.weights.shape(dora).unwrap_or_default();
                let one_of = |&n: &usize| n == lengths.iter().product::<usize>();
                if wanted.len() < 2 || !wanted[..2].iter().any(one_of) {
                    return Err(shape(lengths, wanted, ".weight"));
                }
            }
            changes.push(change(What::Weight, ".weight"));
        }
        if let Some(bias) = &layer.bias {
            let found = self.weights.shape(bias).unwrap_or_default();
            match target.bias.as_deref() {
                Some(wanted) if wanted == found => changes.push(change(What::Bias, ".bias")),
                Some(wanted) => return Err(shape(found, wanted, ".bias")),
                None => return Err(LoraError::NoBias { file: file(), layer: name() }),
            }
        }
        Ok(changes)
    }

    /// What is to be added to the parameter of a change, times `strength`; `parameter` is its value
    /// as it is without any change.
    ///
    /// # Errors
    /// If a tensor cannot be read.
    pub fn delta(
        &self,
        change: &Change,
        strength: f32,
        parameter: &Tensor,
    ) -> Result<Delta, LoadError> {
        let Layer { form, scale, dora, bias, .. } = &self.layers[change.layer];
        match (change.what, form, bias) {
            (What::Bias, _, Some(bias)) => {
                Ok(Delta::Whole(self.weights.get(bias)?.scale(strength)))
            }
            (What::Weight, Some(form), _) => {
                let Some(dora) = dora else {
                    return form.delta(&self.weights, scale * strength);
                };
                // The changed weight gets lengths of its own; `strength` is how far to go there.
                let shape = parameter.shape();
                let delta = form.delta(&self.weights, *scale)?.whole(shape);
                let changed = parameter.clone().in_f32().add(&delta);
                let of_inputs = self.of_inputs(dora, shape);
                let lengths = self.weights.get(dora)?.to_vec();
                let there = rescaled(&changed, &lengths, of_inputs);
                let delta = there.sub(&parameter.clone().in_f32()).scale(strength);
                Ok(Delta::Whole(delta))
            }
            _ => unreachable!("a change was made of what is there"),
        }
    }

    /// Whether the lengths in `dora` are those of a weight's columns: so LyCORIS had it at first.
    fn of_inputs(&self, dora: &str, weight: &[usize]) -> bool {
        let shape = self.weights.shape(dora).unwrap_or_default();
        let count: usize = shape.iter().product();
        let as_columns = shape.len() > 1 && shape[0] == 1 && count == weight[1];
        count != weight[0] || (as_columns && !dora.contains("lora_magnitude_vector"))
    }

    /// What a person calls the models that it was made for, if that shows.
    pub fn base(&self) -> Option<&'static str> {
        let keys = |layer: &&Layer| {
            let name = layer.name.replace('.', "_");
            name.ends_with("attn2_to_k") || name.ends_with("attn2_to_v")
        };
        let shape = |layer: &Layer| layer.form.as_ref()?.shape(&self.weights);
        let widths = self.layers.iter().filter(keys).filter_map(shape);
        let by_width = widths.filter_map(|shape| base(*shape.get(1)?)).next();
        let second = |layer: &Layer| {
            layer.name.starts_with("lora_te2_") || layer.name.starts_with("text_encoder_2.")
        };
        by_width.or_else(|| self.layers.iter().any(second).then(|| base(2048)).flatten())
    }
}

/// Whether a change of the shape `found` is one of a weight of the shape `wanted`: kernels may be
/// flattened, and a linear layer is a convolution of single pixels.
fn fits(found: &[usize], wanted: &[usize]) -> bool {
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let same_rows = found.first() == wanted.first() && count(found) == count(wanted);
    let kernel = |shape: &[usize]| shape.iter().skip(2).copied().filter(|&n| n != 1).collect();
    let (a, b): (Vec<usize>, Vec<usize>) = (kernel(found), kernel(wanted));
    !wanted.is_empty() && same_rows && (found.len() <= 2 || a == b)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn kernels_may_be_flattened() {
        assert!(fits(&[4, 6], &[4, 6]) && fits(&[4, 6], &[4, 6, 1, 1]));
        assert!(fits(&[4, 6, 1, 1], &[4, 6]) && fits(&[4, 6, 3, 3], &[4, 6, 3, 3]));
        assert!(fits(&[4, 54], &[4, 6, 3, 3]));
        assert!(!fits(&[4, 6], &[6, 4]) && !fits(&[4, 54, 1, 1], &[4, 6, 3, 3]));
        assert!(!fits(&[4, 6], &[4, 6, 3, 3]) && !fits(&[], &[]));
    }
}
