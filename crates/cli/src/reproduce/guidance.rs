//! `aquatint reproduce guidance`: what following the caption costs and gives (Ho and Salimans 2022;
//! Rombach et al. 2022, section 4.3).

use std::sync::atomic::AtomicBool;

use aquatint_pipeline::{Components, GenerateRequest, ModelSource, Picture, text_to_image};
use aquatint_train::colours::COLOURS;
use aquatint_train::data::{DataConfig, Dataset};
use aquatint_train::pictures::{View, batch};
use aquatint_train::recognition::{Drawings, Question, questions};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::args::GuidanceArgs;
use super::draw::{self, Until};
use super::looker::{Looker, network};
use super::page::{Part, publish};
use super::plot::{Axis, Series, plot};
use super::report::{self, colour, digits, numbered, row};
use super::results::Results;
use super::{about, go_on, training_failure};
use crate::embedded;
use crate::failure::Failure;
use crate::train::Shown;

/// Captions that are drawn before progress is shown.
const AT_ONCE: usize = 8;
/// Columns and rows of a sheet of samples.
const SHEET: [usize; 2] = [10, 2];

/// Draws and measures what is not there yet, then writes the report.
pub fn run(args: &GuidanceArgs, shown: &mut Shown) -> Result<(), Failure> {
    let common = &args.common;
    if let Some(scale) = args.scales.iter().find(|scale| !(1.0..=100.0).contains(*scale)) {
        return Err(Failure::new(format!("a guidance scale of {scale} is not from 1 to 100")));
    }
    let network = network(&common.features)?;
    let source = match &args.model {
        Some(path) => ModelSource::open_with(path, None, None)?,
        None => embedded::model()?,
    };
    let components = Components::load(&source, &draw::load_options())?;
    let [width, height]: [usize; 2] = components.config.outline().default_size.into();
    if width != height {
        return Err(Failure::new(format!(
            "the model draws {width}x{height} pixels by itself: this is for square pictures"
        )));
    }
    let name = args.model.as_ref().map_or(embedded::NAME.into(), |path| path.display().to_string());
    let settings = json!({
        "experiment": "guidance",
        "model": name,
        "data": common.data,
        "features": common.features,
        "samples": common.samples,
        "seed": common.seed,
    });
    let mut results = Results::open(&common.output, common.resume, &settings)?;
    let config = DataConfig::new(&common.data, width);
    let wrong = |error| training_failure(&error);
    let held_out = Dataset::held_out(&config, shown).map_err(wrong)?;
    let asked: Vec<View<'_>> = questions(&held_out, held_out.len(), common.seed)
        .iter()
        .map(|question| View::whole(question.drawing, COLOURS[question.colour].rgb))
        .collect();
    let reference = Picture::from_images(&batch(&asked, width, width));
    let data = Dataset::open(&config, shown).map_err(wrong)?;
    let questions = questions(&data.train, common.samples as usize, common.seed);
    if reference.len() < 2 || questions.len() < 2 {
        let folder = common.data.display();
        return Err(Failure::new(format!(
            "{folder}: too few pictures have a label that captions can be made of"
        )));
    }
    let looker = Looker::new(network, &reference, shown)?;
    let drawings = Drawings::new(&data.train, width);
    results.set(&["about"], about())?;
    results.set(&["names"], looker.names())?;
    results.set(&["held_out"], json!(reference.len()))?;
    for &steps in &common.ddim_steps {
        for scale in &args.scales {
            let (steps_key, scale_key) = (steps.to_string(), scale.to_string());
            let key = ["quality", &steps_key, &scale_key];
            if results.get(&key).is_some() {
                continue;
            }
            let what = format!("scale {scale}, {steps} steps");
            let pictures =
                drawn(&components, &questions, (*scale, steps, common.seed), &what, shown)?;
            let mut found = looker.quality(&pictures, shown)?;
            let looked = |(question, picture)| drawings.look(picture, question);
            let seen: Vec<_> = questions.iter().zip(&pictures).map(looked).collect();
            let part = |hits: usize| hits as f64 / seen.len() as f64;
            found["label"] = json!(part(seen.iter().filter(|found| found.label).count()));
            found["style"] = json!(part(seen.iter().filter(|found| found.style).count()));
            found["colour"] = json!(part(seen.iter().filter(|found| found.colour).count()));
            let sheet = common.output.join(sheet_name(steps as f64, *scale));
            draw::sheet(&sheet, &pictures, SHEET[0], SHEET[1])?;
            results.set(&key, found)?;
            tell(args, &results)?;
        }
    }
    tell(args, &results)
}

