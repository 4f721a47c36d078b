//! What all commands have that draw by diffusion, whatever they show.

use std::path::PathBuf;

use aquatint_pipeline::GenerateRequest;

use super::{
    AdapterArgs, GuidanceArgs, HiresArgs, LessWorkArgs, PartArgs, PictureArgs, PromptArgs,
    SamplingArgs, VariationArgs,
};

/// With which model, how large, from which noise.
#[derive(Debug, clap::Args)]
pub struct DrawArgs {
    /// Pixels, a multiple of 8 [default: the model's]
    #[arg(long, value_name = "W")]
    pub width: Option<usize>,

    /// Pixels, a multiple of 8 [default: the model's]
    #[arg(long, value_name = "H")]
    pub height: Option<usize>,

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
    pub sampling: SamplingArgs,
}

impl DrawArgs {
    /// The request with what is meant by it.
    pub fn apply(&self, request: GenerateRequest, seed: u64) -> GenerateRequest {
        let (width, height) = (self.width, self.height);
        self.sampling.apply(GenerateRequest { width, height, ..request }, seed)
    }
}

/// What is asked for besides: with words, from pictures, or with less work.
#[derive(Debug, clap::Args)]
pub struct WishArgs {
    #[command(flatten)]
    pub reading: PromptArgs,

    #[command(flatten)]
    pub adapters: AdapterArgs,

    #[command(flatten)]
    pub variation: VariationArgs,

    #[command(flatten)]
    pub pictures: PictureArgs,

    #[command(flatten)]
    pub hires: HiresArgs,

    #[command(flatten)]
    pub guidance: GuidanceArgs,

    #[command(flatten)]
    pub less_work: LessWorkArgs,
}

impl WishArgs {
    /// The request with what is meant by it.
    pub fn apply(&self, request: GenerateRequest) -> GenerateRequest {
        let request = self.hires.apply(self.pictures.apply(request));
        let request = self.guidance.apply(self.reading.apply(request));
        self.less_work.apply(self.variation.apply(request))
    }
}
