//! `cargo xtask kernels`: how fast every layer of Stable Diffusion 1.5 is, in `docs/KERNELS.md`.
//!
//! The model is built from its configuration with made-up weights, kept as for drawing, and drawn
//! with; each kernel that runs is timed where it runs, so that the table has the shapes and the
//! forms that are really used, and what lies between kernels.

mod notes;
mod peaks;
mod stopwatch;
mod table;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use aquatint_checkpoint::Family;
use aquatint_models::{AutoencoderKL, UNet2DConditionModel};
use aquatint_pipeline::{choose_int8, fill, presets::preset};
use aquatint_tensor::{Rng, Tensor};
use clap::ValueEnum;

use crate::dtype::Dtype;
use crate::tidy::root;
use notes::Notes;
use peaks::Peaks;
use stopwatch::Timings;
use table::Table;

/// Options of `cargo xtask kernels`.
#[derive(clap::Args)]
pub struct Args {
    /// The types in which products are formed [default: all].
    #[arg(long, value_enum)]
    dtype: Vec<Dtype>,
    /// Passes of each network, of which each kernel's best is taken.
    #[arg(long, default_value_t = 5)]
    passes: usize,
    /// Threads to compute with.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// The file to write [default: docs/KERNELS.md].
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// Height and width of the latents of a 512×512 picture.
const SIDE: usize = 64;
/// The length of the context, as of CLIP.
const TOKENS: usize = 77;
const TIMESTEP: f32 = 501.0;

/// Times all, writes the file, and fails if it lacks an explanation.
pub fn run(args: Args) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    let notes = Notes::read(&root().join("docs/kernel-notes.tsv"))?;
    let configs = preset(Family::Sd15);
    let config = |part: &str| configs.get(part).cloned().context("the preset has it");
    let unet_config = serde_json::from_value(config("unet")?)?;
    let vae_config = serde_json::from_value(config("vae")?)?;

    let mut rng = Rng::new(0);
    let mut measured = Vec::new();
    let mut peaks = Peaks::measure();
    let chosen = if args.dtype.is_empty() { Dtype::value_variants() } else { &args.dtype };
    for &dtype in chosen {
        let options = dtype.options();
        let mut unet = UNet2DConditionModel::new(&unet_config);
        if options.int8 {
            choose_int8(&mut unet);
        }
        fill(&mut unet, &options, &|_| true, made_up)?;
        let sample = rng.randn(&[1, SIDE, SIDE, unet.config().in_channels]);
        let context = rng.randn(&[1, TOKENS, unet.config().cross_attention_dim]);
        let pass = || unet.forward(&sample, &[TIMESTEP], &context);
        measured.push(("U-Net", dtype, Timings::of(args.passes, pass)));
        drop(unet);

        let mut vae = AutoencoderKL::new(&vae_config);
        fill(&mut vae, &options, &|_| true, made_up)?;
        let latents = rng.randn(&[1, SIDE, SIDE, vae.config().latent_channels]);
        measured.push(("VAE decoder", dtype, Timings::of(args.passes, || vae.decode(&latents))));
        // Of the highest seen, so that a disturbance here does not flatter the kernels.
        peaks = peaks.highest(Peaks::measure());
    }

    let mut text = table::preamble(args.threads, args.passes, &peaks);
    let mut unexplained = Vec::new();
    for (network, dtype, timings) in &measured {
        let value = dtype.to_possible_value().context("no type is hidden")?;
        let table = Table::new(timings, &peaks, &notes, value.get_name());
        let title = format!("{network}, {}", value.get_name());
        println!("{title}: {:.3} s", timings.seconds);
        unexplained.extend(table.unexplained().map(|row| format!("{title}: {row}")));
        text += &format!("\n## {title}\n\n{table}");
    }
    let path = args.output.unwrap_or_else(|| root().join("docs/KERNELS.md"));
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    println!("{}", path.display());
    let missing = unexplained.join("\n  ");
    ensure!(missing.is_empty(), "docs/kernel-notes.tsv does not say why of\n  {missing}");
    Ok(())
}

/// Numbers of about the size that weights have; how fast a kernel is does not depend on them.
fn made_up(_name: &str, shape: &[usize]) -> Result<Tensor> {
    Ok(Tensor::from_fn(shape, |i| {
        let hashed = (i as u32).wrapping_mul(0x9e37_79b9) >> 8;
        (hashed as f32 / (1 << 23) as f32 - 1.0) * 0.05
    }))
}
