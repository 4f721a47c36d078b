//! A model that is one file: what people download.

use std::fmt;
use std::path::Path;

use aquatint_checkpoint::naming::{Layout, Plan, shapes};
use aquatint_checkpoint::{Detected, Family, Kind, Weights, detect};
use serde_json::{Map, Value};

use crate::config::INDEX;
use crate::configs::of_folder;
use crate::presets::preset;
use crate::{ModelError, ModelSource};

/// An opened file, what it was found to be, and where each part's weights are in it.
pub struct SingleFile {
    pub(crate) weights: Weights,
    pub(crate) family: Option<Family>,
    pub(crate) found: Detected,
    pub(crate) configs: Map<String, Value>,
    pub(crate) plan: Plan,
    /// The folder that the configurations are from, if they are not those of a family.
    pub(crate) settings: Option<ModelSource>,
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
        let plan = plan(&weights, &configs)?;
        Ok(Self { weights, family: Some(family), found, configs, plan, settings: None })
    }

    /// As [`SingleFile::open`], but the configurations are those in the folder `config`, if one is
    /// given: for models of no family that we know.
    ///
    /// # Errors
    /// Also if that is no folder of a model.
    pub fn open_with(
        path: &Path,
        family: Option<Family>,
        config: Option<&Path>,
    ) -> Result<Self, ModelError> {
        let Some(folder) = config else { return Self::open(path, family) };
        let settings = ModelSource::folder(folder)?;
        let configs = of_folder(&settings)?;
        let weights = Weights::open(path)?;
        let mut found = detect(weights.manifest());
        if let Kind::Addition(_) | Kind::Other(_) = found.kind {
            let (file, reason) = (weights.file().into(), format!("is {}", found.sentence()));
            return Err(ModelError::NoModel { file, reason });
        }
        // Which parts there must be is for the configurations to say.
        found.missing.clear();
        let plan = plan(&weights, &configs)?;
        let family = family.or(found.family);
        Ok(Self { weights, family, found, configs, plan, settings: Some(settings) })
    }

    /// The path as it was given.
    pub fn path(&self) -> &str {
        self.weights.file()
    }

    /// What the model is, if it is one of those that we know.
    pub fn family(&self) -> Option<Family> {
        self.family
    }

    /// The folder that has the configurations, and perhaps tokenizers.
    pub(crate) fn settings(&self) -> Option<&ModelSource> {
        self.settings.as_ref()
    }

    /// The file `name` that a folder with this model would have, if it is a configuration.
    pub(crate) fn config(&self, name: &str) -> Option<&Value> {
        match name {
            INDEX => self.configs.get("model_index"),
            _ => {
                let part = name.strip_suffix("/scheduler_config.json");
                self.configs.get(part.or(name.strip_suffix("/config.json"))?)
            }
        }
    }

    /// Whether the file has exactly the tensors that the module of a part wants.
    pub(crate) fn check(
        &self,
        part: &str,
        wanted: &[(String, Vec<usize>)],
    ) -> Result<(), ModelError> {
        if self.found.missing.contains(&part) {
            let reason = format!("is {}", self.found.sentence());
            return Err(ModelError::NoModel { file: self.path().into(), reason });
        }
        Ok(self.plan.check(&self.weights, part, wanted)?)
    }
}

impl fmt::Debug for SingleFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SingleFile({}, {:?})", self.path(), self.family)
    }
}

fn plan(weights: &Weights, configs: &Map<String, Value>) -> Result<Plan, ModelError> {
    let file = shapes(weights.manifest());
    let layout = Layout::of(&file, configs);
    let layout =
        layout.map_err(|reason| ModelError::NoModel { file: weights.file().into(), reason })?;
    Ok(Plan::new(&file, &layout))
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
