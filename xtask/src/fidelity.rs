//! `cargo xtask fidelity FOLDER`: a full-size model against diffusers, stage by stage.
//!
//! FOLDER was written by `tools/reference/full_size.py`: a model of random weights, and inputs and
//! answers of every stage. What is printed is a row of `docs/FIDELITY.md` for each stage.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use aquatint_checkpoint::Weights;
use aquatint_models::unet::UNetConditions;
use aquatint_pipeline::{
    Components, GenerateRequest, ModelSource, Picture, Tiling, Tokenizer, encode, text_to_image,
};
use aquatint_tensor::Tensor;

use crate::dtype::Dtype;

/// Options of `cargo xtask fidelity`.
#[derive(clap::Args)]
pub struct Args {
    /// What full_size.py wrote.
    folder: PathBuf,
    /// How to compute.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// Only the stages, not the picture.
    #[arg(long)]
    stages: bool,
}

/// The largest error of a stage in f32, relative to its answer: ‖ours − theirs‖ / ‖theirs‖.
const ALLOWED: f64 = 1e-4;
/// The least likeness of the pictures in f32, in dB.
const ALIKE: f64 = 50.0;

/// Loads, compares, prints.
pub fn run(args: Args) -> Result<()> {
    let reference = Weights::open(args.folder.join("reference.safetensors"))?;
    let start = Instant::now();
    let source = ModelSource::folder(args.folder.join("model"))?;
    let components = Components::load(&source, &args.dtype.options())?;
    let family = text(&reference, "family")?;
    println!("{family}, {:?}, loaded in {:.1} s", args.dtype, start.elapsed().as_secs_f64());
    println!("| stage | relative error | largest | seconds |\n|---|---|---|---|");

    let mut worst: f64 = 0.0;
    let mut stage = |name: &str, answer: &dyn Fn() -> Result<Tensor>| -> Result<()> {
        let start = Instant::now();
        let ours = answer()?;
        let seconds = start.elapsed().as_secs_f64();
        let (error, largest) = compare(&ours, &reference.get(name)?)?;
        worst = worst.max(error);
        println!("| {name} | {error:.1e} | {largest:.1e} | {seconds:.2} |");
        Ok(())
    };
    let picture = |name: &str| -> Result<Tensor> { Ok(reference.get(name)?.from_nchw()) };
    let given = |name: &str| -> Result<Option<Tensor>> {
        Ok(reference.shape(name).map(|_| reference.get(name)).transpose()?)
    };
    let Components { tokenizer, second_encoder, unet, vae, .. } = &components;
    let prompt = text(&reference, "prompt")?;
    check_ids(&reference, "ids", &prompt, tokenizer)?;
    if let Some(second) = second_encoder {
        check_ids(&reference, "ids_2", &prompt, &second.tokenizer)?;
    }
    stage("context", &|| Ok(encode(&components, &prompt).context))?;
    if second_encoder.is_some() {
        stage("text_embeds", &|| {
            encode(&components, &prompt).pooled.context("nothing is said of the whole prompt")
        })?;
    }
    stage("unet", &|| {
        let timestep = reference.get("timestep")?.to_vec();
        let (text_embeds, time_ids) = (given("text_embeds")?, given("time_ids")?);
        let conditions = UNetConditions { text_embeds, time_ids, ..Default::default() };
        let (sample, context) = (picture("sample")?, reference.get("context")?);
        Ok(unet.forward_given(&sample, &timestep, &context, &conditions).to_nchw())
    })?;
    stage("decoded", &|| Ok(vae.decode(&picture("latents")?, Tiling::Off).to_nchw()))?;
    stage("encoded", &|| Ok(vae.mode(&picture("image")?).to_nchw()))?;

    let psnr = if args.stages { f64::INFINITY } else { picture_psnr(&components, &reference)? };
    if !args.stages {
        println!("| picture, PSNR | {psnr:.1} dB | | |");
    }
    if args.dtype == Dtype::F32 && (worst > ALLOWED || psnr < ALIKE) {
        bail!("more than {ALLOWED:e} from diffusers, or less than {ALIKE} dB alike");
    }
    Ok(())
}

/// Tells whether `tokenizer` makes the ids of the prompt that transformers makes.
fn check_ids(reference: &Weights, key: &str, prompt: &str, tokenizer: &Tokenizer) -> Result<()> {
    let ids: Vec<u32> = reference.get(key)?.to_vec().iter().map(|&id| id as u32).collect();
    if tokenizer.encode(prompt) != ids {
        bail!("`{prompt}` has other {key} here than in transformers");
    }
    Ok(())
}

/// How like diffusers' picture ours is, from the same prompt and seed.
fn picture_psnr(components: &Components, reference: &Weights) -> Result<f64> {
    let theirs = reference.get("picture")?;
    let &[1, 3, height, width] = theirs.shape() else { bail!("no picture: {:?}", theirs.shape()) };
    let request = GenerateRequest {
        prompt: text(reference, "prompt")?,
        negative_prompt: text(reference, "negative_prompt")?,
        seed: number(reference, "seed")?,
        steps: number(reference, "steps")?,
        guidance_scale: number(reference, "guidance_scale")?,
        width: Some(width),
        height: Some(height),
        ..Default::default()
    };
    let ours = text_to_image(components, &request, &mut ())?;
    let theirs = Picture::from_images(&theirs.scale(2.0).add_scalar(-1.0).from_nchw());
    let squares = ours[0].rgb.iter().zip(&theirs[0].rgb);
    let squares: f64 = squares.map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum();
    let mean = squares / ours[0].rgb.len() as f64;
    Ok(10.0 * (255.0f64.powi(2) / mean).log10())
}

/// ‖ours − theirs‖ / ‖theirs‖, and the largest difference relative to the largest value.
pub(crate) fn compare(ours: &Tensor, theirs: &Tensor) -> Result<(f64, f64)> {
    if ours.shape() != theirs.shape() {
        bail!("{:?} here, {:?} in diffusers", ours.shape(), theirs.shape());
    }
    let difference = ours.sub(theirs);
    let error = (difference.sum_of_squares() / theirs.sum_of_squares()).sqrt();
    Ok((error, f64::from(difference.max_abs() / theirs.max_abs())))
}

pub(crate) fn text(reference: &Weights, key: &str) -> Result<String> {
    let found = reference.metadata(key).map(str::to_owned);
    found.with_context(|| format!("{} does not say its {key}", reference.file()))
}

pub(crate) fn number<T: FromStr>(reference: &Weights, key: &str) -> Result<T> {
    let written = text(reference, key)?;
    written.parse().ok().with_context(|| format!("{key} = {written} is no such number"))
}
