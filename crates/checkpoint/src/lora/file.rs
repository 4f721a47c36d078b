//! A file, its tensors sorted by the layer that they change.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::LoraError;
use super::form::{Form, Misfit};
use super::role::{IGNORED, Role, split, unsupported};
use super::settings::Settings;
use crate::{Weights, detect};

/// An opened file of changes. Their numbers stay in it until they are asked for.
pub struct LoraFile {
    pub(super) weights: Weights,
    /// In the order of their names.
    pub(super) layers: Vec<Layer>,
    /// Tensors that change no layer, with the reason why that does not matter.
    pub(super) ignored: Vec<(String, &'static str)>,
}

/// The change of one layer.
pub(super) struct Layer {
    /// As the file calls it.
    pub name: String,
    /// Of its weight.
    pub form: Option<Form>,
    /// What that is multiplied by, alpha / r.
    pub scale: f32,
    /// The tensor with the lengths of the changed weight's rows or columns.
    pub dora: Option<String>,
    /// The tensor with the change of its bias.
    pub bias: Option<String>,
}

impl LoraFile {
    /// Opens the file at `path`, of any container.
    ///
    /// # Errors
    /// If it cannot be read, or is no such file, or a part of it is missing or unknown.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoraError> {
        Self::of(Weights::open(path)?)
    }

    /// The same of a file that is open already.
    ///
    /// # Errors
    /// As those of [`LoraFile::open`].
    pub fn of(weights: Weights) -> Result<Self, LoraError> {
        let file = || weights.file().to_owned();
        let mut sorted = BTreeMap::<String, BTreeMap<Role, String>>::new();
        let (mut ignored, mut unknown) = (Vec::new(), Vec::new());
        for name in weights.names() {
            let start = IGNORED.iter().find(|(start, _)| name.starts_with(start));
            match (start, split(name)) {
                (Some((_, reason)), _) => ignored.push((name.to_owned(), *reason)),
                (None, None) => unknown.push(name.to_owned()),
                (None, Some((layer, role))) => {
                    let tensors = sorted.entry(layer.clone()).or_default();
                    if let Some(other) = tensors.insert(role, name.into()) {
                        let tensors = [other, name.into()];
                        return Err(LoraError::Ambiguous { file: file(), layer, tensors });
                    }
                }
            }
        }
        if let Some((tensor, kind)) =
            unknown.iter().find_map(|name| Some((name, unsupported(name)?)))
        {
            return Err(LoraError::Unsupported { file: file(), tensor: tensor.clone(), kind });
        }
        if sorted.is_empty() {
            let is = detect(weights.manifest()).sentence();
            return Err(LoraError::NotALora { file: file(), is });
        }
        if let Some(tensor) = unknown.first() {
            return Err(LoraError::Unknown { file: file(), tensor: tensor.clone() });
        }
        let settings = Settings::of(&weights)?;
        let layers = sorted.into_iter().map(|(name, tensors)| {
            let layer = Layer::of(&weights, &settings, name, &tensors)?;
            layer.check(&weights)?;
            Ok(layer)
        });
        let layers = layers.collect::<Result<_, LoraError>>()?;
        Ok(Self { weights, layers, ignored })
    }

    /// The path as it was given.
    pub fn file(&self) -> &str {
        self.weights.file()
    }

    /// How many layers it changes.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }
}

impl Layer {
    fn of(
        weights: &Weights,
        settings: &Settings,
        name: String,
        tensors: &BTreeMap<Role, String>,
    ) -> Result<Self, LoraError> {
        let file = || weights.file().to_owned();
        let form = Form::of(tensors).map_err(|misfit| match misfit {
            Misfit::Lacks(role) => {
                LoraError::Incomplete { file: file(), layer: name.clone(), lacks: role.name() }
            }
            Misfit::Both(tensors) => {
                LoraError::Ambiguous { file: file(), layer: name.clone(), tensors }
            }
        })?;
        let get = |role| tensors.get(&role).cloned();
        let (dora, bias) = (get(Role::Dora), get(Role::DiffBias));
        if form.is_none() && (bias.is_none() || dora.is_some()) {
            let lacks = Role::Up.name();
            return Err(LoraError::Incomplete { file: file(), layer: name, lacks });
        }
        let rank = form.as_ref().and_then(|form| form.rank(weights));
        let scale = match (rank, get(Role::Alpha)) {
            (Some(rank), Some(tensor)) => alpha(weights, &tensor)? / rank as f32,
            (Some(rank), None) => settings.scale(&name, rank),
            (None, _) => 1.0,
        };
        Ok(Self { name, form, scale, dora, bias })
    }

    /// Whether the shapes of its tensors fit each other.
    fn check(&self, weights: &Weights) -> Result<(), LoraError> {
        let Some(form) = &self.form else { return Ok(()) };
        let mut tensors = form.tensors();
        tensors.extend(self.dora.as_deref());
        let matrix = usize::from(self.dora.is_some());
        let fits = form.shape(weights).is_some_and(|shape| shape.len() > matrix);
        if fits {
            return Ok(());
        }
        let shapes: Vec<String> = tensors
            .iter()
            .map(|name| format!("`{name}` {:?}", weights.shape(name).unwrap_or_default()))
            .collect();
        let (file, layer) = (weights.file().into(), self.name.clone());
        Err(LoraError::Contradiction { file, layer, shapes: shapes.join(", ") })
    }
}

/// The one number of a tensor, which is of any type.
fn alpha(weights: &Weights, tensor: &str) -> Result<f32, LoraError> {
    let shape = weights.shape(tensor).unwrap_or_default();
    let wrong = |found: String| LoraError::Alpha {
        file: weights.file().into(),
        tensor: tensor.into(),
        found,
    };
    if shape.iter().product::<usize>() != 1 {
        return Err(wrong(format!("of shape {shape:?}")));
    }
    let value = match weights.integers(tensor) {
        Ok(values) => values[0] as f32,
        Err(_) => weights.get(tensor)?.to_vec()[0],
    };
    if value.is_finite() { Ok(value) } else { Err(wrong(value.to_string())) }
}
