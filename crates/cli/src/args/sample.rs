//! `aquatint sample`.

use std::path::PathBuf;

use aquatint_pipeline::GenerateRequest;
use clap::Parser;

use super::{Args, Command, GenerateArgs, MachineArgs, PartArgs};

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

    /// PNG file to write, or an existing folder (or a name ending in /) to write to
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub output: Option<PathBuf>,

    /// Pixels, a multiple of 8 [default: the model's]
    #[arg(long, value_name = "W")]
    pub width: Option<usize>,

    /// Pixels, a multiple of 8 [default: the model's]
    #[arg(long, value_name = "H")]
    pub height: Option<usize>,

    /// Also write a PNG of the first picture after each of ten steps
    #[arg(long, value_name = "FILE")]
    pub preview: Option<PathBuf>,

    /// Print one line of JSON instead of the names
    #[arg(long)]
    pub json: bool,

    /// Model: a folder in diffusers' layout, or a single file [default: the built-in model]
    #[arg(short, long, value_name = "FOLDER|FILE", help_heading = "Model")]
    pub model: Option<PathBuf>,

    #[command(flatten)]
    pub parts: PartArgs,

    /// Seed of the first picture; the next has the next [default: random]
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub seed: Option<u64>,

    /// Whose random numbers the seed stands for
    #[arg(long, value_name = "NAME", help_heading = "Sampling",
        default_value_t = GenerateRequest::default().rng)]
    pub rng: String,

    /// Sampling steps
    #[arg(long, value_name = "N", help_heading = "Sampling",
        default_value_t = GenerateRequest::default().steps)]
    pub steps: usize,

    /// How to step from noise to picture: see `aquatint samplers`
    #[arg(long, value_name = "NAME", help_heading = "Sampling",
        default_value_t = GenerateRequest::default().sampler)]
    pub sampler: String,

    /// Which noise levels to step through [default: the sampler's or the model's]
    #[arg(long, value_name = "NAME", help_heading = "Sampling")]
    pub schedule: Option<String>,

    /// How much noise is renewed on the way, 0 to 1 [default: the sampler's]
    #[arg(long, value_name = "X", help_heading = "Sampling", allow_negative_numbers = true)]
    pub eta: Option<f64>,

    #[command(flatten)]
    pub machine: MachineArgs,
}

impl SampleArgs {
    /// The same as `aquatint generate` without words.
    pub fn generate(self) -> GenerateArgs {
        let Command::Generate(mut args) = Args::parse_from(["aquatint", "generate", ""]).command
        else {
            unreachable!("this is that command")
        };
        args.count = self.count;
        args.output = self.output;
        (args.width, args.height) = (self.width, self.height);
        args.preview = self.preview;
        args.json = self.json;
        args.model = self.model;
        args.parts = self.parts;
        args.sampling.seed = self.seed;
        args.sampling.rng = self.rng;
        args.sampling.steps = self.steps;
        args.sampling.sampler = self.sampler;
        args.sampling.schedule = self.schedule;
        args.sampling.eta = self.eta;
        // What would be guided away from is what is asked for: nothing.
        args.sampling.guidance_scale = 1.0;
        args.machine = self.machine;
        *args
    }
}
