//! From a file to a network that enlarges pictures.

use std::collections::BTreeMap;
use std::path::Path;

use aquatint_checkpoint::naming::super_resolution;
use aquatint_checkpoint::{Container, LAYERS, LoadError, LoadReport, Weights, detect, nearest};
use aquatint_models::super_resolution::Shapes;
use aquatint_models::{SuperResolution, SuperResolutionConfig};
use aquatint_nn::ModuleExt;

use super::Upscaler;
use crate::parts::fill;
use crate::{LoadOptions, ModelError};

impl Upscaler {
    /// Opens a file of any container that we know, or a folder with the `model.json` of
    /// TensorFlow.js. Which network it is shows in the names and shapes of its weights.
    ///
    /// # Errors
    /// If it cannot be read, or is of no such network: the sentence says what it is.
    pub fn open(path: &Path, options: &LoadOptions) -> Result<Self, ModelError> {
        let json = path.join("model.json");
        let weights = Weights::open(if json.is_file() { &json } else { path })?;
        Self::of(&weights, options)
    }

    /// Whether a file that was opened has the names of such a network.
    pub fn is_in(weights: &Weights) -> bool {
        config(weights, &super_resolution(weights.names())).is_some()
    }

    /// The network of an opened file.
    ///
    /// # Errors
    /// As those of [`Upscaler::open`].
    pub fn of(weights: &Weights, options: &LoadOptions) -> Result<Self, ModelError> {
        let names = super_resolution(weights.names());
        let no_model = |reason: String| ModelError::NoModel { file: weights.file().into(), reason };
        let Some(config) = config(weights, &names) else {
            let found = detect(weights.manifest());
            let reason =
                format!("is no network that enlarges pictures: it is {}", found.sentence());
            return Err(no_model(reason));
        };
        if weights.container() == Container::TfjsLayers {
            let layers = weights.metadata(LAYERS).unwrap_or_default();
            let checked = config.check_layers(layers);
            checked.map_err(|reason| {
                no_model(format!("has the weights of a {}, but {reason}", config.name()))
            })?;
        }
        let mut network = SuperResolution::new(&config);
        check(weights, &names, &network)?;
        fill(&mut network, options, &|_| true, |name, _| weights.get_stored(names[name]))?;
        Ok(Self { network, config })
    }
}

fn config(weights: &Weights, names: &BTreeMap<String, &str>) -> Option<SuperResolutionConfig> {
    let shape = |stored: &str| weights.shape(stored).unwrap_or_default();
    let shapes: Shapes =
        names.iter().map(|(name, stored)| (name.as_str(), shape(stored))).collect();
    SuperResolutionConfig::of(&shapes)
}

/// Whether the file has exactly the tensors of the network.
fn check(
    weights: &Weights,
    names: &BTreeMap<String, &str>,
    network: &SuperResolution,
) -> Result<(), LoadError> {
    let mut wanted = Vec::new();
    let mut report = LoadReport::default();
    for (name, parameter) in network.named_parameters() {
        match names.get(&name) {
            Some(stored) => wanted.push(((*stored).to_owned(), parameter.shape().to_vec())),
            None => report.missing.push(name),
        }
    }
    let LoadReport { unexpected, misshaped, .. } = LoadReport::of(weights, &wanted);
    let others = unexpected.iter().map(String::as_str);
    report.nearest =
        report.missing.first().and_then(|first| nearest(first, others)).map(Into::into);
    report = LoadReport { unexpected, misshaped, ..report };
    if report.is_empty() {
        return Ok(());
    }
    Err(LoadError::Mismatch { file: weights.file().into(), report: Box::new(report) })
}
