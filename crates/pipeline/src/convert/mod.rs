//! The same weights in another naming or another encoding, one tensor at a time.
//!
//! [`Conversion::plan`] reads heads and configurations only, and refuses what does not fit;
//! [`Conversion::write`] has no more than a tensor and its source in memory.

mod alone;
mod along;
mod input;
mod marks;
mod texts;

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::naming::{Naming, Output, RecodeError, outputs, shapes};
use aquatint_checkpoint::{DType, Family, Planned, Weights, atomic, save_streamed};

use crate::{ModelError, Tokenizer};
use input::Gathered;

/// What to make of a model.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// Whose names the tensors get.
    pub naming: Naming,
    /// Whether the result is a folder rather than a file.
    pub folder: bool,
    /// The encoding of all tensors. By default each keeps its own; quantized ones become F16.
    pub dtype: Option<DType>,
    /// What a single file is, where it does not show or shows wrongly.
    pub family: Option<Family>,
    /// A folder in diffusers' layout whose configurations are those of a single file.
    pub config: Option<PathBuf>,
    /// Files with the weights of single parts: see [`crate::LoadOptions::parts`].
    pub parts: BTreeMap<&'static str, PathBuf>,
}

/// A conversion that fits, so that nothing but reading and writing can fail.
pub struct Conversion {
    sources: Vec<Weights>,
    files: Vec<NewFile>,
    texts: Vec<Text>,
    folder: bool,
    left_out: BTreeMap<String, Vec<String>>,
    kept_along: Vec<String>,
}

/// A file of weights.
struct NewFile {
    /// Within the folder, if the result is one.
    name: String,
    planned: Vec<Planned>,
    /// Of which source each is made, and how; `None` for a mark, which is empty.
    made: Vec<Option<(usize, Output)>>,
    metadata: BTreeMap<String, String>,
}

/// A file without weights, or several.
enum Text {
    File(String, Vec<u8>),
    /// The files of a tokenizer in this folder.
    Tokenizer(String, Box<Tokenizer>),
}

