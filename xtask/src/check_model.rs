//! `cargo xtask check-model`: does the model draw what it was asked for?
//!
//! Captions "{style} emoji of {label}, {colour} background" are drawn from the training part; for
//! each picture, the nearest training drawing (mean absolute RGB difference at 32×32, every
//! drawing composited on the asked-for background) says what was drawn. Three figures: how often
//! it has the asked-for label, how often the asked-for style, and how often the median colour of
//! the border is nearest to the asked-for background.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use aquatint_pipeline::{
    Components, GenerateRequest, ModelSource, Picture, Tiling, contact_sheet, png, text_to_image,
};
use aquatint_train::colours::COLOURS;
use aquatint_train::data::{DataConfig, Dataset};
use aquatint_train::monitor::Monitor;
use aquatint_train::pictures::{View, batch};
use aquatint_train::recognition::{Drawings, Question, questions};
use rayon::prelude::*;

use crate::dtype::Dtype;

/// Options of `cargo xtask check-model`.
#[derive(clap::Args)]
pub struct Args {
    /// The model folder.
    #[arg(short, long, default_value = "models/seven-styles")]
    model: PathBuf,
    /// The data folder.
    #[arg(long, default_value = "data/seven-styles")]
    data: PathBuf,
    /// How many captions.
    #[arg(short = 'n', long, default_value_t = 100)]
    count: usize,
    /// What captions are drawn by, and the first picture's seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// DDIM steps.
    #[arg(long, default_value_t = 50)]
    steps: usize,
    /// How strongly to follow the caption.
    #[arg(long, default_value_t = GenerateRequest::default().guidance_scale)]
    guidance_scale: f64,
    /// Draw as `aquatint generate --fast` does.
    #[arg(long)]
    fast: bool,
    /// How to compute.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// Measure the training drawings themselves, as the autoencoder gives them back: what a
    /// perfect denoiser would score.
    #[arg(long)]
    ceiling: bool,
    /// Where the contact sheet goes: pairs of the picture and the training drawing nearest to it.
    #[arg(short, long, default_value = "out/check-model.png")]
    output: PathBuf,
}

/// Draws, compares, prints.
pub fn run(args: Args) -> Result<()> {
    let config = DataConfig { memory_gb: f64::INFINITY, ..DataConfig::new(&args.data, 128) };
    let data = Dataset::open(&config, &mut Quiet)?;
    let questions = questions(&data.train, args.count, args.seed);
    let components = Components::load(&ModelSource::folder(&args.model)?, &args.dtype.options())?;
    let pictures = if args.ceiling {
        reconstructed(&components, &questions)
    } else {
        generated(&components, &questions, &args)?
    };

    let small = Drawings::new(&data.train, 128);
    let mut sheet = Vec::new();
    let [mut labels, mut styles, mut colours] = [0; 3];
    for (question, picture) in questions.iter().zip(&pictures) {
        let found = small.look(picture, question);
        let nearest = &data.train[found.nearest];
        labels += usize::from(found.label);
        styles += usize::from(found.style);
        colours += usize::from(found.colour);
        let background = COLOURS[question.colour].rgb;
        sheet.push(picture.clone());
        sheet.extend(Picture::from_images(&batch(&[View::whole(nearest, background)], 128, 128)));
        println!(
            "{} | nearest: {} emoji of {}",
            question.caption,
            nearest.style_word.as_deref().unwrap_or("?"),
            nearest.label.as_deref().unwrap_or("?")
        );
    }
    if let Some(folder) = args.output.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let sheet = contact_sheet(&sheet, 20);
    png::save(&args.output, &sheet, &Default::default())?;
    let percent = |hits: usize| 100.0 * hits as f64 / questions.len() as f64;
    println!(
        "label {:.0} %, style {:.0} %, colour {:.0} % of {} captions; contact sheet {}",
        percent(labels),
        percent(styles),
        percent(colours),
        questions.len(),
        args.output.display()
    );
    Ok(())
}

fn generated(
    components: &Components,
    questions: &[Question<'_>],
    args: &Args,
) -> Result<Vec<Picture>> {
    let done = AtomicUsize::new(0);
    let draw = |(i, question): (usize, &Question<'_>)| -> Result<Vec<Picture>> {
        let request = GenerateRequest {
            prompt: question.caption.clone(),
            steps: args.steps,
            guidance_scale: args.guidance_scale,
            seed: args.seed + i as u64,
            ..Default::default()
        };
        let request = if args.fast { request.fast() } else { request };
        let pictures = text_to_image(components, &request, &mut ())?;
        let done = 1 + done.fetch_add(1, Ordering::Relaxed);
        if done.is_multiple_of(10) {
            eprintln!("{done} of {} pictures", questions.len());
        }
        Ok(pictures)
    };
    let pictures: Result<Vec<Vec<Picture>>> = questions.par_iter().enumerate().map(draw).collect();
    Ok(pictures?.concat())
}

fn reconstructed(components: &Components, questions: &[Question<'_>]) -> Vec<Picture> {
    let views = questions.iter().map(|q| View::whole(q.drawing, COLOURS[q.colour].rgb));
    views
        .flat_map(|view| {
            let latents = components.vae.mode(&batch(&[view], 128, 128));
            Picture::from_images(&components.vae.decode(&latents, Tiling::Off))
        })
        .collect()
}

/// Reading the data takes seconds; nothing is shown.
struct Quiet;

impl Monitor for Quiet {
    fn seconds(&self) -> f64 {
        0.0
    }
}