fn sheet_name(steps: f64, scale: f64) -> String {
    format!("samples-scale-{scale}-ddim-{steps}.png")
}

/// A picture for each caption.
fn drawn(
    components: &Components,
    questions: &[Question<'_>],
    (scale, steps, seed): (f64, u64, u64),
    what: &str,
    shown: &mut Shown,
) -> Result<Vec<Picture>, Failure> {
    let stop = shown.stop.clone();
    let stop: &AtomicBool = &stop;
    let mut pictures = Vec::with_capacity(questions.len());
    for some in questions.chunks(AT_ONCE) {
        go_on(shown)?;
        let first = seed + pictures.len() as u64;
        let one = |(i, question): (usize, &Question<'_>)| {
            let request = GenerateRequest {
                prompt: question.caption.clone(),
                steps: steps as usize,
                guidance_scale: scale,
                seed: first + i as u64,
                ..Default::default()
            };
            text_to_image(components, &request, &mut Until(stop))
        };
        let found: Result<Vec<Vec<Picture>>, _> = some.par_iter().enumerate().map(one).collect();
        pictures.extend(found?.concat());
        shown.show(what, pictures.len() as u64, questions.len() as u64, "");
    }
    Ok(pictures)
}

fn tell(args: &GuidanceArgs, results: &Results) -> Result<(), Failure> {
    let all = results.all();
    let [fd, kd] = ["fd", "kd"].map(|key| all["names"][key].as_str().unwrap_or(key).to_owned());
    let mut parts = vec![Part::Text(format!(
        "{} pictures for captions of the training data by {}, for every guidance scale and number of DDIM \
         steps, compared with {} held-out pictures by {}. Label, style and colour are those of the \
         training drawing nearest to a picture.",
        all["settings"]["samples"],
        all["settings"]["model"].as_str().unwrap_or("the model"),
        all["held_out"],
        all["names"]["network"].as_str().unwrap_or("a network"),
    ))];
    let mut table = vec![row([
        "DDIM steps",
        "scale",
        &fd,
        &kd,
        "precision",
        "recall",
        "density",
        "coverage",
        "label",
        "style",
        "colour",
    ])];
    let keys =
        ["fd", "kd", "precision", "recall", "density", "coverage", "label", "style", "colour"];
    for (steps, at) in numbered(&all["quality"]) {
        for (scale, found) in numbered(at) {
            let mut cells = vec![format!("{steps}"), format!("{scale}")];
            cells.extend(keys.iter().map(|key| digits(&found[*key])));
            table.push(cells);
        }
    }
    parts.push(Part::Table(table));
    let series = |key: &str| -> Vec<Series> {
        let lines = numbered(&all["quality"]).into_iter().enumerate();
        let line = |(i, (steps, at)): (usize, (f64, &Value))| {
            let value = |found: &Value| found[key].as_f64().unwrap_or(f64::NAN);
            let points = numbered(at).into_iter().map(|(scale, found)| [scale, value(found)]);
            Series { name: format!("{steps} steps"), colour: colour(i), points: points.collect() }
        };
        lines.map(line).collect()
    };
    for (file, key, title) in [
        ("fd-by-scale.svg", "fd", fd.as_str()),
        ("precision-by-scale.svg", "precision", "precision"),
        ("recall-by-scale.svg", "recall", "recall"),
        ("label-by-scale.svg", "label", "part with the asked-for label"),
        ("style-by-scale.svg", "style", "part with the asked-for style"),
    ] {
        let svg =
            plot(title, &Axis::logarithmic("guidance scale"), &Axis::linear(title), &series(key));
        parts.push(Part::Plot(file, svg));
    }
    parts.push(Part::Heading("Samples".into()));
    if let Some((steps, at)) = numbered(&all["quality"]).pop() {
        for (scale, _) in numbered(at) {
            let what = format!("guidance scale {scale}, {steps} DDIM steps");
            parts.push(Part::Picture(sheet_name(steps, scale).into(), what));
        }
    }
    parts.extend(report::about(all));
    publish(&args.common.output, "How far to follow the caption", &parts)
}