/// Why a planned conversion was not finished. Nothing is left half-written.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The source cannot be read any more, or does not fit into the encoding.
    #[error(transparent)]
    Source(#[from] RecodeError),
    /// The result cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// The watcher wanted it to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Conversion {
    /// What is to be done to make of the model at `path`, a folder or a file, what `options` say. A
    /// file may also hold a single part.
    ///
    /// # Errors
    /// If it is no model, or not a whole one, or has no such form.
    pub fn plan(path: &Path, options: &ConvertOptions) -> Result<Self, ModelError> {
        let mut gathered = Gathered::open(path, options)?;
        let no_model =
            |reason: String| ModelError::NoModel { file: path.display().to_string(), reason };
        if options.naming == Naming::Ldm && options.folder {
            let reason = "has one file in the ldm naming; give a name that ends in .safetensors";
            return Err(no_model(reason.into()));
        }
        if options.naming == Naming::Diffusers && !options.folder && !gathered.alone {
            let reason = "has a folder in the diffusers naming; give a name without an ending";
            return Err(no_model(reason.into()));
        }
        let to = gathered.layout(options.naming).map_err(no_model)?;
        let mut files = BTreeMap::<String, NewFile>::new();
        for (i, input) in gathered.inputs.iter().enumerate() {
            let shapes = input.shapes();
            let shapes = shapes.iter().map(|(name, shape)| (*name, &shape[..])).collect();
            for output in outputs(&shapes, &input.plan, &to).map_err(no_model)? {
                let name = match (options.folder, gathered.alone) {
                    (false, _) => String::new(),
                    (true, true) => weights_name(&output.part).into(),
                    (true, false) => format!("{}/{}", output.part, weights_name(&output.part)),
                };
                let dtype = options.dtype.unwrap_or_else(|| output.kept_dtype(&input.weights));
                let file = files.entry(name.clone()).or_insert_with(|| NewFile::new(name));
                file.planned.push(Planned {
                    name: output.name.clone(),
                    shape: output.shape.clone(),
                    dtype,
                });
                file.made.push(Some((i, output)));
            }
        }
        let kept_along = along::add(&mut files, &mut gathered, options);
        if let (Naming::Ldm, false) = (options.naming, gathered.alone) {
            files.values_mut().for_each(|file| marks::add(file, &gathered, options.family));
        }
        let texts = if options.folder { texts::of(&mut gathered, options.dtype)? } else { vec![] };
        let sources = gathered.inputs.into_iter().map(|input| input.weights).collect();
        let (files, left_out) = (files.into_values().collect(), gathered.left_out);
        Ok(Self { sources, files, texts, folder: options.folder, left_out, kept_along })
    }

    /// How many tensors will be written.
    pub fn tensors(&self) -> usize {
        self.files.iter().map(|file| file.planned.len()).sum()
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> u64 {
        let planned = self.files.iter().flat_map(|file| &file.planned);
        planned.map(|tensor| tensor.bytes() as u64).sum()
    }

    /// The tensors and parts that will not be in the result, by the reason.
    pub fn left_out(&self) -> &BTreeMap<String, Vec<String>> {
        &self.left_out
    }

    /// The tensors that no part needs but that go along, so that the way back is exact: in a folder
    /// in a file of their own, `kept_along.safetensors`.
    pub fn kept_along(&self) -> &[String] {
        &self.kept_along
    }

    /// Writes the result, which replaces what is at `path`. `watch` is told the bytes of each
    /// tensor when it is written, and may stop.
    ///
    /// # Errors
    /// If it could not be finished. What was at `path` is then as before.
    pub fn write(
        &self,
        path: &Path,
        watch: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), ConvertError> {
        if !self.folder {
            return self.files.iter().try_for_each(|file| self.write_file(file, path, watch));
        }
        atomic::with_folder(path, |folder| {
            for name in self.files.iter().map(|file| &file.name) {
                create_parent(&folder.join(name))?;
            }
            for file in &self.files {
                self.write_file(file, &folder.join(&file.name), watch)?;
            }
            // The index comes last here too, for who looks into the folder meanwhile.
            for text in &self.texts {
                match text {
                    Text::File(name, bytes) => {
                        create_parent(&folder.join(name))?;
                        atomic::write_file(folder.join(name), bytes)?;
                    }
                    Text::Tokenizer(name, tokenizer) => {
                        std::fs::create_dir_all(folder.join(name))?;
                        tokenizer.save(folder.join(name))?;
                    }
                }
            }
            Ok(())
        })
    }

    fn write_file(
        &self,
        file: &NewFile,
        path: &Path,
        watch: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), ConvertError> {
        save_streamed(path, &file.planned, &file.metadata, |i| {
            let bytes = match &file.made[i] {
                Some((source, output)) => {
                    output.bytes(&self.sources[*source], file.planned[i].dtype)?
                }
                None => Vec::new(),
            };
            match watch(bytes.len() as u64) {
                ControlFlow::Continue(()) => Ok(bytes),
                ControlFlow::Break(()) => Err(ConvertError::Cancelled),
            }
        })
    }
}

impl NewFile {
    fn new(name: String) -> Self {
        // transformers refuses files that do not say for whom they were written.
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        Self { name, planned: Vec::new(), made: Vec::new(), metadata }
    }
}

/// The file that a part's weights are in, within its folder: diffusers' name, or transformers'.
fn weights_name(part: &str) -> &'static str {
    match part {
        "text_encoder" | "text_encoder_2" | "bert" => "model.safetensors",
        _ => "diffusion_pytorch_model.safetensors",
    }
}

fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)
}

/// Names and shapes, owned.
type OwnedShapes<'a> = BTreeMap<&'a str, Vec<usize>>;

impl input::Input {
    /// The shapes in the file, as they would be without ones at their ends that the model does not
    /// want, and with those that it wants: a linear layer may be stored as a 1×1 convolution.
    fn shapes(&self) -> OwnedShapes<'_> {
        let mut owned: OwnedShapes<'_> = shapes(self.weights.manifest())
            .into_iter()
            .map(|(name, shape)| (name, shape.to_vec()))
            .collect();
        for (part, wanted) in &self.wanted {
            let bound = &self.plan.bound[*part];
            for (name, shape) in wanted {
                let binding = &bound[name];
                let stored = owned.get_mut(binding.stored.as_str());
                if let (None, Some(stored)) = (binding.rows, stored)
                    && binding.keeps_bytes()
                    && binding.shape(stored).as_ref() != Some(shape)
                {
                    stored.clone_from(shape);
                }
            }
        }
        owned
    }
}
