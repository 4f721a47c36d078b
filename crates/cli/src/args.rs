//! The command line as it is typed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aquatint_checkpoint::Family;
use aquatint_diffusion::{SAMPLERS, SPACINGS};
use aquatint_pipeline::{GenerateRequest, Tiling};
use aquatint_tensor::{Precision, RngKind};
use clap::{Parser, Subcommand, ValueEnum};

/// Text to pictures by latent diffusion.
#[derive(Debug, Parser)]
#[command(name = "aquatint", version, arg_required_else_help = true)]
#[command(args_override_self = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Generate(Box<GenerateArgs>),
    /// Fetch models and show which are there
    Model(crate::model::ModelArgs),
    Samplers(crate::samplers::SamplersArgs),
    /// Train one part of a model
    Train(crate::train::TrainArgs),
}

/// Make pictures of what a prompt says.
///
/// Without -o, pictures are written to the current folder under a name made of the prompt and the
/// seed, and nothing is overwritten. Their names are printed.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// What to show
    pub prompt: String,

    /// Model: a folder in diffusers' layout, or a single file [default: the built-in model]
    ///
    /// A file may be safetensors, a PyTorch checkpoint (.ckpt, .pt, .bin; nothing in it is
    /// executed) or GGUF, in the naming of diffusers or of the original authors.
    #[arg(short, long, value_name = "FOLDER|FILE")]
    pub model: Option<PathBuf>,

    #[command(flatten)]
    pub parts: PartArgs,

    /// Seed of the first picture; the next has the next [default: random]
    ///
    /// torch-cpu uses its low 32 bits, as PyTorch does, torch-cuda all 64; numpy takes 32.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Whose random numbers the seed stands for
    #[arg(long, value_name = "NAME", default_value_t = GenerateRequest::default().rng,
        help = rng_help())]
    pub rng: String,

    /// Sampling steps
    #[arg(long, value_name = "N", default_value_t = GenerateRequest::default().steps)]
    pub steps: usize,

    /// How to step from noise to picture
    #[arg(long, value_name = "NAME", default_value_t = GenerateRequest::default().sampler,
        help = sampler_help())]
    pub sampler: String,

    /// Which noise levels to step through
    #[arg(long, value_name = "NAME", help = schedule_help())]
    pub schedule: Option<String>,

    /// How strongly to follow the prompt; 1 is without guidance and half the work
    #[arg(long, value_name = "X", default_value_t = GenerateRequest::default().guidance_scale,
        allow_negative_numbers = true)]
    pub guidance_scale: f64,

    /// Less work for a picture that is a little different
    ///
    /// The same as --guidance-interval 0.2..1 --deep-cache 3; each of them can still be given.
    #[arg(long)]
    pub fast: bool,

    /// Guide only these steps, as fractions of all: 0.2..1 is all but the first fifth [default: 0..1]
    ///
    /// The other steps are half the work.
    #[arg(long, value_name = "START..STOP", value_parser = interval)]
    pub guidance_interval: Option<Interval>,

    /// Compute the deep layers of the U-Net every N steps only (DeepCache) [default: 1]
    #[arg(long, value_name = "N")]
    pub deep_cache: Option<usize>,

    /// Skip connection below which a layer is deep; 0 is the least work [default: 0]
    #[arg(long, value_name = "N")]
    pub deep_cache_branch: Option<usize>,

    /// Merge this part of the pixels during self-attention, 0 to 0.75 (ToMe) [default: 0]
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true)]
    pub token_merging: Option<f64>,

    /// How much noise is renewed on the way, 0 to 1 [default: the sampler's]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub eta: Option<f64>,

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

    /// PNG file to write, or an existing folder (or a name ending in /) to write to
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub output: Option<PathBuf>,

    /// Also write a PNG of the first picture after each of ten steps
    #[arg(long, value_name = "FILE")]
    pub preview: Option<PathBuf>,

    /// Threads to compute with; the picture is the same for any number [default: physical cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,

    /// Type in which products are formed
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub dtype: Dtype,

    /// Whether to decode pictures in bands, which takes less memory, more time, and makes no seams
    #[arg(long, value_enum, default_value_t = VaeTiling::Auto)]
    pub vae_tiling: VaeTiling,

    /// Print one line of JSON instead of the names
    #[arg(long)]
    pub json: bool,
}

/// What is known about the model besides the model itself.
#[derive(Debug, clap::Args)]
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

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Dtype {
    /// Exact
    F32,
    /// Faster where the processor can, and a little different
    Bf16,
    /// The U-Net in 8 bits, the rest as bf16: faster still, in less memory, and more different
    Int8,
}

impl From<Dtype> for Precision {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::Bf16 | Dtype::Int8 => Self::Bf16,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum VaeTiling {
    /// From about 768×768 on
    Auto,
    /// Always
    On,
    /// Never
    Off,
}

impl From<VaeTiling> for Tiling {
    fn from(tiling: VaeTiling) -> Self {
        match tiling {
            VaeTiling::Auto => Self::Auto,
            VaeTiling::On => Self::On,
            VaeTiling::Off => Self::Off,
        }
    }
}

impl GenerateArgs {
    /// What is meant by it.
    pub fn request(&self, seed: u64) -> GenerateRequest {
        let request = GenerateRequest {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            seed,
            rng: self.rng.clone(),
            steps: self.steps,
            sampler: self.sampler.clone(),
            schedule: self.schedule.clone(),
            guidance_scale: self.guidance_scale,
            eta: self.eta,
            width: self.width,
            height: self.height,
            count: self.count,
            ..Default::default()
        };
        let request = if self.fast { request.fast() } else { request };
        GenerateRequest {
            guidance_interval: self.guidance_interval.map_or(request.guidance_interval, |i| i.0),
            deep_cache: self.deep_cache.unwrap_or(request.deep_cache),
            deep_cache_branch: self.deep_cache_branch.unwrap_or(request.deep_cache_branch),
            token_merging: self.token_merging.unwrap_or(request.token_merging),
            ..request
        }
    }
}

/// Two fractions of a run. Whether they make sense is the request's business.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval(pub [f64; 2]);

/// "0.2..0.6", or with an end left out.
fn interval(text: &str) -> Result<Interval, String> {
    let end = |text: &str, default: f64| match text {
        "" => Some(default),
        text => text.parse().ok(),
    };
    text.split_once("..")
        .and_then(|(start, stop)| Some(Interval([end(start, 0.0)?, end(stop, 1.0)?])))
        .ok_or_else(|| "it must be two numbers from 0 to 1 such as 0.2..0.6".into())
}

fn rng_help() -> String {
    let kinds = RngKind::ALL.map(|kind| format!("{kind} ({})", kind.used_by()));
    format!("Whose random numbers the seed stands for: {}", kinds.join(", "))
}

fn sampler_help() -> String {
    let names: Vec<&str> = SAMPLERS.iter().map(|sampler| sampler.name).collect();
    format!("How to step from noise to picture: {}", names.join(", "))
}

fn schedule_help() -> String {
    let names: Vec<&str> = SPACINGS.iter().map(|spacing| spacing.name).collect();
    let names = names.join(", ");
    format!("Which noise levels to step through: {names} [default: the sampler's or the model's]")
}
