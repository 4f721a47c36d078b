//! The models: what is known of all of them.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aquatint_checkpoint::{Weights, nearest};
use aquatint_pipeline::request::SIZE_STEP;
use aquatint_pipeline::{
    Beside, GenerateRequest, ListensTo, LoadOptions, ModelError, ModelSource, Outline, Upscaler,
};
use serde_json::{Value, json};

use super::events::lock;
use crate::Refusal;

/// Where a model is.
#[derive(Clone)]
pub enum ModelFiles {
    /// One that draws by diffusion.
    Diffusion(ModelSource),
    /// A network that enlarges pictures in one pass.
    Network(Arc<Weights>),
}

/// A model that the server may load.
#[derive(Clone)]
pub struct ModelEntry {
    /// What requests call it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Where it is.
    pub files: ModelFiles,
    /// How it is loaded.
    pub options: LoadOptions,
}

/// What there is to know about a model before it is loaded.
pub struct Known {
    /// The model.
    pub entry: ModelEntry,
    /// What it draws, unless it is a network that enlarges.
    pub outline: Option<Outline>,
    /// How many times larger it makes pictures, if it does.
    pub scale: Option<usize>,
    /// Bytes of its weights.
    pub bytes: u64,
}

impl Known {
    /// Looks at everything but the numbers.
    ///
    /// # Errors
    /// If it is no model that can be drawn with.
    pub fn look(entry: ModelEntry) -> Result<Self, ModelError> {
        let (outline, scale, bytes) = match &entry.files {
            ModelFiles::Diffusion(source) => {
                let outline = Outline::read(source)?;
                let enlarges = outline.beside == Beside::SmallPicture;
                let scale = enlarges.then_some(outline.downsampling_factor);
                (Some(outline), scale, weight_bytes(source))
            }
            ModelFiles::Network(weights) => {
                let upscaler = Upscaler::of(weights, &entry.options)?;
                let bytes = fs::metadata(weights.file()).map_or(0, |file| file.len());
                (None, Some(upscaler.scale()), bytes)
            }
        };
        Ok(Self { entry, outline, scale, bytes })
    }

    /// What kind of model it is.
    pub fn kind(&self) -> &'static str {
        match &self.outline {
            None => "upscale",
            Some(outline) if outline.beside == Beside::SmallPicture => "upscale",
            Some(outline) if outline.paints_in() => "inpainting",
            Some(outline) => match outline.listens_to {
                ListensTo::Words => "text",
                ListensTo::Classes(_) => "class",
                ListensTo::Nothing => "unconditional",
            },
        }
    }

    /// What is said of it.
    pub fn json(&self, loaded: bool, default: bool) -> Value {
        let usual = GenerateRequest::default();
        let mut json = json!({
            "name": self.entry.name,
            "title": self.entry.title,
            "kind": self.kind(),
            "width": null,
            "height": null,
            "multiple": SIZE_STEP,
            "loaded": loaded,
            "default": default,
            "defaults": {
                "steps": usual.steps,
                "guidance_scale": usual.guidance_scale,
                "sampler": usual.sampler,
            },
        });
        if let Some(outline) = &self.outline {
            json["width"] = outline.default_size.0.into();
            json["height"] = outline.default_size.1.into();
            json["multiple"] = SIZE_STEP.max(outline.downsampling_factor).into();
            if let ListensTo::Classes(classes) = &outline.listens_to {
                let number = |n: usize| classes.names.get(n).cloned().unwrap_or(n.to_string());
                json["classes"] = (0..classes.count).map(number).collect();
            }
        }
        if let Some(scale) = self.scale {
            json["scale"] = scale.into();
        }
        json
    }
}

/// All models, the default first.
pub struct Catalogue {
    models: Vec<Known>,
    /// Which are in memory, by number.
    loaded: Mutex<Vec<usize>>,
}

impl Catalogue {
    /// These, looked at.
    pub(crate) fn new(models: Vec<Known>) -> Self {
        Self { models, loaded: Mutex::default() }
    }

    /// All of them, the default first.
    pub fn all(&self) -> &[Known] {
        &self.models
    }

    /// Which are in memory, by number.
    pub fn loaded(&self) -> Vec<usize> {
        lock(&self.loaded).clone()
    }

    pub(super) fn tell_loaded(&self, models: Vec<usize>) {
        *lock(&self.loaded) = models;
    }

    /// The number of the model that is meant.
    ///
    /// # Errors
    /// If there is none of that name: the nearest is told.
    pub fn find(&self, name: Option<&str>, upscale: bool) -> Result<usize, Refusal> {
        let Some(name) = name else {
            let first = match upscale {
                true => self.models.iter().position(|model| model.scale.is_some()),
                false => Some(0),
            };
            let none = "this server has no model that enlarges pictures";
            return first.ok_or_else(|| Refusal::invalid(none));
        };
        let found = self.models.iter().position(|model| model.entry.name == name);
        found.ok_or_else(|| {
            let names = self.models.iter().map(|model| model.entry.name.as_str());
            let nearest = nearest(name, names.clone()).map(|n| format!("did you mean `{n}`?"));
            let all = || format!("there are {}", names.collect::<Vec<_>>().join(", "));
            let hint = nearest.unwrap_or_else(all);
            Refusal::invalid(format!("there is no model `{name}`; {hint}")).about("model")
        })
    }
}

/// Bytes of the files with weights.
fn weight_bytes(source: &ModelSource) -> u64 {
    let is_weights = |name: &str| {
        let endings = [".safetensors", ".bin", ".gguf", ".ckpt", ".pt", ".pth"];
        endings.iter().any(|end| name.ends_with(end)) && !name.contains(".fp16.")
    };
    match source {
        ModelSource::Embedded(files) => {
            let weights = files.iter().filter(|(name, _)| is_weights(name));
            weights.map(|(_, bytes)| bytes.len() as u64).sum()
        }
        ModelSource::File(file) => fs::metadata(file.path()).map_or(0, |file| file.len()),
        ModelSource::Folder(folder) => {
            let parts = fs::read_dir(folder).into_iter().flatten().flatten();
            let in_part = |part: &Path| -> u64 {
                let files = fs::read_dir(part).into_iter().flatten().flatten();
                let weights = files.filter(|f| is_weights(&f.file_name().to_string_lossy()));
                weights.filter_map(|f| fs::metadata(f.path()).ok()).map(|file| file.len()).sum()
            };
            parts.map(|part| in_part(&part.path())).sum()
        }
    }
}
