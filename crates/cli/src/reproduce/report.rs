//! What came out, in tables, plots and pictures. Everything is read from `results.json`, so that
//! a report can be made of a part of an experiment.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::page::{Part, publish};
use super::plot::{Axis, Series, plot};
use super::results::Results;
use super::tables::{Ldm, findings, first_stages, number, perceptual, sampling, while_training};
use crate::failure::Failure;

/// Colours of lines, one after the other.
const COLOURS: [&str; 7] =
    ["#c0392b", "#e08e0b", "#2e8b3d", "#1e5aaa", "#7d3c98", "#7a5230", "#16a2a8"];

/// The colour of the line number `i`.
pub fn colour(i: usize) -> &'static str {
    COLOURS[i % COLOURS.len()]
}

/// Three or four digits.
pub fn digits(value: &Value) -> String {
    match value.as_f64() {
        None => "–".into(),
        Some(x) if x.abs() >= 1000.0 => format!("{x:.0}"),
        Some(x) if x.abs() >= 100.0 => format!("{x:.1}"),
        Some(x) if x.abs() >= 1.0 => format!("{x:.2}"),
        Some(x) if x.abs() >= 0.01 || x == 0.0 => format!("{x:.3}"),
        Some(x) => format!("{x:.1e}"),
    }
}

/// How it came about.
pub fn about(all: &Value) -> Vec<Part> {
    let said = |key: &str| all["about"][key].as_str().unwrap_or_default().to_owned();
    vec![
        Part::Heading("How this came about".into()),
        Part::List(vec![
            format!("`{}`, version {}", said("command"), said("version")),
            said("machine"),
            format!("seed {}; results.json has all numbers", all["settings"]["seed"]),
        ]),
    ]
}

/// A row of a table.
pub fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// The entries of an object whose names are numbers, in their order.
pub fn numbered(value: &Value) -> Vec<(f64, &Value)> {
    let entries = value.as_object().into_iter().flatten();
    let mut found: Vec<(f64, &Value)> =
        entries.filter_map(|(name, value)| Some((name.parse().ok()?, value))).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found
}

/// The report of `aquatint reproduce compression`.
///
/// # Errors
/// If it cannot be written.
pub fn compression(folder: &Path, results: &Results) -> Result<(), Failure> {
    let all = results.all();
    let ldms: Vec<Ldm<'_>> = numbered(&all["ldm"])
        .into_iter()
        .enumerate()
        .map(|(i, (factor, value))| Ldm { factor, value, colour: colour(i) })
        .collect();
    let settings = &all["settings"];
    let ddim = settings["ddim_steps"][0].as_f64().unwrap_or(0.0);
    let [fd, kd] = ["fd", "kd"].map(|key| all["names"][key].as_str().unwrap_or(key).to_owned());
    let size = &settings["size"];
    let budget = match settings["budget"]["seconds"].as_f64() {
        Some(seconds) => format!("{:.1} minutes of training steps", seconds / 60.0),
        None => format!("{} training steps", settings["budget"]["steps"]),
    };
    let mut parts = vec![Part::Text(format!(
        "Unconditional latent diffusion models with downsampling factors f of pictures of {size}×{size} \
         (Rombach et al. 2022, section 4.1), each trained for {budget}. LDM-1 works on pixels. Samples \
         ({} for each measurement) are compared with {} held-out pictures by {}.",
        settings["samples"],
        all["held_out"],
        all["names"]["network"].as_str().unwrap_or("a network")
    ))];
    parts.push(Part::Heading("First stages".into()));
    parts.push(first_stages(&ldms));
    parts.push(Part::Plot("perceptual-compression.svg", perceptual(&ldms)));
    for ldm in &ldms {
        let path = PathBuf::from(format!("ldm-{}/reconstructions.png", ldm.factor));
        let what = format!("{}: held-out pictures, each followed by what came back", ldm.name());
        parts.push(Part::Picture(path, what));
    }
    parts.push(Part::Heading("Rate and distortion of the diffusion models".into()));
    parts.push(Part::Text(
        "A picture is sent as its latents under less and less noise; the distortion is that of the best \
         guess so far. Where a curve ends, the first stage's own error is what remains."
            .into(),
    ));
    let rates = |ldm: &Ldm<'_>| {
        let points = ldm.value["rate"].as_array().cloned().unwrap_or_default();
        let at = |point: &Value, i: usize| point[i].as_f64().unwrap_or(f64::NAN);
        let points = points.iter().map(|point| [at(point, 0), at(point, 1)]);
        // Where next to nothing is sent, there is next to nothing to see.
        ldm.series(points.filter(|point| point[0] > 1e-4).collect())
    };
    parts.push(Part::Plot(
        "rate-distortion.svg",
        plot(
            "Rate and distortion",
            &Axis::logarithmic("rate (bits for each number of the picture)"),
            &Axis::linear("RMSE (of 255)"),
            &ldms.iter().map(rates).collect::<Vec<_>>(),
        ),
    ));
    parts.push(Part::Heading("Quality while training".into()));
    parts.push(while_training(&ldms, ddim, [&fd, &kd]));
    for (file, x, which) in [
        ("quality-by-steps.svg", "training steps", 0),
        ("quality-by-time.svg", "seconds of training", 1),
    ] {
        let series = |ldm: &Ldm<'_>| {
            let points = ldm.on_the_way(ddim).into_iter();
            let x = |seconds, step| if which == 0 { step } else { seconds };
            ldm.series(
                points.map(|(seconds, step, q)| [x(seconds, step), number(q, "fd")]).collect(),
            )
        };
        let series: Vec<Series> = ldms.iter().map(series).collect();
        let title = format!("{fd} of samples of {ddim} DDIM steps");
        let svg = plot(&title, &Axis::logarithmic(x), &Axis::linear(fd.clone()), &series);
        parts.push(Part::Plot(file, svg));
    }
    parts.push(Part::Heading("Quality and speed of sampling".into()));
    parts.push(sampling(&ldms, [&fd, &kd]));
    let series = |ldm: &Ldm<'_>| {
        let points = ldm.at_end().into_iter();
        ldm.series(points.map(|(_, q)| [number(q, "images_per_second"), number(q, "fd")]).collect())
    };
    parts.push(Part::Plot(
        "quality-by-speed.svg",
        plot(
            "Quality and speed at the end of training, by DDIM steps",
            &Axis::logarithmic("images a second"),
            &Axis::linear(fd.clone()),
            &ldms.iter().map(series).collect::<Vec<_>>(),
        ),
    ));
    parts.push(Part::Heading("Samples at the end of training".into()));
    for ldm in &ldms {
        let Some((step, at)) = numbered(&ldm.value["quality"]).pop() else { continue };
        let Some((most, _)) = numbered(at).pop() else { continue };
        let path = format!("ldm-{}/samples-{step}-ddim-{most}.png", ldm.factor);
        parts.push(Part::Picture(path.into(), format!("{}, {most} DDIM steps", ldm.name())));
    }
    parts.push(Part::Heading("What the paper says, and what this says".into()));
    parts.push(Part::List(findings(&ldms, ddim, &fd)));
    parts.extend(about(all));
    parts.push(Part::Text(
        "By hand: `aquatint train autoencoder --config ldm-4/autoencoder.toml`, then `aquatint train \
         diffusion --config ldm-4/diffusion.toml`; `aquatint sample -m ldm-4/model` draws; `aquatint \
         eval` with the folder held-out measures."
            .into(),
    ));
    publish(folder, "How far to compress before diffusion", &parts)
}
