//! `aquatint generate`.

use std::path::PathBuf;

use aquatint_pipeline::GenerateRequest;

use super::{
    AdapterArgs, GuidanceArgs, HiresArgs, LessWorkArgs, MachineArgs, OutputArgs, PartArgs,
    PictureArgs, PromptArgs, SamplingArgs,
};

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
    /// A PNG, JPEG or WebP file of this program, or of others that `aquatint info` can read.
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

    /// What not to show
    #[arg(long, value_name = "TEXT", default_value_t = GenerateRequest::default().negative_prompt,
        hide_default_value = true)]
    pub negative_prompt: String,

    /// Pixels, a multiple of 8 [default: the model's]
    #[arg(long, value_name = "W")]
    pub width: Option<usize>,

    /// Pixels, a multiple of 8 [default: the model's]
    #[arg(long, value_name = "H")]
    pub height: Option<usize>,

    /// How many pictures
    #[arg(short = 'n', long, value_name = "N", default_value_t = GenerateRequest::default().count)]
    pub count: usize,

    /// PNG, JPEG or WebP file to write, or an existing folder (or a name ending in /) to write to
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub output: Option<PathBuf>,

    /// Also write a picture of the first one after each of ten steps
    #[arg(long, value_name = "FILE")]
    pub preview: Option<PathBuf>,

    /// Print one line of JSON instead of the names
    #[arg(long)]
    pub json: bool,

    /// Model: a folder in diffusers' layout, or a single file [default: the built-in model]
    ///
    /// A file may be safetensors, a PyTorch checkpoint (.ckpt, .pt, .bin; nothing in it is
    /// executed) or GGUF, in the naming of diffusers or of the original authors.
    #[arg(short, long, value_name = "FOLDER|FILE", help_heading = "Model")]
    pub model: Option<PathBuf>,

    #[command(flatten)]
    pub parts: PartArgs,

    #[command(flatten)]
    pub adapters: AdapterArgs,

    #[command(flatten)]
    pub reading: PromptArgs,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    #[command(flatten)]
    pub pictures: PictureArgs,

    #[command(flatten)]
    pub hires: HiresArgs,

    #[command(flatten)]
    pub guidance: GuidanceArgs,

    #[command(flatten)]
    pub less_work: LessWorkArgs,

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
            class: self.class.clone(),
            negative_prompt: self.negative_prompt.clone(),
            width: self.width,
            height: self.height,
            count: self.count,
            ..Default::default()
        };
        let request = self.hires.apply(self.pictures.apply(request));
        let request = self.guidance.apply(self.reading.apply(request));
        self.less_work.apply(self.sampling.apply(request, seed))
    }
}
