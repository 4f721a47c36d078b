//! What a run took, and what it says of itself in JSON.

use std::path::{Path, PathBuf};
use std::time::Instant;

use aquatint_pipeline::request::Plan;
use aquatint_pipeline::{GenerateRequest, Inputs};
use serde_json::{Map, Value, json};

use crate::generate::VERSION;
use crate::machine;

/// Seconds by stage, in the order in which they came.
pub struct Clock {
    start: Instant,
    last: Instant,
    stages: Vec<(&'static str, f64)>,
}

impl Clock {
    pub fn new() -> Self {
        let now = Instant::now();
        Self { start: now, last: now, stages: Vec::new() }
    }

    /// What was done since the last call was part of this stage.
    pub fn stage(&mut self, name: &'static str) {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        self.last = now;
        match self.stages.iter_mut().find(|(stage, _)| *stage == name) {
            Some((_, sum)) => *sum += seconds,
            None => self.stages.push((name, seconds)),
        }
    }

    pub fn total(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Seconds by stage, and in all.
    pub fn seconds(&self) -> Map<String, Value> {
        let milliseconds = |seconds: f64| json!((seconds * 1000.0).round() / 1000.0);
        let stages = self.stages.iter().copied().chain([("total", self.total())]);
        stages.map(|(stage, seconds)| (stage.to_owned(), milliseconds(seconds))).collect()
    }
}

/// Files for JSON.
pub fn names(files: &[PathBuf]) -> Vec<String> {
    files.iter().map(|file| file.display().to_string()).collect()
}

/// What `--json` prints.
pub fn report(
    preview: Option<&Path>,
    request: &GenerateRequest,
    inputs: &Inputs,
    plan: &Plan,
    files: &[PathBuf],
    clock: Clock,
) -> Value {
    let (width, height) = plan.size;
    let mut report = json!({
        "files": names(files),
        "preview": preview.map(|file| file.display().to_string()),
        "seed": request.seed,
        "seeds": request.seeds(),
        "width": width,
        "height": height,
        "seconds": clock.seconds(),
        "peak_memory_bytes": machine::peak_memory(),
        "threads": rayon::current_num_threads(),
        "version": VERSION,
    });
    let begun = inputs.init.is_some();
    let values = [
        ("init", json!(request.init)),
        ("mask", json!(request.mask)),
        ("strength", if begun { json!(request.strength_with(inputs)) } else { Value::Null }),
        ("mask_blur", json!(request.mask_blur)),
        ("extend", json!(request.extend)),
        ("hires", json!(request.hires)),
    ];
    for (key, value) in values.into_iter().filter(|(_, value)| !value.is_null()) {
        report[key] = value;
    }
    report
}
