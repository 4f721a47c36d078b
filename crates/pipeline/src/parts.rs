//! The weights of one part of a model, wherever they are.

use aquatint_checkpoint::naming::{Layout, Plan, shapes};
use aquatint_checkpoint::{LoadError, LoadReport, Weights};
use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::{Tensor, release_idle_memory};
use serde_json::{Map, Value};

use crate::{LoadOptions, ModelError, ModelSource};

/// The weights of a model, some of them perhaps replaced by files of their own.
pub(crate) struct Parts<'a> {
    /// The model.
    pub source: &'a ModelSource,
    /// How to load it.
    pub options: &'a LoadOptions,
}

impl Parts<'_> {
    /// Fills the module of a part, named as the folder of the part is.
    ///
    /// # Errors
    /// If the weights are not there, or not those of the module.
    pub fn fill(&self, part: &str, module: &mut impl Module) -> Result<(), ModelError> {
        // What a person calls the part, whatever the folder is called.
        let called = match part {
            "vqvae" => "vae",
            "bert" => "text_encoder",
            other => other,
        };
        if let Some(path) = self.options.parts.get(called) {
            return self.fill_from(&Weights::open(path)?, part, module);
        }
        match self.source {
            ModelSource::File(file) => file.fill(part, module, self.options),
            _ => self.fill_from(&self.weights(part)?, part, module),
        }
    }

    /// Whether a text encoder has a projection after it.
    pub fn has_projection(&self, part: &str) -> Result<bool, ModelError> {
        Ok(match self.source {
            // The authors' files of 2.x have one, which nobody uses.
            ModelSource::File(_) => false,
            _ => self.weights(part)?.shape("text_projection.weight").is_some(),
        })
    }

    fn weights(&self, part: &str) -> Result<Weights, ModelError> {
        part_weights(self.source, part)
    }

    fn fill_from(
        &self,
        weights: &Weights,
        part: &str,
        module: &mut impl Module,
    ) -> Result<(), ModelError> {
        let wanted: Vec<_> = module
            .named_parameters()
            .iter()
            .map(|(name, p)| (name.clone(), p.shape().to_vec()))
            .collect();
        let report = LoadReport::of(weights, &wanted);
        if report.is_empty() {
            return Ok(fill(module, self.options, |name, _| weights.get_stored(name))?);
        }
        // Other people's names, or old ones.
        let config: Value = self.source.json(&format!("{part}/config.json"))?;
        let configs = Map::from_iter([(part.to_owned(), config)]);
        let file = shapes(weights.manifest());
        let layout = Layout::of(&file, &configs).unwrap_or_default();
        if layout.parts.is_empty() {
            let file = weights.file().into();
            return Err(LoadError::Mismatch { file, report: Box::new(report) }.into());
        }
        let plan = Plan::new(&file, &layout);
        plan.check(weights, part, &wanted)?;
        fill(module, self.options, |name, shape| plan.tensor(weights, part, name, shape))?;
        Ok(())
    }
}

/// The weights in the folder of a part.
pub(crate) fn part_weights(source: &ModelSource, part: &str) -> Result<Weights, ModelError> {
    let stems: &[&str] = match part {
        "text_encoder" | "text_encoder_2" | "bert" => &["model", "pytorch_model"],
        _ => &["diffusion_pytorch_model"],
    };
    let names: Vec<String> = stems
        .iter()
        .flat_map(|stem| ENDINGS.map(|ending| format!("{part}/{stem}{ending}")))
        .collect();
    let there = names.iter().find(|name| source.has(name));
    source.weights(there.unwrap_or(&names[0]))
}

/// How files of weights end, the better ones first.
const ENDINGS: [&str; 8] = [
    ".safetensors",
    ".fp16.safetensors",
    ".safetensors.index.json",
    ".fp16.safetensors.index.json",
    ".bin",
    ".fp16.bin",
    ".bin.index.json",
    ".fp16.bin.index.json",
];

/// Gives the parameters of `module`, one after the other, the values that `get` has for a name and
/// a shape, as the options want them to be kept.
///
/// # Errors
/// Those of `get`.
pub fn fill<E>(
    module: &mut impl Module,
    options: &LoadOptions,
    mut get: impl FnMut(&str, &[usize]) -> Result<Tensor, E>,
) -> Result<(), E> {
    module.set_precision(options.precision);
    for (name, parameter) in module.named_parameters_mut() {
        let value = get(&name, parameter.shape())?;
        if options.trainable {
            parameter.set(value.in_f32());
            continue;
        }
        parameter.set(value);
        parameter.prepare();
        // What it was prepared from would wait for another tensor of its size.
        if parameter.count() >= LARGE {
            release_idle_memory();
        }
    }
    Ok(())
}

/// A parameter of this many numbers is worth giving memory back for.
const LARGE: usize = 1 << 20;
