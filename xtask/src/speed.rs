//! `cargo xtask speed FOLDER`: a model that stays loaded and does one pass for each line it reads.
//!
//! The contestant of `tools/bench/peers.py`: it prints `{"ready": {…}}` once loaded and warm, then
//! `{"seconds": …}` for every pass, as the others do. The inputs are random and always the same.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use aquatint_pipeline::{Components, ModelSource, Tiling};
use aquatint_tensor::{Rng, Tensor};
use clap::ValueEnum;
use serde_json::json;

use crate::dtype::Dtype;

/// Options of `cargo xtask speed`.
#[derive(clap::Args)]
pub struct Args {
    /// What full_size.py wrote: the model lies in FOLDER/model.
    folder: PathBuf,
    /// The type in which products are formed.
    #[arg(long, value_enum, default_value = "bf16")]
    dtype: Dtype,
    /// What a pass is.
    #[arg(long, value_enum, default_value = "unet")]
    what: What,
    /// Threads to compute with.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Height and width of the latents.
    #[arg(long, default_value_t = 64)]
    side: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// One prediction of the U-Net.
    Unet,
    /// Latents to a picture.
    Decode,
}

/// Passes before the first that is timed.
const WARM_UPS: usize = 2;
/// The length of the context, as of CLIP.
const TOKENS: usize = 77;
const TIMESTEP: f32 = 501.0;

/// Loads, warms up, answers until the input ends.
pub fn run(args: Args) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    let start = Instant::now();
    let source = ModelSource::folder(args.folder.join("model"))?;
    let Components { unet, vae, .. } = Components::load(&source, &args.dtype.options())?;
    let loaded = start.elapsed().as_secs_f64();

    let mut rng = Rng::new(0);
    let side = args.side;
    match args.what {
        What::Unet => {
            drop(vae);
            let config = unet.config();
            let sample = rng.randn(&[1, side, side, config.in_channels]);
            let context = rng.randn(&[1, TOKENS, config.cross_attention_dim]);
            answer(loaded, || unet.forward(&sample, &[TIMESTEP], &context))
        }
        What::Decode => {
            drop(unet);
            let latents = rng.randn(&[1, side, side, vae.config().latent_channels()]);
            answer(loaded, || vae.decode(&latents, Tiling::Off))
        }
    }
}

/// One line for every line.
fn answer(loaded: f64, pass: impl Fn() -> Tensor + Sync) -> Result<()> {
    // On a thread of the pool, from where work is handed out cheaply.
    let timed = || {
        rayon::scope(|_| {
            let start = Instant::now();
            drop(pass());
            start.elapsed().as_secs_f64()
        })
    };
    for _ in 0..WARM_UPS {
        timed();
    }
    let mut out = io::stdout().lock();
    let threads = rayon::current_num_threads();
    writeln!(out, "{}", json!({"ready": {"load_seconds": loaded, "threads": threads}}))?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        line?;
        writeln!(out, "{}", json!({"seconds": timed()}))?;
        out.flush()?;
    }
    Ok(())
}
