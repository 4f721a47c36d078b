//! `aquatint generate`.

use std::path::PathBuf;

use aquatint_pipeline::GenerateRequest;

use super::{DrawArgs, MachineArgs, OutputArgs, WishArgs};

/// Make pictures of what a prompt says.
///
/// Without -o, pictures are written to the current folder under a name made of the prompt and the
/// seed, and nothing is overwritten. Their names are printed.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// What to show
    #[arg(required_unless_present_any = ["class", "from", "prompts"])]
    pub prompt: Option<String>,

    /// Make this picture again, with what else is given in place of what it says
    ///
    /// A PNG, JPEG or WebP file of this program, or of others that `aquatint info` can read. LoRAs and
    /// embeddings are taken from where they were, or from --lora-dir, or from beside the model or the
    /// picture.
    #[arg(long, value_name = "PICTURE")]
    pub from: Option<PathBuf>,

    /// Make a picture of every line of this file, and only those that are not there yet
    ///
    /// One prompt a line; .csv with a column `prompt` and others named like the request's fields
    /// (seed, steps, guidance_scale, ...); or .jsonl with such an object a line. Pictures are
    /// numbered by lines in the folder -o; run it again to go on. The seed is 0 if none is given.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "from", "class", "preview", "show"])]
    pub prompts: Option<PathBuf>,

    /// What to show, by name or by number, for a model of classes
    #[arg(long, value_name = "NAME|N")]
    pub class: Option<String>,

    /// Another prompt, to which the first one goes
    #[arg(long, value_name = "TEXT")]
    pub prompt_to: Option<String>,

    /// How far it goes, 0 to 1: see also `aquatint travel`
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub prompt_mix: Option<f64>,

    /// How many pictures
    #[arg(short = 'n', long, value_name = "N", default_value_t = GenerateRequest::default().count)]
    pub count: usize,

    /// PNG, JPEG or WebP file to write, or an existing folder (or a name ending in /) to write to
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub output: Option<PathBuf>,

    /// Also write a picture of the first one after each of ten steps
    #[arg(long, value_name = "FILE")]
    pub preview: Option<PathBuf>,

    #[command(flatten)]
    pub draw: DrawArgs,

    #[command(flatten)]
    pub wish: WishArgs,

    #[command(flatten)]
    pub written: OutputArgs,

    #[command(flatten)]
    pub machine: MachineArgs,
}

impl GenerateArgs {
    /// What is meant by it.
    pub fn request(&self, seed: u64) -> GenerateRequest {
        let request = GenerateRequest {
            prompt: self.prompt.clone().unwrap_or_default(),
            prompt_to: self.prompt_to.clone(),
            prompt_mix: self.prompt_mix.unwrap_or_default(),
            class: self.class.clone(),
            count: self.count,
            ..Default::default()
        };
        self.wish.apply(self.draw.apply(request, seed))
    }
}
