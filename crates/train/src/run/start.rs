//! Where a run begins: at its first step, or where it was interrupted.

use std::fs;
use std::path::Path;

use aquatint_checkpoint::atomic;
use aquatint_nn::ModuleExt;
use serde_json::json;

use super::gradients::buckets;
use super::pace::Pace;
use super::second::Second;
use super::{Last, Run, Settings, checkpoint_path};
use crate::checkpointing;
use crate::config::RunConfig;
use crate::data::Unreadable;
use crate::ema::Ema;
use crate::error::TrainError;
use crate::metrics::{self, Metrics};
use crate::monitor::Monitor;
use crate::optimizer::Optimizer;
use crate::ranks::{Buckets, Ranks};
use crate::report::tensorboard::Events;
use crate::task::Task;

/// A mini-batch must have as many parts as are computed.
fn check_parts(task: &dyn Task, settings: &Settings, ranks: &dyn Ranks) -> Result<(), TrainError> {
    let RunConfig { accumulate, batch_size, .. } = settings.run;
    let parts = accumulate * ranks.count();
    let whole = !batch_size.is_multiple_of(parts);
    let why = whole.then(|| format!("`run.batch_size` is {batch_size}"));
    let why = why.or_else(|| if parts > 1 { task.cannot_be_cut(parts) } else { None });
    why.map_or(Ok(()), |why| {
        Err(TrainError::Data(format!(
            "a step cannot be cut into {parts} equal parts ({} processes times `run.accumulate`, \
             {accumulate}): {why}",
            ranks.count()
        )))
    })
}

/// All processes must go on from one step.
fn agree_on(step: u64, path: &Path, ranks: &dyn Ranks) -> Result<(), TrainError> {
    let (mine, count) = (step as f64, ranks.count() as f64);
    let mut sums = [mine, mine * mine];
    ranks.sum(&mut sums);
    if sums[0] == mine * count && sums[1] == mine * mine * count {
        return Ok(());
    }
    Err(TrainError::Checkpoint(format!(
        "the processes do not see the same {}: run.folder must be on a file system that all \
         machines share",
        path.display()
    )))
}

impl<'a> Run<'a> {
    pub(super) fn start(
        task: &'a mut dyn Task,
        settings: &'a Settings,
        monitor: &'a mut dyn Monitor,
        ranks: &'a dyn Ranks,
    ) -> Result<Self, TrainError> {
        check_parts(task, settings, ranks)?;
        let folder = &settings.run.folder;
        for folder in [folder, &folder.join("samples")] {
            fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        }
        if ranks.rank() == 0 {
            atomic::remove_leftovers(folder).map_err(TrainError::io(folder))?;
        }
        let path = checkpoint_path(folder);
        if path.exists() && !settings.resume {
            return Err(TrainError::Checkpoint(format!(
                "{} exists: go on from it with --resume, or choose another run.folder",
                path.display()
            )));
        }

        task.init(settings.run.seed);
        let mut second = Second::new(task, &settings.optimizer);
        let model = task.model_mut();
        let mut optimizer = Optimizer::new(model, &settings.optimizer);
        let mut ema = Ema::new(model, settings.optimizer.ema_decay);
        let mut step = 0;
        if path.exists() {
            let fingerprint = &settings.fingerprint;
            let (model, adversary) = task.networks_mut();
            let second = adversary.zip(second.as_mut().map(|second| &mut second.optimizer));
            let (ema, optimizer) = (&mut ema, &mut optimizer);
            step = checkpointing::read(&path, model, ema, optimizer, second, fingerprint)?;
            monitor.note(&format!("going on from step {step}"));
        }
        agree_on(step, &path, ranks)?;
        let (model, adversary) = task.networks_mut();
        for model in [Some(model), adversary].into_iter().flatten() {
            model.set_precision(settings.run.dtype.into());
            model.track();
        }

        let path = folder.join("metrics.jsonl");
        let mut metrics = if ranks.rank() == 0 { Some(Metrics::open(&path, step)?) } else { None };
        let Unreadable { count, of, first } = &settings.unreadable;
        if let Some(metrics) = metrics.as_mut().filter(|_| step == 0 && *count > 0) {
            let unreadable = json!({"count": count, "of": of, "first": first});
            metrics.append(&json!({"step": 0, "unreadable": unreadable}))?;
        }
        let lines = metrics::lines(&path)?;
        let events = metrics.as_ref().map(|_| Events::open(folder, &lines)).transpose()?;
        let newest = |key: &str| lines.iter().filter_map(|line| line[key].as_f64()).next_back();
        let (earlier, loss) = (newest("seconds"), newest("loss"));
        let began = monitor.seconds();
        let buckets = if ranks.count() > 1 { buckets(task.model()) } else { Buckets::default() };
        Ok(Self {
            task,
            settings,
            ranks,
            buckets,
            optimizer,
            second,
            ema,
            metrics,
            events,
            step,
            saved: (step > 0).then_some(step),
            earlier: earlier.unwrap_or(0.0),
            began,
            pace: Pace::default(),
            losses: Vec::new(),
            last: Last { loss, ..Last::default() },
            monitor,
        })
    }
}
