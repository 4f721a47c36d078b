//! Pictures to begin with, and a second pass.

use std::path::PathBuf;

use aquatint_pipeline::request::{Extend, Hires, HiresSize, HiresUpscaler};
use aquatint_pipeline::{Fit, GenerateRequest};

/// What is there already.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Pictures to begin with")]
pub struct PictureArgs {
    /// Begin with this picture (PNG, JPEG or WebP) instead of noise
    ///
    /// Without a width and a height the result has its size, rounded to what the model can do.
    /// What is transparent in it is painted anew, as with --mask.
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,

    /// How much of it to make anew, 0 to 1 [default: 0.75; with --mask or --extend 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub strength: Option<f64>,

    /// Make only what is white in this picture anew, and keep the rest to the bit
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,

    /// Pixels in which new and old go over into each other [default: 0; with --extend 16]
    #[arg(long, value_name = "PIXELS", allow_negative_numbers = true)]
    pub mask_blur: Option<f64>,

    /// Paint around the picture: sides and pixels, such as left=128,bottom=64
    #[arg(long, value_name = "SIDE=PIXELS,…")]
    pub extend: Option<Extend>,

    /// What to do with a picture whose sides have another ratio: cover, contain or stretch
    #[arg(long, value_name = "RULE", default_value_t = Fit::default())]
    pub fit: Fit,
}

impl PictureArgs {
    /// The request with what is meant by it.
    pub fn apply(&self, request: GenerateRequest) -> GenerateRequest {
        let name = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        GenerateRequest {
            init: name(&self.init),
            mask: name(&self.mask),
            strength: self.strength,
            mask_blur: self.mask_blur,
            extend: self.extend,
            fit: self.fit,
            ..request
        }
    }
}

/// A second pass over a larger picture.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Second pass")]
pub struct HiresArgs {
    /// Enlarge the picture, by a factor such as 2 or to WxH, and go over it once more
    #[arg(long, value_name = "SCALE|WxH")]
    pub hires: Option<HiresSize>,

    /// How much of the first pass the second makes anew, 0 to 1 [default: 0.5]
    #[arg(long, value_name = "X", requires = "hires", allow_negative_numbers = true)]
    pub hires_strength: Option<f64>,

    /// Sampling steps of the second pass, of which the strength is taken [default: --steps]
    #[arg(long, value_name = "N", requires = "hires")]
    pub hires_steps: Option<usize>,

    /// How the first pass is enlarged
    #[arg(long, value_name = "NAME", requires = "hires", help = upscaler_help())]
    pub hires_upscaler: Option<HiresUpscaler>,
}

impl HiresArgs {
    /// The request with what is meant by it.
    pub fn apply(&self, request: GenerateRequest) -> GenerateRequest {
        let usual = Hires::default();
        let hires = self.hires.map(|size| Hires {
            size,
            strength: self.hires_strength.unwrap_or(usual.strength),
            steps: self.hires_steps,
            upscaler: self.hires_upscaler.unwrap_or(usual.upscaler),
        });
        GenerateRequest { hires, ..request }
    }
}

fn upscaler_help() -> String {
    let names = HiresUpscaler::ALL.map(HiresUpscaler::name).join(", ");
    let usual = HiresUpscaler::default().name();
    format!("How the first pass is enlarged: {names} [default: {usual}]")
}
