//! `aquatint reproduce` as it is typed.

use std::path::PathBuf;

use clap::Subcommand;

/// Rerun experiments of the latent diffusion paper at a small scale (Rombach et al. 2022)
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct ReproduceArgs {
    #[command(subcommand)]
    pub experiment: Experiment,
}

#[derive(Debug, Subcommand)]
pub enum Experiment {
    Compression(Box<CompressionArgs>),
    Guidance(Box<GuidanceArgs>),
}

/// What both experiments have.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// Pictures: a folder with metadata.jsonl
    #[arg(long, value_name = "FOLDER", default_value = "data/seven-styles")]
    pub data: PathBuf,

    /// Weights of the network that looks at pictures: EfficientNet-Lite0's, as `cargo xtask data
    /// efficientnet-lite0 FILE` writes them, or Inception's
    #[arg(long, value_name = "FILE")]
    pub features: PathBuf,

    /// DDIM steps to draw with; where one number is enough, it is the first
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "20,10,50",
        value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub ddim_steps: Vec<u64>,

    /// Pictures that are drawn for each measurement
    #[arg(long, value_name = "N", default_value_t = 256,
        value_parser = clap::value_parser!(u64).range(8..=50_000))]
    pub samples: u64,

    /// Seed of the first picture; the next has the next
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u64).range(..1 << 31))]
    pub seed: u64,

    /// Where results, report and models go
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,

    /// Go on where the same experiment in the same folder ended; nothing is done twice
    #[arg(long)]
    pub resume: bool,

    /// Threads to compute with [default: physical cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// How far to compress pictures before diffusion: LDM-1 (pixels), -2, -4, -8 and -16.
///
/// For each downsampling factor a first stage is trained, then a U-Net on its latents, all U-Nets
/// with about as many parameters and for the same time (--budget) or as many steps (--steps). At an
/// eighth, a quarter, a half and the end of that, pictures are drawn and measured by held-out ones,
/// as in figures 6 and 7 of the paper. report.html and report.md say what came out, results.json has
/// all numbers.
///
/// Ctrl-C stops after a checkpoint; the same command with --resume goes on.
#[derive(Debug, clap::Args)]
pub struct CompressionArgs {
    /// Downsampling factors
    #[arg(long, value_name = "F,…", value_delimiter = ',', default_value = "1,2,4,8,16",
        value_parser = clap::value_parser!(u64).range(1..=64))]
    pub factors: Vec<u64>,

    /// Minutes of training for each U-Net, without what is done between steps
    #[arg(long, value_name = "MINUTES", default_value_t = 7.0, conflicts_with = "steps")]
    pub budget: f64,

    /// Steps of training for each U-Net, in place of a time: the same numbers on every machine
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub steps: Option<u64>,

    /// Train first stages for another number of steps than their configurations say
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub first_stage_steps: Option<u64>,

    /// Configurations, named autoencoder-f4.toml and diffusion-f4.toml [default: the built-in ones,
    /// those in configs/reproduce]
    #[arg(long, value_name = "FOLDER")]
    pub configs: Option<PathBuf>,

    #[command(flatten)]
    pub common: Common,
}

/// How far to follow the caption, and in how many steps.
///
/// Pictures are drawn for captions of the training data with every guidance scale and every number
/// of DDIM steps, measured by held-out pictures, and compared with all training drawings: whether the
/// nearest one has the asked-for label and style, and whether the background has the colour.
#[derive(Debug, clap::Args)]
pub struct GuidanceArgs {
    /// Model that draws: a folder or file [default: the built-in one]
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// Guidance scales
    #[arg(long, value_name = "W,…", value_delimiter = ',', default_value = "1,1.5,2,3,5,7.5,10")]
    pub scales: Vec<f64>,

    #[command(flatten)]
    pub common: Common,
}
