//! `aquatint travel`.

use std::path::PathBuf;

use aquatint_pipeline::{GenerateRequest, Travel};

use super::{DrawArgs, MachineArgs, OutputArgs, WishArgs};

/// Make the pictures between pictures: from prompt to prompt, from seed to seed, or both at once.
///
/// Written are a moving picture (.gif), a sheet of all, or each of them. What the text encoder says
/// of prompts is joined by straight lines, the noise of seeds by arcs. Every picture that is written
/// alone says how it was made, and `aquatint generate --from` makes it again.
#[derive(Debug, clap::Args)]
pub struct TravelArgs {
    /// What the first picture shows
    #[arg(required_unless_present_any = ["class", "to_seed"])]
    pub prompt: Option<String>,

    /// Prompt to go to; may be given several times, to go from one to the next
    #[arg(long, value_name = "TEXT")]
    pub to: Vec<String>,

    /// Seed to go to; may be given several times, with --to as often as that
    ///
    /// Samplers that add noise on the way jump where a seed is reached: take others, or --eta 0.
    #[arg(long, value_name = "N")]
    pub to_seed: Vec<u64>,

    /// How many pictures in all, those of the given prompts and seeds among them
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub frames: usize,

    /// Go back to the beginning at the end, so that nobody sees a GIF repeat
    #[arg(long = "loop")]
    pub closed: bool,

    /// Pictures a second of a GIF, 1 to 50
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=50))]
    pub fps: u16,

    /// Class to draw, by name or by number, for a model of classes
    #[arg(long, value_name = "NAME|N")]
    pub class: Option<String>,

    /// What to write; may be given several times [default: a .gif in the current folder]
    ///
    /// A .gif is a moving picture, a PNG, JPEG or WebP file a sheet of all pictures, and an existing
    /// folder (or a name ending in /) gets each of them, numbered.
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub output: Vec<PathBuf>,

    #[command(flatten)]
    pub draw: DrawArgs,

    #[command(flatten)]
    pub wish: WishArgs,

    #[command(flatten)]
    pub written: OutputArgs,

    #[command(flatten)]
    pub machine: MachineArgs,
}

impl TravelArgs {
    /// Where it begins.
    pub fn request(&self, seed: u64) -> GenerateRequest {
        let prompt = self.prompt.clone().unwrap_or_default();
        let request = GenerateRequest { prompt, class: self.class.clone(), ..Default::default() };
        self.wish.apply(self.draw.apply(request, seed))
    }

    /// Where it goes.
    pub fn travel(&self) -> Travel {
        let (prompts, seeds) = (self.to.clone(), self.to_seed.clone());
        Travel { prompts, seeds, frames: self.frames, closed: self.closed }
    }
}
