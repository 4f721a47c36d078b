//! `aquatint upscale`.

mod diffusion;
mod places;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use aquatint_checkpoint::Weights;
use aquatint_pipeline::{Encoding, LoadOptions, ModelSource, Picture, Upscaler, save_picture};
use serde_json::{Value, json};

use self::diffusion::Diffusion;
use self::places::Places;
use crate::args::{Dtype, UpscaleArgs};
use crate::console::{self, Progress};
use crate::failure::Failure;
use crate::names::unwritable;
use crate::{embedded, machine, stop};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The most pixels of a result: 1.5 GiB.
const MOST_PIXELS: usize = 1 << 29;

/// What makes pictures larger.
enum Enlarger {
    Network(Box<Upscaler>),
    Diffusion(Box<Diffusion>),
}

/// A picture that was made, and where it is.
struct Made {
    file: PathBuf,
    width: usize,
    height: usize,
    seed: Option<u64>,
}

/// Enlarges the pictures. What can be wrong is looked at before anything takes time.
pub fn run(args: &UpscaleArgs) -> Result<(), Failure> {
    stop::listen();
    let start = Instant::now();
    // The first tells most mistakes; the others are opened when their turn comes.
    let mut first = Some(open(&args.images[0])?);
    for image in &args.images[1..] {
        std::fs::File::open(image).map_err(|error| unreadable(image, &error))?;
    }
    let mut places = Places::new(args)?;
    machine::start_threads(args.threads)?;
    let enlarger = enlarger(args, first.as_ref())?;
    let mut made = Vec::with_capacity(args.images.len());
    for (i, image) in args.images.iter().enumerate() {
        let picture = match first.take() {
            Some(picture) => picture,
            None => open(image)?,
        };
        let large = machine::compute(|| match &enlarger {
            Enlarger::Network(upscaler) => network(args, upscaler, &picture),
            Enlarger::Diffusion(diffusion) => diffusion.enlarge(args, i, image, picture),
        })?;
        let file = places.of(image, large.scale);
        if stop::requested() {
            return Err(Failure::interrupted());
        }
        let encoding = Encoding { format: places.format(&file), quality: args.quality };
        let written = stop::whole(|| save_picture(&file, &large.picture, &large.texts, encoding));
        written.map_err(|error| unwritable(&file, &error))?;
        let (width, height) = (large.picture.width, large.picture.height);
        if !args.json {
            console::result(&file.display().to_string());
        }
        made.push(Made { file, width, height, seed: large.seed });
    }
    let seconds = start.elapsed().as_secs_f64();
    if args.json {
        console::result(&report(&made, seconds).to_string());
    } else {
        console::note(&format!("{seconds:.1} s"));
    }
    Ok(())
}

/// A larger picture, and what is written into its file.
struct Large {
    picture: Picture,
    scale: usize,
    texts: std::collections::BTreeMap<&'static str, String>,
    seed: Option<u64>,
}

/// What the model is, after a look at the options that are not for it.
fn enlarger(args: &UpscaleArgs, first: Option<&Picture>) -> Result<Enlarger, Failure> {
    let options = LoadOptions {
        precision: args.dtype.into(),
        int8: matches!(args.dtype, Dtype::Int8),
        parts: args.parts.replaced(),
        ..Default::default()
    };
    let Some(path) = &args.model else {
        refuse_diffusion(args)?;
        let weights = embedded::upscaler()?;
        return Ok(Enlarger::Network(Box::new(Upscaler::of(&weights, &options)?)));
    };
    if is_network(args, path)? {
        refuse_diffusion(args)?;
        return Ok(Enlarger::Network(Box::new(Upscaler::open(path, &options)?)));
    }
    if let Some(option) = args.network.given() {
        let reason = "is for networks of ESRGAN's kind: leave it out, or give one with -m";
        return Err(Failure::new(format!("{option} {reason}")));
    }
    let (family, config) = (args.parts.family, args.parts.config.as_deref());
    let source = ModelSource::open_with(path, family, config)?;
    Ok(Enlarger::Diffusion(Box::new(Diffusion::new(args, source, options, first)?)))
}

fn refuse_diffusion(args: &UpscaleArgs) -> Result<(), Failure> {
    if let Some(option) = args.diffusion.given() {
        let reason = "is for diffusion models: leave it out, or give one with -m";
        return Err(Failure::new(format!("{option} {reason}")));
    }
    if matches!(args.dtype, Dtype::Int8) {
        return Err(Failure::new("--dtype int8 is for diffusion models: take f32 or bf16"));
    }
    Ok(())
}

/// Whether the model is a network rather than a diffusion model.
fn is_network(args: &UpscaleArgs, path: &Path) -> Result<bool, Failure> {
    if path.is_dir() {
        return Ok(path.join("model.json").is_file());
    }
    // Files of no kind that we know are refused by whoever opens models, in more words.
    if args.parts.family.is_some() || !path.is_file() {
        return Ok(false);
    }
    let file = path.file_name().unwrap_or_default();
    Ok(file != "model_index.json" && Weights::open(path).is_ok_and(|w| Upscaler::is_in(&w)))
}

/// Enlarges a picture in pieces.
fn network(args: &UpscaleArgs, upscaler: &Upscaler, picture: &Picture) -> Result<Large, Failure> {
    let (size, scale) = ([picture.width, picture.height], upscaler.scale());
    if size[0].saturating_mul(size[1]).saturating_mul(scale * scale) > MOST_PIXELS {
        let [width, height] = size;
        return Err(Failure::new(format!(
            "{width}x{height} pixels are too many to enlarge {scale} times: the result may have \
             {MOST_PIXELS}"
        )));
    }
    let tiles = upscaler.tiles(size, args.network.tile, args.network.overlap);
    let mut progress = Progress::new("enlarging", upscaler.parts(&tiles) as u64);
    let large = upscaler.upscale(picture, &tiles, &mut || {
        progress.step();
        if stop::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.finish();
    let model = match &args.model {
        None => embedded::UPSCALER.into(),
        Some(path) => path.file_name().unwrap_or_default().to_string_lossy(),
    };
    let said = format!("Upscaler: {model}, Upscale by: {scale}, Version: aquatint {VERSION}");
    Ok(Large { picture: large?, scale, texts: [("parameters", said)].into(), seed: None })
}

fn open(image: &Path) -> Result<Picture, Failure> {
    Picture::open(image).map_err(|error| Failure::new(error.to_string()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let reason = error.to_string();
    let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
    Failure::new(format!("{} cannot be read: {reason}", path.display()))
}

fn report(made: &[Made], seconds: f64) -> Value {
    let pictures = made.iter().map(|made| {
        json!({
            "file": made.file.display().to_string(),
            "width": made.width,
            "height": made.height,
            "seed": made.seed,
        })
    });
    json!({
        "pictures": pictures.collect::<Vec<_>>(),
        "seconds": (seconds * 1000.0).round() / 1000.0,
        "peak_memory_bytes": machine::peak_memory(),
        "threads": rayon::current_num_threads(),
        "version": VERSION,
    })
}
