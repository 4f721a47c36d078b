//! What is to be converted: every part's weights, and which names they have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aquatint_checkpoint::naming::{Layout, Naming, PARTS, Plan, shapes};
use aquatint_checkpoint::{Detected, Family, Kind, LoadError, Weights, detect};
use serde_json::{Map, Value};

use super::{ConvertOptions, alone, along};
use crate::blueprint::wanted;
use crate::configs::of_folder;
use crate::parts::part_weights;
use crate::single_file::SingleFile;
use crate::{ModelError, ModelSource};

/// A file of weights and what becomes of its tensors.
pub(super) struct Input {
    pub weights: Weights,
    pub plan: Plan,
    /// The parts that are taken from it: their names and shapes.
    pub wanted: BTreeMap<&'static str, Vec<(String, Vec<usize>)>>,
}

/// A model that is complete, or a single part.
pub(super) struct Gathered {
    pub inputs: Vec<Input>,
    /// As [`crate::presets::preset`] has them.
    pub configs: Map<String, Value>,
    /// Where the files without weights are; if nowhere, the program has its own.
    pub settings: Option<ModelSource>,
    pub family: Option<Family>,
    /// Whether it is a single part.
    pub alone: bool,
    /// Names by the reason why they are not needed.
    pub left_out: BTreeMap<String, Vec<String>>,
}

impl Gathered {
    pub fn open(path: &Path, options: &ConvertOptions) -> Result<Self, ModelError> {
        if path.is_file() && path.file_name().is_none_or(|name| name != "model_index.json") {
            return Self::file(path, options);
        }
        let folder = path.parent().filter(|_| path.is_file()).unwrap_or(path);
        let source = ModelSource::folder(folder)?;
        if options.config.is_some() {
            let reason = "has configurations of its own; leave out --config";
            return Err(ModelError::NoModel {
                file: path.display().to_string(),
                reason: reason.into(),
            });
        }
        let configs = of_folder(&source)?;
        let mut gathered = Self::new(configs, options.family);
        for part in gathered.parts() {
            let weights = match replacement(part, options) {
                Some(path) => Weights::open(path)?,
                None => part_weights(&source, part)?,
            };
            gathered.add_part(weights, part)?;
        }
        if options.naming == Naming::Ldm {
            gathered.inputs.extend(along::of_folder(&source)?);
        }
        gathered.settings = Some(source);
        Ok(gathered)
    }

    fn file(path: &Path, options: &ConvertOptions) -> Result<Self, ModelError> {
        let weights = Weights::open(path)?;
        let found = detect(weights.manifest());
        let is_part = matches!(found.kind, Kind::UNet | Kind::Autoencoder | Kind::TextEncoder)
            || options.config.is_some() && found.parts.len() == 1;
        if is_part && options.parts.is_empty() {
            return alone::open(weights, &found, options);
        }
        drop(weights);
        let file = SingleFile::open_with(path, options.family, options.config.as_deref())?;
        let SingleFile { weights, family, found, configs, mut plan, settings } = file;
        let mut gathered = Self::new(configs, family);
        let (replaced, kept): (Vec<_>, Vec<_>) =
            gathered.parts().into_iter().partition(|part| replacement(part, options).is_some());
        let Detected { missing, .. } = &found;
        if missing.iter().any(|part| kept.contains(part)) {
            let (file, reason) = (weights.file().into(), format!("is {}", found.sentence()));
            return Err(ModelError::NoModel { file, reason });
        }
        for part in &replaced {
            plan.bound.remove(*part);
        }
        gathered.add(weights, plan, &kept)?;
        for part in replaced {
            if let Some(path) = replacement(part, options) {
                gathered.add_part(Weights::open(path)?, part)?;
            }
        }
        gathered.settings = settings;
        Ok(gathered)
    }

    pub fn new(configs: Map<String, Value>, family: Option<Family>) -> Self {
        let (inputs, left_out) = (Vec::new(), BTreeMap::new());
        Self { inputs, configs, settings: None, family, alone: false, left_out }
    }

    /// The parts that have weights.
    fn parts(&self) -> Vec<&'static str> {
        PARTS.into_iter().filter(|part| self.configs.contains_key(*part)).collect()
    }

    /// Takes a part from a file that holds nothing else.
    pub fn add_part(&mut self, weights: Weights, part: &'static str) -> Result<(), ModelError> {
        let configs = Map::from_iter([(part.to_owned(), self.configs[part].clone())]);
        let file = shapes(weights.manifest());
        let layout = Layout::of(&file, &configs);
        let layout = layout.map_err(|reason| unfit(&weights, reason))?;
        let plan = Plan::new(&file, &layout);
        self.add(weights, plan, &[part])
    }

    /// Takes these parts from a file, which must hold exactly what their configurations ask for.
    fn add(
        &mut self,
        weights: Weights,
        mut plan: Plan,
        parts: &[&'static str],
    ) -> Result<(), ModelError> {
        let mut all = BTreeMap::new();
        for &part in parts {
            let wanted = wanted(&self.configs[part])
                .map_err(|reason| unfit(&weights, format!("{part}: {reason}")))?;
            let report = plan.report(&shapes(weights.manifest()), part, &wanted);
            if !report.is_empty() {
                let (file, report) = (weights.file().into(), Box::new(report));
                return Err(LoadError::Mismatch { file, report }.into());
            }
            all.insert(part, wanted);
        }
        let asked: BTreeSet<&str> = all.keys().copied().collect();
        plan.bound.retain(|part, _| asked.contains(part.as_str()));
        for (name, reason) in &plan.ignored {
            self.left_out.entry((*reason).into()).or_default().push(name.clone());
        }
        self.inputs.push(Input { weights, plan, wanted: all });
        Ok(())
    }

    /// The names of the result.
    pub fn layout(&self, naming: Naming) -> Result<Layout, String> {
        let mut layout = match naming {
            Naming::Ldm => Layout::ldm(&self.configs)?,
            Naming::Diffusers => Layout::diffusers(&self.configs)?,
        };
        // Everybody's files of an autoencoder or a text encoder alone have bare names, those of a
        // U-Net mostly have not.
        for part in layout.parts.iter_mut().filter(|part| self.alone && part.part != "unet") {
            part.prefix.clear();
        }
        Ok(layout)
    }
}

pub(super) fn unfit(weights: &Weights, reason: String) -> ModelError {
    let reason = format!("does not go with its configuration: {reason}");
    ModelError::NoModel { file: weights.file().into(), reason }
}

/// The file that is taken in place of a part, whatever the part's folder is called.
fn replacement<'a>(part: &str, options: &'a ConvertOptions) -> Option<&'a Path> {
    let called = match part {
        "vqvae" => "vae",
        "bert" => "text_encoder",
        other => other,
    };
    options.parts.get(called).map(|path| path.as_path())
}
