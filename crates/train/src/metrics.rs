//! `metrics.jsonl`: one line for every few steps, as a file that other programs can follow.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::atomic;
use serde_json::Value;

use crate::error::TrainError;

/// The file, open at its end.
pub struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// Opens the file and drops what was written after step `step`: those steps will be done
    /// again. A line that a killed process left unfinished goes with them.
    pub fn open(path: &Path, step: u64) -> Result<Self, TrainError> {
        let kept: String = lines(path)?
            .iter()
            .filter(|line| line["step"].as_u64().is_some_and(|at| at <= step))
            .map(|line| format!("{line}\n"))
            .collect();
        atomic::write_file(path, kept.as_bytes()).map_err(TrainError::io(path))?;
        let file = OpenOptions::new().append(true).open(path).map_err(TrainError::io(path))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// Adds a line, in one write.
    pub fn append(&mut self, line: &Value) -> Result<(), TrainError> {
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(TrainError::io(&self.path))
    }
}

/// The whole lines of the file, none if there is no file.
pub fn lines(path: &Path) -> Result<Vec<Value>, TrainError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).map_err(TrainError::io(path))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn later_and_unfinished_lines_are_dropped_on_resume() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut metrics = Metrics::open(&path, 0).unwrap();
        for step in [10, 20, 30] {
            metrics.append(&json!({"step": step, "loss": 0.5})).unwrap();
        }
        drop(metrics);
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"step\": 4").unwrap();
        let mut metrics = Metrics::open(&path, 20).unwrap();
        metrics.append(&json!({"step": 25})).unwrap();
        let steps: Vec<Value> =
            lines(&path).unwrap().iter().map(|line| line["step"].clone()).collect();
        assert_eq!(steps, [10, 20, 25]);
    }
}
