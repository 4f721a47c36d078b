//! `cargo xtask less-work`: what each way to do less work costs, and what it saves.
//!
//! Likeness is that of the pictures of a trained model to those of the full run, over prompts and
//! seeds. Time is that of a full-size model, whose weights may be random. What is printed is the
//! table of `docs/LESS_WORK.md`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use aquatint_pipeline::{
    Components, GenerateRequest, LoadOptions, ModelSource, Picture, denoise, encode_prompt,
    text_to_image,
};
use aquatint_tensor::Precision;

/// Options of `cargo xtask less-work`.
#[derive(clap::Args)]
pub struct Args {
    /// The trained model.
    #[arg(short, long, default_value = "models/seven-styles")]
    model: PathBuf,
    /// Seeds of each prompt.
    #[arg(long, default_value_t = 4)]
    seeds: usize,
    /// Steps of every run.
    #[arg(long, default_value_t = 25)]
    steps: usize,
    /// A full-size model to time the steps of at 512×512, with guidance, in bf16.
    #[arg(long, value_name = "FOLDER")]
    time: Option<PathBuf>,
    /// Only rows whose names contain this, and the full run.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// Prompts of different kinds, in words of the trained model.
const PROMPTS: &[&str] = &[
    "noto emoji of grinning face, yellow background",
    "flat emoji of sunflower, blue background",
    "twemoji emoji of red apple, white background",
    "glossy 3d emoji of house, green background",
    "blob emoji of thinking face, pink background",
    "emojione emoji of cat face, black background",
];

/// One way to do less: its name, and what it changes.
type Row = (String, GenerateRequest);

/// Draws, compares, prints.
pub fn run(args: Args) -> Result<()> {
    let rows = rows(args.steps, &args.only);
    let components = Components::load(&ModelSource::folder(&args.model)?, &LoadOptions::default())?;
    let seconds = match &args.time {
        Some(folder) => times(folder, &rows)?,
        None => Vec::new(),
    };
    let full = pictures(&components, &rows[0].1, args.seeds)?;
    println!("| {} steps | dB, mean | dB, worst | seconds of denoising |", args.steps);
    println!("|---|---|---|---|");
    for (i, (name, request)) in rows.iter().enumerate() {
        let seconds = seconds.get(i).map_or(String::new(), |s| format!("{s:.1}"));
        if i == 0 {
            println!("| {name} | | | {seconds} |");
            continue;
        }
        let less = pictures(&components, request, args.seeds)?;
        let decibels: Vec<f64> = full.iter().zip(&less).map(|(a, b)| psnr(a, b)).collect();
        let mean = decibels.iter().sum::<f64>() / decibels.len() as f64;
        let worst = decibels.iter().copied().fold(f64::INFINITY, f64::min);
        println!("| {name} | {mean:.1} | {worst:.1} | {seconds} |");
    }
    Ok(())
}

/// The full run, and those that do less. Fewer steps are what everything else competes with.
fn rows(steps: usize, only: &str) -> Vec<Row> {
    let full = GenerateRequest { steps, ..Default::default() };
    let mut rows = Vec::new();
    for fewer in [steps * 4 / 5, steps * 3 / 5, steps * 2 / 5] {
        let request = GenerateRequest { steps: fewer, ..full.clone() };
        rows.push((format!("{fewer} steps"), request));
    }
    for guidance_interval in
        [[0.1, 1.0], [0.2, 1.0], [0.3, 1.0], [0.2, 0.9], [0.0, 0.8], [0.0, 0.6]]
    {
        let [start, stop] = guidance_interval;
        let request = GenerateRequest { guidance_interval, ..full.clone() };
        rows.push((format!("`--guidance-interval {start}..{stop}`"), request));
    }
    for (deep_cache, deep_cache_branch) in [(2, 0), (3, 0), (4, 0), (5, 0), (3, 1), (5, 1)] {
        let request = GenerateRequest { deep_cache, deep_cache_branch, ..full.clone() };
        let mut name = format!("`--deep-cache {deep_cache}`");
        if deep_cache_branch > 0 {
            name = format!("`--deep-cache {deep_cache} --deep-cache-branch {deep_cache_branch}`");
        }
        rows.push((name, request));
    }
    for token_merging in [0.25, 0.5, 0.75] {
        let request = GenerateRequest { token_merging, ..full.clone() };
        rows.push((format!("`--token-merging {token_merging}`"), request));
    }
    rows.push(("`--fast`".into(), full.clone().fast()));
    rows.retain(|(name, _)| name.contains(only));
    rows.insert(0, ("the full run".into(), full));
    rows
}

/// Pictures of every prompt and seed.
fn pictures(
    components: &Components,
    request: &GenerateRequest,
    seeds: usize,
) -> Result<Vec<Picture>> {
    let mut pictures = Vec::with_capacity(PROMPTS.len() * seeds);
    for prompt in PROMPTS {
        let prompt = (*prompt).to_owned();
        let request = GenerateRequest { prompt, count: seeds, ..request.clone() };
        pictures.extend(text_to_image(components, &request, &mut ())?);
    }
    Ok(pictures)
}

/// Seconds of denoising one picture for each row.
fn times(model: &Path, rows: &[Row]) -> Result<Vec<f64>> {
    let options = LoadOptions { precision: Precision::Bf16, ..Default::default() };
    let components = Components::load(&ModelSource::folder(model)?, &options)?;
    let time = |request: &GenerateRequest| -> Result<f64> {
        let (width, height) = (Some(512), Some(512));
        let request = GenerateRequest { width, height, ..request.clone() };
        let embeds = encode_prompt(&components, &request);
        let start = Instant::now();
        let Components { unet, config, .. } = &components;
        denoise(unet, config, &request, &embeds, &request.picture_seeds(), &mut (), &|_| {})?;
        Ok(start.elapsed().as_secs_f64())
    };
    // The first passes of a process are slower.
    time(&GenerateRequest { steps: 2, ..rows[0].1.clone() })?;
    let seconds = |(name, request): &Row| {
        let seconds = time(request)?;
        eprintln!("{name}: {seconds:.1} s");
        Ok(seconds)
    };
    rows.iter().map(seconds).collect()
}

/// Peak signal to noise in dB; of equal pictures, infinite.
fn psnr(a: &Picture, b: &Picture) -> f64 {
    let squares = a.rgb.iter().zip(&b.rgb).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / a.rgb.len() as f64;
    10.0 * (255.0 * 255.0 / mean).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness() {
        let picture = |level: u8| Picture { width: 2, height: 1, rgb: vec![level; 6] };
        assert_eq!(psnr(&picture(7), &picture(7)), f64::INFINITY);
        assert_eq!(psnr(&picture(0), &picture(255)), 0.0);
        assert!((psnr(&picture(10), &picture(35)) - 20.17).abs() < 0.01);
    }

    #[test]
    fn every_row_is_possible() {
        for (name, request) in rows(25, "") {
            assert_eq!(request.validate(), Ok(()), "{name}");
        }
        assert_eq!(rows(25, "fast").len(), 2);
    }
}
