//! `aquatint train`: shows a training run, and stops it with a checkpoint when it is asked to.

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aquatint_train::monitor::{Monitor, StepReport};
use aquatint_train::{Options, Stage, train_among};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{Failure, INTERRUPTED};
use crate::{console, machine, ranks};

/// Train one part of a model, or fine-tune a whole one, as a configuration file says.
///
/// Ctrl-C stops after a checkpoint; the same command with --resume goes on, and the result is the
/// same as without the interruption, to the last bit.
///
/// `mpirun -n N aquatint train …` trains on N processes, on one machine or several that share the
/// folders: each computes its part of `run.batch_size` pictures. It needs a program that was built
/// with `--features mpi`.
#[derive(Args, Debug)]
pub struct TrainArgs {
    /// What to train: of the first three, each builds on the ones before it; the others begin with
    /// any whole model
    #[arg(value_enum)]
    stage: StageName,
    /// Configuration: data, steps, networks
    #[arg(long, value_name = "FILE.toml")]
    config: PathBuf,
    /// Go on from the last checkpoint of the run, if there is one
    #[arg(long)]
    resume: bool,
    /// Train for another number of steps than the file says
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Threads to compute with; the result is the same for any number [default: physical cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StageName {
    /// The autoencoder between pixels and latents
    Autoencoder,
    /// The tokenizer and the text encoder
    Clip,
    /// The U-Net; needs the other two
    Diffusion,
    /// A small file that changes a model: a style or a thing, learned from a few pictures
    Lora,
    /// A whole model, or a LoRA, on pictures of one thing, without forgetting others of its kind
    Dreambooth,
    /// A new word for a model
    TextualInversion,
}

impl From<StageName> for Stage {
    fn from(name: StageName) -> Self {
        match name {
            StageName::Autoencoder => Self::Autoencoder,
            StageName::Clip => Self::Clip,
            StageName::Diffusion => Self::Diffusion,
            StageName::Lora => Self::Lora,
            StageName::Dreambooth => Self::Dreambooth,
            StageName::TextualInversion => Self::TextualInversion,
        }
    }
}

/// Trains until the end, or until Ctrl-C or SIGTERM, after which a checkpoint is written.
pub fn run(args: &TrainArgs) -> Result<(), Failure> {
    machine::start_threads(ranks::threads(args.threads))?;
    let options = Options { steps: args.steps, resume: args.resume, hardware: hardware() };
    let mut shown = Shown::new(stop_flag());
    let outcome = machine::compute(|| {
        ranks::together(|ranks| {
            shown.silent = ranks.rank() > 0;
            train_among(args.stage.into(), &args.config, &options, &mut shown, ranks)
        })
    });
    shown.clear();
    let outcome = outcome?;
    if outcome.stopped {
        return Err(Failure::interrupted());
    }
    if shown.silent {
        return Ok(());
    }
    let loss = outcome.loss.map_or(String::new(), |loss| format!(", loss {loss:.4}"));
    console::note(&format!("{} steps in {}{loss}", outcome.step, duration(outcome.seconds)));
    Ok(())
}

/// Becomes true when the program is asked to end. Unlike a picture, a run is worth waiting for: it
/// ends after the step it is at and its checkpoint. Being asked twice ends it at once, which loses
/// nothing but the steps since the last checkpoint, since files are replaced whole or not at all.
#[allow(clippy::disallowed_methods, reason = "a handler has no main to return to")]
pub fn stop_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    let handler = move || {
        if set.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED.into());
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        console::note(&format!("note: Ctrl-C will not be caught ({error})"));
    }
    flag
}

/// The processor's name and the number of threads.
pub fn hardware() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    format!("{name}, {} threads", rayon::current_num_threads())
}

/// Shows progress: a bar on a terminal, otherwise a plain line now and then.
pub struct Shown {
    began: Instant,
    pub stop: Arc<AtomicBool>,
    /// Another process of the same job shows what there is.
    silent: bool,
    bar: Option<ProgressBar>,
    terminal: bool,
    /// What the bar, or the last plain line, was about, and when.
    last: (String, f64),
}

/// Seconds between plain lines.
const PLAIN_EVERY: f64 = 10.0;

impl Shown {
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        let terminal = stderr().is_terminal();
        let last = (String::new(), f64::NEG_INFINITY);
        Self { began: Instant::now(), stop, silent: false, bar: None, terminal, last }
    }

    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    pub fn show(&mut self, what: &str, done: u64, total: u64, text: &str) {
        if self.silent {
            return;
        }
        if self.terminal {
            if self.last.0 != what || self.bar.is_none() {
                self.clear();
                let bar = ProgressBar::new(total);
                let template = "{prefix} {wide_bar} {pos}/{len} {msg}";
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style);
                }
                bar.set_prefix(what.to_owned());
                self.bar = Some(bar);
                what.clone_into(&mut self.last.0);
            }
            if let Some(bar) = &self.bar {
                bar.set_position(done);
                bar.set_message(text.to_owned());
            }
            return;
        }
        let now = self.seconds();
        if self.last.0 != what || now - self.last.1 >= PLAIN_EVERY || done == total {
            self.last = (what.to_owned(), now);
            console::note(format!("{what} {done}/{total} {text}").trim_end());
        }
    }
}

impl Monitor for Shown {
    fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn preparing(&mut self, what: &str, done: usize, total: usize) {
        self.show(what, done as u64, total as u64, "");
    }

    fn step(&mut self, report: &StepReport) {
        let StepReport { step, steps, loss, images_per_second, seconds_left, .. } = *report;
        let left = duration(seconds_left);
        let digits = if images_per_second < 1.0 { 3 } else { 1 };
        let pace = format!("{images_per_second:.digits$} images/s");
        let text = format!("loss {loss:.4}, {pace}, {left} left");
        self.show("training", step, steps, &text);
    }

    fn note(&mut self, text: &str) {
        match &self.bar {
            _ if self.silent => {}
            Some(bar) => bar.suspend(|| console::note(text)),
            None => console::note(text),
        }
    }
}

/// "2 h 05 min", "3 min 20 s" or "42 s".
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {:02} s", seconds % 60),
        _ => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let texts = [7.4, 200.0, 7512.0].map(duration);
        assert_eq!(texts, ["7 s", "3 min 20 s", "2 h 05 min"]);
    }
}
