//! `aquatint reproduce compression`: section 4.1 of the paper, and its figures 2, 6 and 7.

use std::path::{Path, PathBuf};

use aquatint_checkpoint::Weights;
use aquatint_eval::measure::{self, Input};
use aquatint_eval::open_distance;
use aquatint_pipeline::{ModelSource, Picture, open_model};
use aquatint_train::colours::{COLOURS, WHITE};
use aquatint_train::data::{DataConfig, Dataset};
use aquatint_train::pictures::{View, batch};
use serde_json::{Value, json};

use super::args::CompressionArgs;
use super::configs::{self, Row};
use super::looker::{Looker, network};
use super::results::Results;
use super::training::{self, Budget};
use super::{about, draw, folder, go_on, rate, report, training_failure, write};
use crate::console;
use crate::failure::Failure;
use crate::train::Shown;

/// Held-out pictures that rate and distortion are measured on.
const RATED: usize = 32;
/// Columns and rows of a sheet of samples.
const SHEET: [usize; 2] = [10, 4];

/// Trains and measures what is not there yet, then writes the report.
pub fn run(args: &CompressionArgs, shown: &mut Shown) -> Result<(), Failure> {
    let budget = budget(args)?;
    let rows = configs::rows(args.configs.as_deref(), &args.factors)?;
    let size = rows[0].1;
    let network = network(&args.common.features)?;
    let mut results =
        Results::open(&args.common.output, args.common.resume, &settings(args, budget, size))?;
    let data = DataConfig::new(&args.common.data, size);
    let held_out = Dataset::held_out(&data, shown).map_err(|error| training_failure(&error))?;
    let views: Vec<View<'_>> =
        held_out.iter().map(|drawing| View::whole(drawing, COLOURS[WHITE].rgb)).collect();
    let held_out = Picture::from_images(&batch(&views, size, size));
    let lab =
        Lab { args, budget, held_out: &held_out, pictures: args.common.output.join("held-out") };
    lab.write_held_out()?;
    let looker = Looker::new(network, &held_out, shown)?;
    results.set(&["about"], about())?;
    results.set(&["names"], looker.names())?;
    results.set(&["held_out"], json!(held_out.len()))?;
    for (row, _) in &rows {
        lab.train(row, &mut results, shown)?;
        lab.measure(row, &looker, &mut results, shown)?;
        report::compression(&args.common.output, &results)?;
    }
    report::compression(&args.common.output, &results)
}

fn budget(args: &CompressionArgs) -> Result<Budget, Failure> {
    match args.steps {
        Some(steps) => Ok(Budget::Steps(steps)),
        None if args.budget.is_finite() && args.budget > 0.0 => {
            Ok(Budget::Seconds(60.0 * args.budget))
        }
        None => Err(Failure::new(format!("--budget {} is no time: give minutes", args.budget))),
    }
}

/// What must be the same when the experiment goes on.
fn settings(args: &CompressionArgs, budget: Budget, size: usize) -> Value {
    let common = &args.common;
    json!({
        "experiment": "compression",
        "data": common.data,
        "size": size,
        "budget": budget.json(),
        "first_stage_steps": args.first_stage_steps,
        "configs": args.configs,
        "features": common.features,
        "samples": common.samples,
        "ddim_steps": common.ddim_steps,
        "seed": common.seed,
    })
}

struct Lab<'a> {
    args: &'a CompressionArgs,
    budget: Budget,
    held_out: &'a [Picture],
    /// Where these are.
    pictures: PathBuf,
}

