//! The weights of one part of a model, wherever they are.

use aquatint_checkpoint::naming::{Layout, Plan, shapes};
use aquatint_checkpoint::{LoadError, LoadReport, Weights};
use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::{Tensor, Use};
use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::lora::{Adapters, Filled};
use crate::{LoadOptions, ModelError, ModelSource, SingleFile};

/// The weights of a model, some of them perhaps replaced by files of their own.
pub(crate) struct Parts<'a> {
    /// The model.
    pub source: &'a ModelSource,
    /// How to load it.
    pub options: &'a LoadOptions,
}

impl Parts<'_> {
    /// Compares the weights of a part with what its module wants, and reads none of them. A part
    /// is named as its folder is.
    ///
    /// # Errors
    /// If the weights are not there, or not those of the module.
    pub fn check(&self, part: &str, module: &impl Module) -> Result<(), ModelError> {
        self.find(part, module).map(drop)
    }

    /// Fills the module of a part.
    ///
    /// # Errors
    /// As [`Parts::check`], and if the file cannot be read any more.
    pub fn fill(&self, part: &str, module: &mut impl Module) -> Result<(), ModelError> {
        self.fill_some(part, module, &|_| true)
    }

    /// Fills those parameters of the module of a part that are `wanted` by their names.
    ///
    /// # Errors
    /// As [`Parts::fill`].
    pub fn fill_some(
        &self,
        part: &str,
        module: &mut impl Module,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<(), ModelError> {
        let found = self.find(part, module)?;
        Ok(fill(module, self.options, wanted, |name, shape| found.tensor(part, name, shape))?)
    }

    /// [`Parts::fill`] with what `adapters` make of the weights.
    ///
    /// # Errors
    /// As [`Parts::fill`].
    pub fn fill_adapted(
        &self,
        part: &str,
        module: &mut impl Module,
        adapters: &Adapters,
    ) -> Result<(), ModelError> {
        let (found, options) = (self.find(part, module)?, self.options);
        let get = |name: &str, shape: &[usize], used: Use| {
            let value = found.tensor(part, name, shape)?;
            adapters.apply((part, name), used, options.trainable, value)
        };
        Ok(fill_changed(module, options, &|_| true, get)?)
    }

    /// The file that has the weights of a part, compared with what its module wants.
    fn find(&self, part: &str, module: &impl Module) -> Result<Found<'_>, ModelError> {
        let parameters = module.named_parameters();
        let wanted: Vec<_> =
            parameters.iter().map(|(name, p)| (name.clone(), p.shape().to_vec())).collect();
        // What a person calls the part, whatever the folder is called.
        let called = match part {
            "vqvae" => "vae",
            "bert" => "text_encoder",
            other => other,
        };
        if let Some(path) = self.options.parts.get(called) {
            return self.find_in(Weights::open(path)?, part, &wanted);
        }
        match self.source {
            ModelSource::File(file) => {
                file.check(part, &wanted)?;
                Ok(Found::Single(file))
            }
            _ => self.find_in(self.weights(part)?, part, &wanted),
        }
    }

    /// Whether a text encoder has a projection after it, or BERT's layer for the first token.
    pub fn has_projection(&self, part: &str) -> Result<bool, ModelError> {
        Ok(match self.source {
            // The authors' files of 2.x have one, which nobody uses.
            ModelSource::File(_) => false,
            _ => {
                let weights = self.weights(part)?;
                let names = ["text_projection.weight", "pooler.dense.weight"];
                names.into_iter().any(|name| weights.shape(name).is_some())
            }
        })
    }

    fn weights(&self, part: &str) -> Result<Weights, ModelError> {
        part_weights(self.source, part)
    }

    fn find_in(
        &self,
        weights: Weights,
        part: &str,
        wanted: &[(String, Vec<usize>)],
    ) -> Result<Found<'_>, ModelError> {
        let report = LoadReport::of(&weights, wanted);
        if report.is_empty() {
            return Ok(Found::AsNamed(weights));
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
        plan.check(&weights, part, wanted)?;
        Ok(Found::Planned(weights, Box::new(plan)))
    }
}

/// A file that was found to have the weights of a part.
enum Found<'a> {
    /// Under the names of the parameters.
    AsNamed(Weights),
    /// Under other names.
    Planned(Weights, Box<Plan>),
    /// Beside those of the other parts.
    Single(&'a SingleFile),
}

impl Found<'_> {
    fn tensor(&self, part: &str, name: &str, shape: &[usize]) -> Result<Tensor, LoadError> {
        match self {
            Self::AsNamed(weights) => weights.get_stored(name),
            Self::Planned(weights, plan) => plan.tensor(weights, part, name, shape),
            Self::Single(file) => file.plan.tensor(&file.weights, part, name, shape),
        }
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

/// Gives those parameters of `module` that are `wanted` the values that `get` has for a name and a
/// shape, as the options want them to be kept. Every thread reads and prepares one at a time; there
/// are hardly more in memory in any other form.
///
/// # Errors
/// Those of `get`.
pub fn fill<E: Send>(
    module: &mut impl Module,
    options: &LoadOptions,
    wanted: &dyn Fn(&str) -> bool,
    get: impl Fn(&str, &[usize]) -> Result<Tensor, E> + Sync,
) -> Result<(), E> {
    fill_changed(module, options, wanted, |name, shape, _| get(name, shape).map(Filled::from))
}

/// [`fill`] with values that may have something beside them; `get` is told the use, too.
fn fill_changed<E: Send>(
    module: &mut impl Module,
    options: &LoadOptions,
    wanted: &dyn Fn(&str) -> bool,
    get: impl Fn(&str, &[usize], Use) -> Result<Filled, E> + Sync,
) -> Result<(), E> {
    module.set_precision(options.precision);
    let mut parameters = module.named_parameters_mut();
    parameters.retain(|(name, _)| wanted(name));
    parameters.par_iter_mut().with_max_len(1).try_for_each(|(name, parameter)| {
        let Filled { value, beside } = get(name, parameter.shape(), parameter.used())?;
        if options.trainable {
            parameter.set(value.in_f32());
        } else {
            parameter.set(value);
            beside.into_iter().for_each(|beside| parameter.set_beside(beside));
            parameter.prepare();
        }
        Ok(())
    })
}
