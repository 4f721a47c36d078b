//! A model that is one file: what people download.

use std::fmt;
use std::path::Path;

use aquatint_checkpoint::naming::{Layout, Plan, shapes};
use aquatint_checkpoint::{Detected, Family, Kind, Weights, detect};
use aquatint_nn::{Module, ModuleExt};
use serde_json::{Map, Value};

use crate::config::{INDEX, SCHEDULER_CONFIG};
use crate::parts::fill;
use crate::presets::preset;
use crate::{LoadOptions, ModelError};

/// An opened file, what it was found to be, and where each part's weights are in it.
pub struct SingleFile {
    weights: Weights,
    family: Family,
    found: Detected,
    configs: Map<String, Value>,
    plan: Plan,
}

impl SingleFile {
    /// Opens the file and finds out what it is, unless `family` says it.
    ///
    /// # Errors
    /// If it cannot be read, or holds no whole model: then the sentence says what it is.
    pub fn open(path: &Path, family: Option<Family>) -> Result<Self, ModelError> {
        let weights = Weights::open(path)?;
        let found = detect(weights.manifest());
        let no_model = |reason: String| ModelError::NoModel { file: weights.file().into(), reason };
        let family = match (family, &found) {
            (Some(family), _) => family,
            (None, Detected { kind: Kind::Model, family: Some(family), .. }) => *family,
            _ => return Err(no_model(format!("is {}", found.sentence()))),
        };
        let mut configs = preset(family);
        says(&mut configs, &found);
        let layout = Layout::of(&shapes(weights.manifest()), &configs).map_err(no_model)?;
        let plan = Plan::new(&shapes(weights.manifest()), &layout);
        Ok(Self { weights, family, found, configs, plan })
    }

    /// The path as it was given.
    pub fn path(&self) -> &str {
        self.weights.file()
    }

    /// What the model is.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The file `name` that a folder with this model would have, if it is a configuration.
    pub(crate) fn config(&self, name: &str) -> Option<&Value> {
        match name {
            INDEX => self.configs.get("model_index"),
            SCHEDULER_CONFIG => self.configs.get("scheduler"),
            _ => self.configs.get(name.strip_suffix("/config.json")?),
        }
    }

    /// Fills the module of a part.
    pub(crate) fn fill(
        &self,
        part: &str,
        module: &mut impl Module,
        options: &LoadOptions,
    ) -> Result<(), ModelError> {
        let parameters = module.named_parameters();
        let wanted: Vec<_> =
            parameters.iter().map(|(name, p)| (name.clone(), p.shape().to_vec())).collect();
        if self.found.missing.contains(&part) {
            let reason = format!("is {}", self.found.sentence());
            return Err(ModelError::NoModel { file: self.path().into(), reason });
        }
        self.plan.check(&self.weights, part, &wanted)?;
        fill(module, options, |name, shape| self.plan.tensor(&self.weights, part, name, shape))?;
        Ok(())
    }
}

impl fmt::Debug for SingleFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SingleFile({}, {:?})", self.path(), self.family)
    }
}

/// What the file says of itself goes before what its family is usually like.
fn says(configs: &mut Map<String, Value>, found: &Detected) {
    let Some(Value::Object(scheduler)) = configs.get_mut("scheduler") else { return };
    if let Some(prediction_type) = found.prediction_type {
        scheduler.insert("prediction_type".into(), prediction_type.into());
    }
    if found.zero_snr {
        scheduler.insert("rescale_betas_zero_snr".into(), true.into());
    }
}
