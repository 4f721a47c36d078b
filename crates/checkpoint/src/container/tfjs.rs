//! `model.json` of TensorFlow.js: a layers model, that is Keras' description of a network, beside
//! files of raw numbers.
//!
//! The description is not carried out. What it says of each layer is attached as text
//! ([`LAYERS`]), so that whoever knows a network can compare; kernels are shown as PyTorch lays
//! them out, `[out, in, kh, kw]`, under PyTorch's names. The model names other files, which is as
//! narrow as for an index of shards.

mod layers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::shards::{MOST_SHARDS, open_below};
use super::{Container, Problem};
use crate::encoding::Encoding;
use crate::source::Source;
use crate::{Entry, LoadError, Manifest, Weights};

/// Under this key of [`Manifest::metadata`] is a line for each layer: what it does, and between
/// tabs its name and the names of the layers that it takes from.
pub const LAYERS: &str = "layers";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    format: Option<String>,
    #[serde(default)]
    model_topology: serde_json::Value,
    weights_manifest: Vec<Group>,
}

/// Tensors that lie one after the other in the bytes of several files one after the other.
#[derive(Deserialize)]
struct Group {
    paths: Vec<String>,
    weights: Vec<Stored>,
}

#[derive(Deserialize)]
struct Stored {
    name: String,
    shape: Vec<usize>,
    dtype: String,
    quantization: Option<Quantization>,
}

#[derive(Deserialize)]
struct Quantization {
    dtype: String,
}

/// Whether an object of JSON is such a model rather than an index of shards.
pub(super) fn is_model(json: &[u8]) -> bool {
    const KEY: &[u8] = b"\"weightsManifest\"";
    json.windows(KEY.len()).any(|window| window == KEY)
}

/// The model at `path`, whose bytes these are, and the files beside it.
pub(super) fn open(path: &Path, file: String, json: &[u8]) -> Result<Weights, LoadError> {
    let model: Model = match serde_json::from_slice(json) {
        Ok(model) => model,
        Err(error) => return Err(LoadError::Damaged { file, reason: error.to_string() }),
    };
    if model.format.as_deref().is_some_and(|format| format != "layers-model") {
        let what = "is a TensorFlow.js graph model, whose layers have no names to know it by; \
                    convert it to a layers model, or to safetensors";
        let reason = format!("it {what}");
        return Err(LoadError::Unusable { file, reason });
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut sources = Vec::new();
    let mut manifest = Manifest::default();
    let mut seen = BTreeSet::new();
    for group in &model.weights_manifest {
        let mut parts = Vec::with_capacity(group.paths.len().min(MOST_SHARDS));
        for path in &group.paths {
            if !seen.insert(path) || seen.len() > MOST_SHARDS {
                let reason = format!("it lists `{path}` twice, or more than {MOST_SHARDS} files");
                return Err(LoadError::Damaged { file, reason });
            }
            parts.push(open_below(folder, &file, path)?);
        }
        let source = Source::join(parts);
        let found = group.entries(sources.len(), source.len());
        for (name, entry) in found.map_err(|problem| problem.of(&file))? {
            if manifest.tensors.insert(name.clone(), entry).is_some() {
                let reason = format!("it lists `{name}` twice");
                return Err(LoadError::Damaged { file, reason });
            }
        }
        sources.push(source);
    }
    if let Some(text) = layers::text(&model.model_topology) {
        manifest.metadata.insert(LAYERS.into(), text);
    }
    Ok(Weights { file, container: Container::TfjsLayers, sources, manifest })
}

impl Group {
    /// Where each tensor is in the `actual` bytes of this group, which they must fill.
    fn entries(&self, shard: usize, actual: usize) -> Result<BTreeMap<String, Entry>, Problem> {
        let mut found = BTreeMap::new();
        let mut start = 0usize;
        for stored in &self.weights {
            let dtype = stored.dtype()?;
            let bytes =
                stored.shape.iter().try_fold(Encoding::size(dtype), |n, &m| n.checked_mul(m));
            let Some(end) = bytes.and_then(|bytes| start.checked_add(bytes)) else {
                return Problem::damaged(format!("`{}` has an absurd shape", stored.name));
            };
            if end > actual {
                return Err(Problem::CutOff { promised: end as u64, actual });
            }
            let (name, shape, strides) = stored.in_pytorch();
            let container = Container::TfjsLayers;
            let entry =
                Entry { shape, dtype: dtype.into(), bytes: start..end, container, shard, strides };
            if found.insert(name, entry).is_some() {
                return Problem::damaged(format!("it lists `{}` twice", stored.name));
            }
            start = end;
        }
        if start != actual {
            return Problem::damaged(format!(
                "its tensors have {start} bytes, but the files that hold them {actual}"
            ));
        }
        Ok(found)
    }
}

impl Stored {
    /// As safetensors spells it.
    fn dtype(&self) -> Result<&'static str, Problem> {
        match (self.dtype.as_str(), &self.quantization) {
            ("float32", None) => Ok("F32"),
            ("float32", Some(kind)) if kind.dtype == "float16" => Ok("F16"),
            ("int32", None) => Ok("I32"),
            ("bool", None) => Ok("BOOL"),
            (dtype, quantization) => {
                let dtype = quantization.as_ref().map_or(dtype, |kind| &kind.dtype);
                Err(Problem::Unusable(format!(
                    "it holds `{}` as {dtype:?}; convert the model again without quantization",
                    self.name
                )))
            }
        }
    }

    /// Name, shape and strides as PyTorch would have them.
    fn in_pytorch(&self) -> (String, Vec<usize>, Option<Vec<usize>>) {
        let Self { name, shape, .. } = self;
        let Some(layer) = name.strip_suffix("/kernel") else {
            let name = name.strip_suffix("/bias").map(|layer| format!("{layer}.bias"));
            return (name.unwrap_or(self.name.clone()), shape.clone(), None);
        };
        let name = format!("{layer}.weight");
        // What is empty has no neighbours.
        let empty = shape.contains(&0);
        match *shape.as_slice() {
            [kh, kw, inputs, outputs] => {
                let strides = vec![1, outputs, kw * inputs * outputs, inputs * outputs];
                (name, vec![outputs, inputs, kh, kw], Some(strides).filter(|_| !empty))
            }
            [inputs, outputs] => {
                (name, vec![outputs, inputs], Some(vec![1, outputs]).filter(|_| !empty))
            }
            _ => (name, shape.clone(), None),
        }
    }
}
