//! How pictures are written and shown.

use std::path::PathBuf;

use aquatint_pipeline::{Encoding, PictureFormat};

use crate::show::Way;

/// What becomes of a picture.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Format of the pictures: png, jpeg or webp [default: what the name ends in, or png]
    ///
    /// JPEG is the one with loss: WebP is written without, as PNG is, since an encoder with loss would
    /// take longer to build than all other formats. All of them say how the picture was made.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<PictureFormat>,

    /// Quality of a JPEG, 1 to 100; the others are without loss
    #[arg(long, value_name = "N", default_value_t = Encoding::default().quality,
        value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,

    /// Show the picture in the terminal, also while it is made
    #[arg(long, value_name = "HOW", value_enum, num_args = 0..=1, require_equals = true,
        default_missing_value = "auto")]
    pub show: Option<Way>,

    /// With --show, decode what is shown by this tiny decoder (TAESD) instead of guessing colours
    #[arg(long, value_name = "FILE", requires = "show")]
    pub preview_decoder: Option<PathBuf>,
}
