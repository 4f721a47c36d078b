//! `cargo xtask data`: data sets built from packages that anyone can fetch again.
//!
//! ```text
//!  packages ──archive──▶ icons.json, chars.json, *.webp ──drawings──▶ one Drawing per manifest row
//!  (pinned sums)                                                            │ render
//!                          metadata.jsonl ◀── captions ◀── manifest     DIR/{style}/{hexcode}.png
//! ```

mod archive;
mod blueprint;
mod contact_sheet;
mod drawings;
mod efficientnet;
mod files;
mod iconify;
mod manifest;
mod metadata;
mod minilm;
mod packages;
mod progress;
mod render;
mod seven_styles;
mod style;
mod wheel;

use clap::Subcommand;

/// Arguments of `cargo xtask data`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    dataset: Dataset,
}

#[derive(Subcommand)]
enum Dataset {
    /// Twelve pictures of a style that is not among the seven, to fine-tune a model with.
    Blueprint(blueprint::Args),
    /// 10,344 open emoji drawings of 1,644 things in seven styles, with captions.
    SevenStyles(seven_styles::Args),
    /// EfficientNet-Lite0, trained on ImageNet, for perceptual distances and comparing pictures.
    #[command(name = "efficientnet-lite0")]
    EfficientnetLite0(efficientnet::Args),
    /// MiniLM, trained on sentences, as a frozen text encoder.
    #[command(name = "minilm")]
    MiniLm(minilm::Args),
}

/// Builds the data set that the arguments name.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.dataset {
        Dataset::Blueprint(args) => blueprint::run(&args),
        Dataset::SevenStyles(args) => seven_styles::run(&args),
        Dataset::EfficientnetLite0(args) => efficientnet::run(&args),
        Dataset::MiniLm(args) => minilm::run(&args),
    }
}
