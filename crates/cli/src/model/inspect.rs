//! `aquatint model inspect`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aquatint_checkpoint::detect::Addition;
use aquatint_checkpoint::lora::LoraFile;
use aquatint_checkpoint::naming::{Layout, Naming, Plan, shapes};
use aquatint_checkpoint::{Detected, Family, Kind, LoadError, Weights, detect};
use aquatint_pipeline::presets::preset;
use serde_json::{Value, json};

use super::inspect_lora;
use crate::console;
use crate::failure::Failure;

/// Say what a file is: its family, its parts, and what is missing or unexpected.
///
/// Only names and shapes are read, and nothing is executed.
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// A file of weights in any container: safetensors, .ckpt, .pt, .bin, GGUF, or a shard index
    pub file: PathBuf,

    /// What it is, where it does not show or shows wrongly
    #[arg(long, value_name = "NAME")]
    pub family: Option<Family>,

    /// Print one line of JSON instead
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &InspectArgs) -> Result<(), Failure> {
    let weights = Weights::open(&args.file)?;
    let found = detect(weights.manifest());
    let is_lora = matches!(found.kind, Kind::Addition(Addition::Lora(_)));
    let report = Report::new(&weights, found, args.family)?;
    // What kind of changes, or why they cannot be used.
    let lora = is_lora.then(|| LoraFile::open(&args.file));
    if args.json {
        let mut told = report.json(&weights);
        match &lora {
            Some(Ok(file)) => told["lora"] = inspect_lora::json(file),
            Some(Err(error)) => told["lora"] = json!({ "error": error.to_string() }),
            None => {}
        }
        console::result(&told.to_string());
        return Ok(());
    }
    report.lines(&weights).iter().for_each(|line| console::result(line));
    match &lora {
        Some(Ok(file)) => inspect_lora::lines(file).iter().for_each(|l| console::result(l)),
        Some(Err(error)) => console::result(&format!("unusable   {error}")),
        None => {}
    }
    Ok(())
}

/// What there is to say about a file.
struct Report {
    found: Detected,
    family: Option<Family>,
    naming: Option<Naming>,
    /// Part → tensors, numbers.
    parts: BTreeMap<String, (usize, usize)>,
    /// Encoding → tensors.
    dtypes: BTreeMap<String, usize>,
    ignored: Vec<(String, &'static str)>,
    unexpected: Vec<String>,
}

impl Report {
    fn new(weights: &Weights, found: Detected, family: Option<Family>) -> Result<Self, Failure> {
        let family = family.or(found.family);
        let mut report = Self {
            family,
            naming: found.naming,
            parts: BTreeMap::new(),
            dtypes: BTreeMap::new(),
            ignored: Vec::new(),
            unexpected: Vec::new(),
            found,
        };
        for entry in weights.manifest().tensors.values() {
            *report.dtypes.entry(entry.dtype.clone()).or_default() += 1;
        }
        let added = matches!(report.found.kind, Kind::Addition(_));
        if let Some(family) = family.filter(|_| !added) {
            let file = shapes(weights.manifest());
            let mut configs = preset(family);
            if report.found.kind != Kind::Model {
                // A file with a single part has names without a prefix.
                configs.retain(|part, _| report.found.parts.contains(&part.as_str()));
            }
            let layout = Layout::of(&file, &configs).map_err(Failure::new)?;
            let plan = Plan::new(&file, &layout);
            for (part, bound) in &plan.bound {
                let numbers = |binding: &aquatint_checkpoint::naming::Binding| {
                    let stored = file.get(binding.stored.as_str())?;
                    Some(binding.shape(stored)?.iter().product::<usize>())
                };
                let count = bound.values().filter_map(numbers).sum();
                report.parts.insert(part.clone(), (bound.len(), count));
            }
            (report.ignored, report.unexpected) = (plan.ignored, plan.unexpected);
        }
        Ok(report)
    }

    fn lines(&self, weights: &Weights) -> Vec<String> {
        let manifest = weights.manifest();
        let mut lines = vec![
            format!("{} is {}", weights.file(), self.found.sentence()),
            format!("container  {}", weights.container()),
        ];
        if let Some(family) = self.family {
            lines.push(format!("family     {} ({})", family.id(), family.title()));
        }
        if let Some(naming) = self.naming {
            lines.push(format!("naming     {}", naming.name()));
        }
        for (part, (tensors, numbers)) in &self.parts {
            lines.push(format!(
                "part       {part}: {tensors} tensors, {} parameters",
                grouped(*numbers)
            ));
        }
        let whole = self.found.kind == Kind::Model;
        for part in self.found.missing.iter().filter(|_| whole) {
            lines.push(format!("missing    {part}"));
        }
        let dtypes: Vec<String> =
            self.dtypes.iter().map(|(dtype, count)| format!("{count} {dtype}")).collect();
        lines.push(format!("tensors    {}: {}", manifest.tensors.len(), dtypes.join(", ")));
        if let Some((name, reason)) = self.ignored.first() {
            lines.push(format!("ignored    {}, such as {name}: {reason}", self.ignored.len()));
        }
        if let Some(name) = self.unexpected.first() {
            lines.push(format!("unexpected {}, such as {name}", self.unexpected.len()));
        }
        lines
    }

    fn json(&self, weights: &Weights) -> Value {
        let parts: BTreeMap<&str, Value> = self
            .parts
            .iter()
            .map(|(part, (tensors, numbers))| {
                (part.as_str(), json!({"tensors": tensors, "parameters": numbers}))
            })
            .collect();
        let ignored: BTreeMap<&str, &str> =
            self.ignored.iter().map(|(name, reason)| (name.as_str(), *reason)).collect();
        json!({
            "file": weights.file(),
            "is": self.found.sentence(),
            "container": weights.container().to_string(),
            "family": self.family.map(Family::id),
            "naming": self.naming.map(Naming::name),
            "parts": parts,
            "missing": self.found.missing,
            "dtypes": self.dtypes,
            "prediction_type": self.found.prediction_type,
            "ignored": ignored,
            "unexpected": self.unexpected,
            "metadata": weights.manifest().metadata,
        })
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::new(error.to_string())
    }
}

/// 859520964 → "859,520,964".
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands() {
        let texts = [0, 12, 999, 1000, 859_520_964].map(grouped);
        assert_eq!(texts, ["0", "12", "999", "1,000", "859,520,964"]);
    }
}
