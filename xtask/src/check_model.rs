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
use aquatint_tensor::{Rng, Tensor};
use aquatint_train::captions;
use aquatint_train::colours::{COLOURS, WHITE};
use aquatint_train::data::{DataConfig, Dataset, Drawing};
use aquatint_train::monitor::Monitor;
use aquatint_train::pictures::{View, batch, small_batch};
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

/// Width and height at which pictures are compared.
const SMALL: usize = 32;

/// One caption with what it asks for.
struct Question<'a> {
    drawing: &'a Drawing,
    colour: usize,
    caption: String,
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

    let small = Shrunk::new(&data.train);
    let mut sheet = Vec::new();
    let [mut labels, mut styles, mut colours] = [0; 3];
    for (question, picture) in questions.iter().zip(&pictures) {
        let nearest = &data.train[small.nearest(picture, question.colour)];
        labels += usize::from(nearest.label == question.drawing.label);
        styles += usize::from(nearest.style_word == question.drawing.style_word);
        colours += usize::from(nearest_colour(border_median(picture)) == question.colour);
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

/// `count` captions for different drawings, each with a background that it can be seen on.
fn questions(drawings: &[Drawing], count: usize, seed: u64) -> Vec<Question<'_>> {
    let mut rng = Rng::new(seed);
    let anywhere = |d: &&Drawing| COLOURS.iter().any(|colour| visible(d, colour.rgb));
    let labelled = drawings.iter().filter(|d| d.label.is_some());
    let mut order: Vec<&Drawing> = labelled.filter(anywhere).collect();
    rng.shuffle(&mut order);
    order.truncate(count);
    order
        .into_iter()
        .map(|drawing| {
            let colour = loop {
                let colour = rng.below(COLOURS.len());
                if visible(drawing, COLOURS[colour].rgb) {
                    break colour;
                }
            };
            Question { drawing, colour, caption: captions::plain(drawing, colour) }
        })
        .collect()
}

/// Whether a drawing stands out from a background at all: black icons on black do not.
fn visible(drawing: &Drawing, background: [u8; 3]) -> bool {
    let stands_out =
        |pixel: &&[u8]| pixel[3] > 128 && (0..3).any(|c| pixel[c].abs_diff(background[c]) > 40);
    drawing.pixels.chunks_exact(4).filter(stands_out).count() * 50 > drawing.pixels.len() / 4
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

/// Every training drawing at [`SMALL`], on every background.
struct Shrunk(Vec<Vec<f32>>);

impl Shrunk {
    fn new(drawings: &[Drawing]) -> Self {
        Self(
            COLOURS
                .iter()
                .map(|colour| {
                    let views: Vec<View<'_>> =
                        drawings.iter().map(|d| View::whole(d, colour.rgb)).collect();
                    small_batch(&views, 128, SMALL).to_vec()
                })
                .collect(),
        )
    }

    /// The index of the drawing nearest to `picture` if both are on this background.
    fn nearest(&self, picture: &Picture, colour: usize) -> usize {
        let picture = shrink(picture);
        let distance = |drawing: &[f32]| -> f32 {
            drawing.iter().zip(&picture).map(|(a, b)| (a - b).abs()).sum()
        };
        let distances: Vec<f32> =
            self.0[colour].par_chunks_exact(SMALL * SMALL * 3).map(distance).collect();
        (0..distances.len())
            .min_by(|&a, &b| distances[a].total_cmp(&distances[b]))
            .expect("there are drawings")
    }
}

/// A picture at [`SMALL`], -1 to 1.
fn shrink(picture: &Picture) -> Vec<f32> {
    let pixels = picture.rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    let drawing = Drawing { pixels, ..Drawing::default() };
    let small: Tensor =
        small_batch(&[View::whole(&drawing, COLOURS[WHITE].rgb)], picture.width, SMALL);
    small.to_vec()
}

/// The median of each channel over the outermost pixels.
fn border_median(picture: &Picture) -> [u8; 3] {
    let (w, h) = (picture.width, picture.height);
    let border = (0..w * h).filter(|i| {
        let (x, y) = (i % w, i / w);
        x == 0 || y == 0 || x == w - 1 || y == h - 1
    });
    let mut channels: [Vec<u8>; 3] = Default::default();
    for i in border {
        for (channel, values) in channels.iter_mut().enumerate() {
            values.push(picture.rgb[3 * i + channel]);
        }
    }
    channels.map(|mut values| {
        values.sort_unstable();
        values[values.len() / 2]
    })
}

/// The index of the named colour with the least squared difference.
fn nearest_colour(rgb: [u8; 3]) -> usize {
    let distance = |i: &usize| -> i32 {
        let named = COLOURS[*i].rgb;
        (0..3).map(|c| (i32::from(named[c]) - i32::from(rgb[c])).pow(2)).sum()
    };
    (0..COLOURS.len()).min_by_key(distance).expect("there are colours")
}

/// Reading the data takes seconds; nothing is shown.
struct Quiet;

impl Monitor for Quiet {
    fn seconds(&self) -> f64 {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A drawing of one colour with a transparent border.
    fn square(name: &str, rgb: [u8; 3]) -> Drawing {
        let pixel = |i: usize| {
            let (x, y) = (i % 128, i / 128);
            let inside = (20..108).contains(&x) && (20..108).contains(&y);
            [rgb[0], rgb[1], rgb[2], if inside { 255 } else { 0 }]
        };
        Drawing {
            label: Some(name.into()),
            pixels: (0..128 * 128).flat_map(pixel).collect(),
            ..Drawing::default()
        }
    }

    #[test]
    fn what_cannot_be_seen_is_not_asked_for() {
        let icon = square("icon", [0, 0, 0]);
        assert!(!visible(&icon, [20, 20, 20]));
        assert!(visible(&icon, [255, 255, 255]));
    }

    #[test]
    fn a_drawing_is_nearest_to_itself_on_any_background() {
        let drawings = [square("red", [200, 0, 0]), square("green", [0, 200, 0])];
        let small = Shrunk::new(&drawings);
        for colour in 0..COLOURS.len() {
            for (i, drawing) in drawings.iter().enumerate() {
                let view = View::whole(drawing, COLOURS[colour].rgb);
                let picture = &Picture::from_images(&batch(&[view], 128, 128))[0];
                assert_eq!(small.nearest(picture, colour), i);
                assert_eq!(nearest_colour(border_median(picture)), colour);
            }
        }
    }
}
