//! `aquatint sample`.

use std::path::PathBuf;

use aquatint_pipeline::GenerateRequest;

use super::{DrawArgs, MachineArgs, OutputArgs};

/// Make pictures of whatever the model likes.
///
/// This is for models that are told nothing. One that reads words is given none; one of classes is
/// for `aquatint generate --class`. Without -o, pictures are written to the current folder, and
/// nothing is overwritten. Their names are printed.
#[derive(Debug, clap::Args)]
pub struct SampleArgs {
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
    pub written: OutputArgs,

    #[command(flatten)]
    pub machine: MachineArgs,
}

impl SampleArgs {
    /// What is meant by it.
    pub fn request(&self, seed: u64) -> GenerateRequest {
        // What would be guided away from is what is asked for: nothing.
        let request =
            GenerateRequest { count: self.count, guidance_scale: 1.0, ..Default::default() };
        self.draw.apply(request, seed)
    }
}