impl Lab<'_> {
    /// So that `aquatint eval` can be asked about them as well.
    fn write_held_out(&self) -> Result<(), Failure> {
        folder(&self.pictures)?;
        for (i, picture) in self.held_out.iter().enumerate() {
            let path = self.pictures.join(format!("{i:04}.png"));
            if !path.exists() {
                draw::sheet(&path, std::slice::from_ref(picture), 1, 1)?;
            }
        }
        Ok(())
    }

    fn place(&self, row: &Row) -> PathBuf {
        self.args.common.output.join(format!("ldm-{}", row.factor))
    }

    fn train(&self, row: &Row, results: &mut Results, shown: &mut Shown) -> Result<(), Failure> {
        let (place, factor) = (self.place(row), row.factor.to_string());
        folder(&place)?;
        let model = place.join("model");
        let placed =
            |text: &str, run: &str, more: &[(&str, &str, Value)]| -> Result<PathBuf, Failure> {
                let path = place.join(format!("{run}.toml"));
                let text =
                    configs::placed(text, &self.args.common.data, &place.join(run), &model, more);
                write(&path, text.as_bytes())?;
                Ok(path)
            };
        let known = |results: &Results, part: &str| results.get(&["ldm", &factor, part]).is_some();
        if let Some(text) = row.autoencoder.as_ref().filter(|_| !known(results, "first_stage")) {
            note(shown, &format!("LDM-{factor}: first stage"));
            let path = placed(text, "autoencoder", &[])?;
            let found = training::first_stage(&path, self.args.first_stage_steps, shown)?;
            results.set(&["ldm", &factor, "first_stage"], found)?;
        }
        if known(results, "diffusion") {
            return Ok(());
        }
        note(shown, &format!("LDM-{factor}: diffusion"));
        let every = self.budget.exported_every().map(|n| ("run", "checkpoint_every", json!(n)));
        let path = placed(&row.diffusion, "diffusion", every.as_slice())?;
        let mut found = training::diffusion(&path, self.budget, &place.join("kept"), shown)?;
        found["parameters"] = json!(parameters(&model)?);
        results.set(&["ldm", &factor, "diffusion"], found)
    }

    fn measure(
        &self,
        row: &Row,
        looker: &Looker,
        results: &mut Results,
        shown: &mut Shown,
    ) -> Result<(), Failure> {
        let (place, factor) = (self.place(row), row.factor.to_string());
        let common = &self.args.common;
        let points = results.get(&["ldm", &factor, "diffusion", "points"]).cloned();
        let points = points.and_then(|points| points.as_array().cloned()).unwrap_or_default();
        let newest = points.last().cloned().unwrap_or_default();
        for point in &points {
            let step = point["step"].to_string();
            let name = point["model"].as_str().unwrap_or_default();
            let all =
                if *point == newest { &common.ddim_steps[..] } else { &common.ddim_steps[..1] };
            let source = ModelSource::folder(place.join("kept").join(name))?;
            let options = draw::load_options();
            let model = open_model(&source, &options)?;
            for &steps in all {
                let key = ["ldm", &factor, "quality", &step, &steps.to_string()].map(str::to_owned);
                let key = key.each_ref().map(String::as_str);
                if results.get(&key).is_some() {
                    continue;
                }
                go_on(shown)?;
                note(
                    shown,
                    &format!("LDM-{factor}: quality after step {step}, {steps} DDIM steps"),
                );
                let count = common.samples as usize;
                let (pictures, seconds) =
                    draw::pictures(&*model, count, common.seed, steps, shown)?;
                let mut found = looker.quality(&pictures, shown)?;
                found["images_per_second"] = json!(pictures.len() as f64 / seconds);
                let sheet = place.join(format!("samples-{step}-ddim-{steps}.png"));
                draw::sheet(&sheet, &pictures, SHEET[0], SHEET[1])?;
                results.set(&key, found)?;
            }
            if *point != newest {
                continue;
            }
            if results.get(&["ldm", &factor, "rate"]).is_none() {
                note(shown, &format!("LDM-{factor}: rate and distortion"));
                let spread = (self.held_out.len() / RATED).max(1);
                let some: Vec<Picture> =
                    self.held_out.iter().step_by(spread).take(RATED).cloned().collect();
                let curve = rate::curve(&*model, &some, common.seed)?;
                results.set(&["ldm", &factor, "rate"], json!(curve))?;
            }
            if row.autoencoder.is_some() && results.get(&["ldm", &factor, "kept"]).is_none() {
                let found = self.reconstruction(&*model, looker, &place, shown)?;
                results.set(&["ldm", &factor, "kept"], found)?;
            }
        }
        Ok(())
    }

    /// What the first stage keeps of held-out pictures.
    fn reconstruction(
        &self,
        model: &dyn aquatint_pipeline::Model,
        looker: &Looker,
        place: &Path,
        shown: &mut Shown,
    ) -> Result<Value, Failure> {
        let input = Input::open(&self.pictures)?;
        let size = self.held_out.first().map(|picture| picture.width);
        // Inception's file is none of those.
        let perceptual = open_distance(&self.args.common.features, None).ok();
        let perceptual = perceptual.as_deref().filter(|p| size.is_some_and(|s| s >= p.smallest()));
        let mut options = measure::Options::default();
        options.reading.most = Some(self.args.common.samples as usize);
        let found = measure::reconstruction(
            &input,
            model,
            size,
            Some(looker.network()),
            perceptual,
            &options,
            shown,
        )?;
        if let Some(picture) = found.picture() {
            draw::sheet(&place.join("reconstructions.png"), &[picture], 1, 1)?;
        }
        Ok(found.json()["figures"].clone())
    }
}

/// A line before each part of the work.
fn note(shown: &mut Shown, text: &str) {
    shown.clear();
    console::note(text);
}

/// Parameters of a U-Net.
fn parameters(model: &Path) -> Result<usize, Failure> {
    let path = model.join("unet/diffusion_pytorch_model.safetensors");
    let wrong = |error| Failure::new(format!("{}: {error}", path.display()));
    let weights = Weights::open(&path).map_err(wrong)?;
    let sizes = weights.names().filter_map(|name| weights.shape(name));
    Ok(sizes.map(|shape| shape.iter().product::<usize>()).sum())
}
