//! What a run writes down: lines, pictures, checkpoints, models.

use std::collections::BTreeMap;
use std::fs;

use aquatint_pipeline::png;
use serde_json::{Map, Value, json};

use super::{Run, checkpoint_path};
use crate::checkpointing;
use crate::error::TrainError;
use crate::report::tensorboard::sample_path;
use crate::report::{page, plot};
use crate::task::Task;

impl Run<'_> {
    /// A line of metrics: losses are means since the last line, the rest is of this step.
    pub(super) fn log(&mut self) -> Result<(), TrainError> {
        let losses = std::mem::take(&mut self.losses);
        let loss = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        let loss = significant(loss);
        self.last.loss = Some(loss);
        let pace = self.pace.seconds.unwrap_or(f64::INFINITY);
        let mut line = json!({
            "step": self.step,
            "loss": loss,
            "lr": significant(self.last.lr),
            "grad_norm": significant(self.last.grad_norm),
            "images_per_second": significant(self.settings.run.batch_size as f64 / pace),
            "seconds": (self.seconds() * 10.0).round() / 10.0,
        });
        for (name, value) in &self.last.parts {
            line[*name] = json!(significant(*value));
        }
        self.write_line(&line)
    }

    fn write_line(&mut self, line: &Value) -> Result<(), TrainError> {
        self.metrics.as_mut().map_or(Ok(()), |metrics| metrics.append(line))?;
        self.events.as_mut().map_or(Ok(()), |events| events.line(line))
    }

    /// Runs `f` with the averaged weights in the model.
    fn with_averages<R>(&mut self, f: impl FnOnce(&mut dyn Task) -> R) -> R {
        self.ema.swap(self.task.model_mut());
        let result = f(self.task);
        self.ema.swap(self.task.model_mut());
        result
    }

    /// Validation figures and a sample grid.
    pub(super) fn show(&mut self) -> Result<(), TrainError> {
        if self.ranks.rank() > 0 {
            return Ok(());
        }
        self.monitor.preparing("validation", 0, 1);
        let (figures, samples) = self.with_averages(|task| (task.validate(), task.samples()));
        self.monitor.preparing("validation", 1, 1);
        if !figures.is_empty() {
            let text: Vec<String> =
                figures.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
            self.monitor.note(&format!("step {}: {}", self.step, text.join(", ")));
            let values: Map<String, Value> = figures
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(significant(*value))))
                .collect();
            self.write_line(&json!({"step": self.step, "validation": values}))?;
        }
        self.last.figures =
            figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if let Some(picture) = samples {
            let path = sample_path(&self.settings.run.folder, self.step);
            png::save(&path, &picture, &BTreeMap::new()).map_err(TrainError::io(&path))?;
            if let Some(events) = &mut self.events {
                events.picture(self.step, &fs::read(&path).map_err(TrainError::io(&path))?)?;
            }
        }
        Ok(())
    }

    pub(super) fn write_checkpoint(&mut self) -> Result<(), TrainError> {
        let path = checkpoint_path(&self.settings.run.folder);
        let fingerprint = &self.settings.fingerprint;
        let (model, step) = (self.task.model(), self.step);
        let second = self.second.as_ref().map(|second| &second.optimizer);
        let second = self.task.adversary().map(|adversary| adversary.model).zip(second);
        if self.ranks.rank() == 0 {
            let (ema, optimizer) = (&self.ema, &self.optimizer);
            checkpointing::write(&path, model, ema, optimizer, second, step, fingerprint)?;
        }
        self.saved = Some(step);
        Ok(())
    }

    pub(super) fn export(&mut self) -> Result<(), TrainError> {
        if self.ranks.rank() > 0 {
            return Ok(());
        }
        let settings = self.settings;
        self.with_averages(|task| task.export(&settings.run.export))?;
        plot::loss_curve(&settings.run.folder)?;
        page::report(&settings.run.folder, self.task.name(), &settings.text)
    }
}

/// Six digits are enough for a log.
fn significant(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}
