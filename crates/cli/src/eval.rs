//! `aquatint eval`.

use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::time::{Duration, Instant};

use aquatint_checkpoint::atomic;
use aquatint_eval::distances::KernelOptions;
use aquatint_eval::measure::{self, Input, Options};
use aquatint_eval::{
    Clip, EvalError, Features, Reading, Report, Resizing, Watch, open_distance, open_features,
};
use aquatint_pipeline::{Encoding, LoadOptions, ModelSource, open_model, save_picture};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::{EvalArgs, Like, Metric, SingleArgs};
use crate::console;
use crate::failure::Failure;
use crate::names::{check_folder, unwritable};
use crate::{embedded, machine, stop};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Measures and tells. What can be wrong is looked at before anything takes time.
pub fn run(args: &EvalArgs) -> Result<(), Failure> {
    stop::listen();
    check(args)?;
    let a = Input::open(&args.a)?;
    let network = match &args.features {
        Some(file) => Some(open_features(file, resizing(args.like))?),
        None => None,
    };
    machine::start_threads(args.threads)?;
    let began = Instant::now();
    let mut shown = Shown::new();
    let report = machine::compute(|| measured(args, &a, network.as_deref(), &mut shown));
    shown.clear();
    let report = report?;
    if let Some(path) = &args.report {
        write(path, &report)?;
    }
    if args.json {
        let mut json = report.json();
        json["seconds"] = began.elapsed().as_secs_f64().into();
        json["version"] = VERSION.into();
        console::result(&json.to_string());
        return Ok(());
    }
    tell(&report);
    Ok(())
}

