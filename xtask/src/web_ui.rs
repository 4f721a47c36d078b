//! `cargo xtask web-ui FOLDER`: a full-size model against Stable Diffusion web UI.
//!
//! FOLDER holds a model of `tools/reference/full_size.py` and what `tools/reference/web_ui_prompt.py`
//! drew with it: contexts of a prompt with weights, and latents after a few steps of Euler a with
//! the noise of PyTorch's CPU generator.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use aquatint_checkpoint::Weights;
use aquatint_diffusion::{
    Condition, Guidance, GuidanceInterval, ModelDenoiser, MoreGuidance, Noise, NoiseSource, Run,
};
use aquatint_pipeline::{Components, GenerateRequest, ModelSource, encode_prompt};
use aquatint_tensor::{RngKind, Tensor};

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
    let request = GenerateRequest {
        prompt: text(&reference, "prompt")?,
        negative_prompt: text(&reference, "negative_prompt")?,
        seed: number(&reference, "seed")?,
        steps: number(&reference, "steps")?,
        guidance_scale: number(&reference, "guidance_scale")?,
        sampler: "Euler a".into(),
        schedule: Some("Uniform".into()),
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
    let Components { unet, config, .. } = &components;
    let told = |asked: &[Condition]| {
        let contexts = asked.iter().map(|&condition| embeds.at(condition, 0).context.clone());
        let all = contexts.reduce(|a, b| Tensor::cat_rows([&a, &b]));
        all.expect("somebody is asked")
    };
    let conditioned = |xt: &Tensor, timesteps: &[f32], asked: &[Condition]| {
        unet.forward_given(xt, timesteps, &told(asked), &Default::default())
    };
    let schedule = config.scheduler.schedule().map_err(anyhow::Error::msg)?;
    let prediction_type = config.scheduler.prediction_type().map_err(anyhow::Error::msg)?;
    let guidance = Guidance {
        conditioned: &conditioned,
        guidance_scale: request.guidance_scale,
        interval: GuidanceInterval::ALL,
        more: MoreGuidance::default(),
    };
    let denoiser = ModelDenoiser { network: &guidance, schedule: &schedule, prediction_type };
    let (sampler, spacing) = request.sampling()?;
    let sigmas = config.scheduler.sigmas_for(sampler, spacing, &schedule, request.steps);
    let sigmas = sigmas.map_err(anyhow::Error::msg)?;
    let theirs = reference.get("latents")?;
    let &[1, channels, height, width] = theirs.shape() else { bail!("{:?}", theirs.shape()) };
    let mut noise = Noise::new(RngKind::TorchCpu, &[request.seed])?;
    // k-diffusion begins with noise of σ alone, where diffusers begins with √(σ² + 1).
    let first = *sigmas.first().context("a run has noise levels")?;
    let x = noise.noise(&[1, height, width, channels]).scale(first as f32);
    let run =
        Run { denoiser: &denoiser, sigmas: &sigmas, eta: None, noise: &mut noise, watch: &mut () };
    row("latents", &sampler.sample_from(x, run).to_nchw(), start)?;
    if args.dtype == Dtype::F32 && worst > ALLOWED {
        bail!("more than {ALLOWED:e} from the reference");
    }
    Ok(())
}
