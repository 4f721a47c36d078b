//! Small files that change a model.

use std::path::{Path, PathBuf};

use aquatint_pipeline::lora::{LoraMode, LoraNotFound, LoraSpec, find};
use clap::ValueEnum;

/// LoRA and its kin, and embeddings.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Model")]
pub struct AdapterArgs {
    /// Add a LoRA, LoHa, LoKr or full difference to the model; may be given several times
    ///
    /// FILE:0.8 adds it with that strength, FILE:unet=0.8,te=0.5 with one for the U-Net and one for
    /// the text encoders. Names in files may be kohya's, LyCORIS', PEFT's or diffusers'.
    #[arg(long, value_name = "FILE[:STRENGTH]")]
    pub lora: Vec<LoraSpec>,

    /// Look for the names in <lora:name:0.8> of a prompt here [default: beside the model]
    #[arg(long, value_name = "FOLDER")]
    pub lora_dir: Vec<PathBuf>,

    /// When LoRAs change the weights
    #[arg(long, value_enum, default_value_t = LoraModeArg::Merged)]
    pub lora_mode: LoraModeArg,

    /// Textual-inversion embedding, whose word is its file's name; may be given again
    #[arg(long, value_name = "FILE", help_heading = "Prompt")]
    pub embedding: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum LoraModeArg {
    /// While they are loaded
    #[default]
    Merged,
    /// Never: layers add the change to their results, slower, and exact beside weights of 8 bits
    RunTime,
}

impl From<LoraModeArg> for LoraMode {
    fn from(mode: LoraModeArg) -> Self {
        match mode {
            LoraModeArg::Merged => Self::Merged,
            LoraModeArg::RunTime => Self::RunTime,
        }
    }
}

impl AdapterArgs {
    /// The files to load with `model`: those given, then those that a prompt asks for, each by its
    /// name, the strength for the U-Net and that for the text encoders.
    pub fn specs<'a>(
        &self,
        named: impl IntoIterator<Item = (&'a str, f64, f64)>,
        model: Option<&Path>,
    ) -> Result<Vec<LoraSpec>, LoraNotFound> {
        let folders = self.folders(model);
        let named = named.into_iter().map(|(name, unet, text_encoder)| {
            Ok(LoraSpec { file: find(name, &folders)?, unet, text_encoder })
        });
        self.lora.iter().cloned().map(Ok).chain(named).collect()
    }

    /// Where files are looked for that are known by name.
    pub fn folders(&self, model: Option<&Path>) -> Vec<PathBuf> {
        let mut folders = self.lora_dir.clone();
        // A folder itself, and where it is; or where the file is.
        folders.extend(model.filter(|model| model.is_dir()).map(Path::to_owned));
        folders.extend(model.and_then(Path::parent).map(|beside| match beside.to_str() {
            Some("") => PathBuf::from("."),
            _ => beside.to_owned(),
        }));
        folders
    }
}
