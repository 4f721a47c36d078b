//! `cargo xtask web-ui FOLDER`: a full-size model against Stable Diffusion web UI.
//!
//! FOLDER holds a model of `tools/reference/full_size.py` and what `tools/reference/web_ui_prompt.py`
//! drew with it: contexts of a prompt with weights, and latents after a few steps of Euler a with
//! the noise of PyTorch's CPU generator.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use aquatint_checkpoint::Weights;
use aquatint_pipeline::{
    Components, GenerateRequest, Inputs, ModelSource, Settings, encode_prompt, generate,
};
use aquatint_tensor::Tensor;

use crate::dtype::Dtype;
use crate::fidelity::{compare, number, text};

/// Options of `cargo xtask web-ui`.
#[derive(clap::Args)]
pub struct Args {
    /// Where the model and web_ui.safetensors are.
    folder: PathBuf,
    /// How to compute.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
}

/// The largest error in f32, ‖ours − theirs‖ / ‖theirs‖ and largest difference by largest value.
const ALLOWED: f64 = 1e-4;

/// Loads, draws, compares, prints.
pub fn run(args: Args) -> Result<()> {
    let reference = Weights::open(args.folder.join("web_ui.safetensors"))?;
    let source = ModelSource::folder(args.folder.join("model"))?;
    let components = Components::load(&source, &args.dtype.options())?;
    let theirs = reference.get("latents")?;
    let &[1, _, height, width] = theirs.shape() else { bail!("{:?}", theirs.shape()) };
    let request = GenerateRequest {
        prompt: text(&reference, "prompt")?,
        negative_prompt: text(&reference, "negative_prompt")?,
        seed: number(&reference, "seed")?,
        steps: number(&reference, "steps")?,
        guidance_scale: number(&reference, "guidance_scale")?,
        rng: "CPU".into(),
        sampler: "Euler a".into(),
        schedule: Some("Uniform".into()),
        width: Some(width * components.config.vae.downsampling_factor()),
        height: Some(height * components.config.vae.downsampling_factor()),
        ..Default::default()
    };
    println!("{}\n| | relative error | largest | seconds |\n|---|---|---|---|", request.prompt);
    let mut worst: f64 = 0.0;
    let mut row = |name: &str, ours: &Tensor, start: Instant| -> Result<()> {
        let (error, largest) = compare(ours, &reference.get(name)?)?;
        let seconds = start.elapsed().as_secs_f64();
        println!("| {name} | {error:.1e} | {largest:.1e} | {seconds:.1} |");
        worst = worst.max(error).max(largest);
        Ok(())
    };
    let start = Instant::now();
    let embeds = encode_prompt(&components, &request);
    row("prompt", &embeds.prompt.context, start)?;
    row("negative", &embeds.negative.context, start)?;

    let start = Instant::now();
    let mut latents = None;
    generate(&components, &request, &Inputs::NONE, Settings::default(), &mut (), &mut |made| {
        latents = Some(made.latents.clone());
        ControlFlow::Continue(())
    })?;
    row("latents", &latents.context("one picture was asked for")?.to_nchw(), start)?;
    if args.dtype == Dtype::F32 && worst > ALLOWED {
        bail!("more than {ALLOWED:e} from the reference");
    }
    Ok(())
}
