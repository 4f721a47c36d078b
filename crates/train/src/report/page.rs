//! `report.html`: a run on one page, which needs nothing but itself.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use aquatint_checkpoint::atomic;
use aquatint_pipeline::html::{self, escaped};
use serde_json::Value;

use super::curves::curve;
use super::tensorboard::{numbers, sample_path};
use crate::error::TrainError;
use crate::metrics;

/// The name of the page.
pub const REPORT: &str = "report.html";

/// At most so many grids of samples are on the page.
const GRIDS: usize = 6;

/// Writes `report.html` from `metrics.jsonl` and the samples, all in the run's folder. `config` is
/// the text of the configuration.
///
/// # Errors
/// If the page cannot be written.
pub fn report(folder: &Path, task: &str, config: &str) -> Result<(), TrainError> {
    let lines = metrics::lines(&folder.join("metrics.jsonl"))?;
    let mut body = String::new();
    // A String takes everything that is written to it.
    let _ = write!(body, "{}<h2>Samples</h2>{}", newest(&lines), grids(folder, &lines));
    let mut curves: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for line in &lines {
        let Some(step) = line["step"].as_f64() else { continue };
        for (name, value) in numbers(line) {
            curves.entry(name).or_default().push((step, value));
        }
    }
    let rank = |name: &str| (name != "loss", !name.starts_with("validation/"));
    let mut curves: Vec<_> = curves.into_iter().collect();
    curves.sort_by_key(|(name, _)| (rank(name), name.clone()));
    for (name, points) in &curves {
        let _ = write!(body, "<h2>{}</h2>{}", escaped(name), curve(points));
    }
    let _ = write!(
        body,
        "<h2>Configuration</h2><details><summary>TOML</summary><pre>{}</pre></details>",
        escaped(config)
    );
    let page = html::page(&format!("aquatint train {task}"), &body, env!("CARGO_PKG_VERSION"));
    let path = folder.join(REPORT);
    atomic::write_file(&path, page.as_bytes()).map_err(TrainError::io(&path))
}

/// What the last line of each kind says.
fn newest(lines: &[Value]) -> String {
    let mut values: BTreeMap<String, f64> = BTreeMap::new();
    for line in lines {
        values.extend(numbers(line));
        values.extend(line["step"].as_f64().map(|step| ("step".to_owned(), step)));
        let hours = line["seconds"].as_f64().map(|seconds| (seconds / 36.0).round() / 100.0);
        values.extend(hours.map(|hours| ("hours".to_owned(), hours)));
    }
    let rows: String = values
        .iter()
        .map(|(name, value)| format!("<tr><th>{}<td class=\"n\">{value}</tr>", escaped(name)))
        .collect();
    format!("<table>{rows}</table>")
}

/// Grids from all over the run, the newest first.
fn grids(folder: &Path, lines: &[Value]) -> String {
    let mut steps: Vec<u64> = lines.iter().filter_map(|line| line["step"].as_u64()).collect();
    steps.sort_unstable();
    steps.dedup();
    steps.retain(|&step| sample_path(folder, step).exists());
    let count = steps.len().min(GRIDS);
    let chosen = (1..=count).rev().map(|i| steps[(i * steps.len()).div_ceil(count) - 1]);
    chosen
        .filter_map(|step| {
            // Samples are for people, who may throw some away at any time.
            let png = fs::read(sample_path(folder, step)).ok()?;
            let picture = html::picture_file(&format!("samples of step {step}"), 640, &png);
            Some(format!("<figure>{picture}<figcaption>step {step}</figcaption></figure>"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_on_one_page() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir(path.join("samples")).unwrap();
        let mut text = String::new();
        for step in 1..=9_u64 {
            let picture = aquatint_pipeline::Picture::new(4, 4, [step as u8; 3]);
            aquatint_pipeline::png::save(sample_path(path, step), &picture, &Default::default())
                .unwrap();
            text +=
                &format!("{{\"step\":{step},\"loss\":{},\"seconds\":3600}}\n", 1.0 / step as f64);
        }
        text += "{\"step\":9,\"validation\":{\"psnr\":21.5}}\n";
        fs::write(path.join("metrics.jsonl"), text).unwrap();
        report(path, "autoencoder", "[run]\nseed = 1 # <b>").unwrap();
        let page = fs::read_to_string(path.join(REPORT)).unwrap();
        let count = |part: &str| page.matches(part).count();
        assert_eq!((count("<figure>"), count("<svg"), count("seed = 1 # &lt;b&gt;")), (6, 2, 1));
        assert!(page.contains("step 9</figcaption>") && !page.contains("http"));
        assert!(page.contains("<th>validation/psnr<td class=\"n\">21.5") && page.contains("hours"));
        assert!(page.find("step 9</fig") < page.find("step 2</fig"));
    }
}
