//! `aquatint upscale`.

use std::path::PathBuf;

use aquatint_pipeline::{GenerateRequest, PictureFormat};

use super::{Dtype, PartArgs, VaeTiling};

/// Make pictures larger.
///
/// A network in the program makes them four times as large, and -m takes others. Without -o, a
/// picture is written to the current folder under its name and the factor, and nothing is
/// overwritten. Names are printed.
#[derive(Debug, clap::Args)]
pub struct UpscaleArgs {
    /// Pictures to enlarge (PNG, JPEG or WebP); what is transparent becomes white
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,

    /// File to write (.png, .jpg or .webp), or an existing folder (or a name ending in /)
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub output: Option<PathBuf>,

    /// What to write into a folder: png, jpeg or webp
    #[arg(long, value_name = "NAME", default_value_t = PictureFormat::default())]
    pub format: PictureFormat,

    /// Quality of JPEG, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 90,
        value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,

    /// Print one line of JSON instead of the names
    #[arg(long)]
    pub json: bool,

    /// Network of ESRGAN's kind, or a diffusion model that enlarges [default: the built-in network]
    ///
    /// Networks: RRDBNet and SRVGGNetCompact (Real-ESRGAN, ESRGAN) as .pth or safetensors, and
    /// the layers models of @upscalerjs/esrgan-* (model.json, or its folder). Diffusion models: the
    /// x4 upscaler and those of LDMSuperResolutionPipeline, as a folder or a file.
    #[arg(short, long, value_name = "FOLDER|FILE", help_heading = "Model")]
    pub model: Option<PathBuf>,

    #[command(flatten)]
    pub parts: PartArgs,

    #[command(flatten)]
    pub network: NetworkArgs,

    #[command(flatten)]
    pub diffusion: DiffusionArgs,

    /// Threads to compute with; the picture is the same for any number [default: physical cores]
    #[arg(long, value_name = "N", help_heading = "Machine")]
    pub threads: Option<usize>,

    /// Type in which products are formed
    #[arg(long, value_enum, help_heading = "Machine", default_value_t = Dtype::F32)]
    pub dtype: Dtype,
}

/// What is for networks only.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Networks")]
pub struct NetworkArgs {
    /// Side of the pieces that a picture is enlarged in, in pixels; 0 is the whole [default: by
    /// the memory that the network takes]
    #[arg(long, value_name = "PIXELS")]
    pub tile: Option<usize>,

    /// Pixels around a piece that are looked at [default: as many as the network sees, without any
    /// seam]
    #[arg(long, value_name = "PIXELS")]
    pub overlap: Option<usize>,
}

impl NetworkArgs {
    /// The first option that was given.
    pub fn given(&self) -> Option<&'static str> {
        [("--tile", self.tile.is_some()), ("--overlap", self.overlap.is_some())]
            .into_iter()
            .find_map(|(name, given)| given.then_some(name))
    }
}

/// What is for diffusion models only.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Diffusion models")]
pub struct DiffusionArgs {
    /// What the picture shows
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,

    /// What it does not show
    #[arg(long, value_name = "TEXT")]
    pub negative_prompt: Option<String>,

    /// Timesteps of noise to add before, so that the model may invent more [default: 20]
    #[arg(long, value_name = "N")]
    pub noise_level: Option<usize>,

    /// Sampling steps [default: 50]
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,

    /// Seed of the first picture; the next has the next [default: random]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// How strongly to follow the prompt; 1 is without guidance and half the work [default: 5]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub guidance_scale: Option<f64>,

    /// How to step from noise to picture: see `aquatint samplers` [default: ddim]
    #[arg(long, value_name = "NAME")]
    pub sampler: Option<String>,

    /// Which noise levels to step through [default: the sampler's or the model's]
    #[arg(long, value_name = "NAME")]
    pub schedule: Option<String>,

    /// How much noise is renewed on the way, 0 to 1 [default: the sampler's]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub eta: Option<f64>,

    /// Whose random numbers the seed stands for [default: torch-cpu]
    #[arg(long, value_name = "NAME")]
    pub rng: Option<String>,

    /// Whether to decode pictures in bands, which takes less memory, more time, and makes no seams
    /// [default: auto]
    #[arg(long, value_enum)]
    pub vae_tiling: Option<VaeTiling>,
}

impl DiffusionArgs {
    /// The first option that was given.
    pub fn given(&self) -> Option<&'static str> {
        let Self { prompt, negative_prompt, noise_level, steps, seed, .. } = self;
        let Self { guidance_scale, sampler, schedule, eta, rng, vae_tiling, .. } = self;
        [
            ("--prompt", prompt.is_some()),
            ("--negative-prompt", negative_prompt.is_some()),
            ("--noise-level", noise_level.is_some()),
            ("--steps", steps.is_some()),
            ("--seed", seed.is_some()),
            ("--guidance-scale", guidance_scale.is_some()),
            ("--sampler", sampler.is_some()),
            ("--schedule", schedule.is_some()),
            ("--eta", eta.is_some()),
            ("--rng", rng.is_some()),
            ("--vae-tiling", vae_tiling.is_some()),
        ]
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
    }

    /// What is meant by it, for the picture in the file `image`.
    pub fn request(&self, seed: u64, image: String) -> GenerateRequest {
        let usual = GenerateRequest::default();
        GenerateRequest {
            prompt: self.prompt.clone().unwrap_or_default(),
            negative_prompt: self.negative_prompt.clone().unwrap_or_default(),
            noise_level: self.noise_level,
            steps: self.steps.unwrap_or(usual.steps),
            seed,
            guidance_scale: self.guidance_scale.unwrap_or(usual.guidance_scale),
            sampler: self.sampler.clone().unwrap_or(usual.sampler),
            schedule: self.schedule.clone(),
            eta: self.eta,
            rng: self.rng.clone().unwrap_or(usual.rng),
            init: Some(image),
            ..Default::default()
        }
    }
}
