//! What a model is made of, where it does not say so itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aquatint_checkpoint::Family;

/// What is known about the model besides the model itself.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Model")]
pub struct PartArgs {
    /// What a single file is, where it does not show or shows wrongly
    #[arg(long, value_name = "NAME")]
    pub family: Option<Family>,

    /// Take a single file's configurations and tokenizers from this folder in diffusers' layout
    #[arg(long, value_name = "FOLDER")]
    pub config: Option<PathBuf>,

    /// Take the autoencoder's weights from this file
    #[arg(long, value_name = "FILE")]
    pub vae: Option<PathBuf>,

    /// Take the U-Net's weights from this file
    #[arg(long, value_name = "FILE")]
    pub unet: Option<PathBuf>,

    /// Take the text encoder's weights from this file
    #[arg(long, value_name = "FILE")]
    pub text_encoder: Option<PathBuf>,
}

impl PartArgs {
    /// The files by the names of the parts.
    pub fn replaced(&self) -> BTreeMap<&'static str, PathBuf> {
        [("vae", &self.vae), ("unet", &self.unet), ("text_encoder", &self.text_encoder)]
            .into_iter()
            .filter_map(|(part, file)| Some((part, file.clone()?)))
            .collect()
    }
}