/// Refuses what cannot work.
fn check(args: &EvalArgs) -> Result<(), Failure> {
    if let Some((option, what)) = args.not_for_this() {
        return Err(Failure::new(format!("{option} is for {what}: leave it out")));
    }
    let missing = match (args.metric, &args.b) {
        (Metric::Is, Some(_)) => "the Inception score is one of a single set: leave B out",
        (Metric::Fid | Metric::Kid | Metric::Prdc | Metric::Nearest, None) => {
            "this compares two sets: give B as well"
        }
        (Metric::Clip, None) => "give the folder of a CLIP model as B",
        _ => "",
    };
    if !missing.is_empty() {
        return Err(Failure::new(missing));
    }
    let ends = |path: &Path, endings: &[&str]| {
        let end = path.extension().map(|end| end.to_string_lossy().to_lowercase());
        end.is_some_and(|end| endings.contains(&end.as_str()))
    };
    for (path, endings, what) in [
        (&args.report, &["html", "png"][..], ".html or .png"),
        (&args.save_stats, &["npz"][..], ".npz"),
    ] {
        let Some(path) = path else { continue };
        if !ends(path, endings) || path.is_dir() {
            let path = path.display();
            return Err(Failure::new(format!("{path} is no name that ends in {what}")));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        check_folder(folder.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

fn resizing(like: Like) -> Resizing {
    match like {
        Like::TorchFidelity => Resizing::TorchFidelity,
        Like::PytorchFid => Resizing::PytorchFid,
    }
}

fn options(args: &EvalArgs) -> Options {
    let usual = Options::default();
    let single = &args.single;
    let or = |given: Option<u64>, usual: usize| given.map_or(usual, |n| n as usize);
    let seed = single.seed.unwrap_or(usual.seed);
    Options {
        reading: Reading { batch: args.batch as usize, most: args.max.map(|n| n as usize) },
        splits: or(single.splits, usual.splits),
        seed,
        kernel: KernelOptions {
            subsets: or(single.subsets, usual.kernel.subsets),
            size: or(single.subset_size, usual.kernel.size),
            seed,
        },
        neighbours: or(single.neighbours, usual.neighbours),
        save: args.save_stats.clone(),
    }
}

fn measured(
    args: &EvalArgs,
    a: &Input,
    network: Option<&dyn Features>,
    watch: &mut dyn Watch,
) -> Result<Report, Failure> {
    let options = options(args);
    let b = || Input::open(args.b.as_deref().unwrap_or(Path::new("")));
    Ok(match args.metric {
        Metric::Is => measure::inception_score(a, network, &options, watch)?,
        Metric::Fid => measure::fid([a, &b()?], network, &options, watch)?,
        Metric::Kid => measure::kid([a, &b()?], network, &options, watch)?,
        Metric::Prdc => measure::prdc([a, &b()?], network, &options, watch)?,
        Metric::Nearest => measure::nearest([a, &b()?], network, &options, watch)?,
        Metric::Clip => {
            let clip = Clip::load(args.b.as_deref().unwrap_or(Path::new("")))?;
            measure::clip_score(a, &clip, &options, watch)?
        }
        Metric::Reconstruction => {
            let source = match &args.b {
                Some(path) => ModelSource::open_with(path, None, None)?,
                None => embedded::model()?,
            };
            let load = LoadOptions::default();
            let model = open_model(&source, &load)?;
            let SingleArgs { size, perceptual, heads, .. } = &args.single;
            let perceptual = match perceptual {
                Some(file) => Some(open_distance(file, heads.as_deref())?),
                None => None,
            };
            let (size, perceptual) = (size.map(|size| size as usize), perceptual.as_deref());
            measure::reconstruction(a, &*model, size, network, perceptual, &options, watch)?
        }
    })
}

/// Numbers to stdout; sets and what to know about them to stderr.
fn tell(report: &Report) {
    let width = report.figures.iter().map(|figure| figure.title.chars().count()).max().unwrap_or(0);
    for figure in &report.figures {
        console::result(&format!("{:<width$}  {}", figure.title, figure.text()));
    }
    for set in &report.sets {
        let count = set.pictures.map_or("statistics".into(), |count| format!("{count} pictures"));
        console::note(&format!("{}: {count}", set.path));
        if set.skipped.count > 0 {
            console::note(&format!("{}: {} could not be read:", set.path, set.skipped.count));
            set.skipped.first.iter().for_each(|name| console::note(&format!("  {name}")));
        }
    }
    report.notes.iter().for_each(|note| console::note(&format!("note: {note}")));
}

fn write(path: &Path, report: &Report) -> Result<(), Failure> {
    let is_page = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("html"));
    let written = stop::whole(|| match (is_page, report.picture()) {
        (true, _) => atomic::write_file(path, report.html(VERSION).as_bytes()),
        (false, Some(picture)) => {
            save_picture(path, &picture, &Default::default(), Encoding::default())
        }
        (false, None) => Ok(()),
    });
    if !is_page && report.picture().is_none() {
        let path = path.display();
        return Err(Failure::new(format!(
            "{path}: there are no pictures to show, only statistics"
        )));
    }
    written.map_err(|error| unwritable(path, &error))
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Stopped => Self::interrupted(),
            error => Self::new(error.to_string()),
        }
    }
}

/// Shows progress: a bar on a terminal, otherwise a plain line now and then.
struct Shown {
    bar: Option<ProgressBar>,
    /// What the bar, or the last plain line, was about, and when.
    last: (String, Instant),
}

/// Between plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

impl Shown {
    fn new() -> Self {
        Self { bar: None, last: (String::new(), Instant::now()) }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Shown {
    fn progress(&mut self, what: &str, done: usize, total: Option<usize>) {
        let new = self.last.0 != what;
        if !stderr().is_terminal() {
            let finished = total == Some(done);
            if new || finished || self.last.1.elapsed() >= PLAIN_EVERY {
                self.last = (what.to_owned(), Instant::now());
                let total = total.map_or(String::new(), |total| format!("/{total}"));
                console::note(&format!("{what}: {done}{total} pictures"));
            }
            return;
        }
        if new || self.bar.is_none() {
            self.clear();
            let template = match total {
                Some(_) => "{msg} {wide_bar} {pos}/{len} {per_sec} (left: {eta})",
                None => "{msg} {spinner} {pos} {per_sec}",
            };
            let total = total.map(|total| total as u64);
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(template);
            self.bar = Some(bar.with_style(style.unwrap_or(ProgressStyle::default_bar())));
            what.clone_into(&mut self.last.0);
        }
        if let Some(bar) = &self.bar {
            bar.set_message(what.to_owned());
            bar.set_position(done as u64);
        }
    }

    fn stop_requested(&self) -> bool {
        stop::requested()
    }
}
