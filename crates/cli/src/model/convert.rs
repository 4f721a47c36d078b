//! `aquatint model convert`.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::DType;
use aquatint_checkpoint::naming::Naming;
use aquatint_pipeline::{Conversion, ConvertError, ConvertOptions};
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde_json::json;

use super::human;
use crate::args::PartArgs;
use crate::failure::Failure;
use crate::names::{check_folder, unwritable};
use crate::{console, stop};

/// Write a model in another naming, container or encoding.
///
/// The same weights, bit for bit: no number changes unless --dtype asks for it or numbers were
/// quantized. What the new file has no need of, such as a training's running averages, is left out,
/// and said.
#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// A folder in diffusers' layout, or a file in any container and naming; also a single part
    #[arg(value_name = "IN")]
    pub input: PathBuf,

    /// What to write: a name that ends in .safetensors, or a folder
    #[arg(value_name = "OUT")]
    pub output: PathBuf,

    /// Whose names the tensors get [default: ldm in a file, diffusers in a folder]
    #[arg(long, value_enum, value_name = "NAMING")]
    pub naming: Option<NamingArg>,

    /// How numbers are written [default: as they are; f16 if they are quantized]
    #[arg(long, value_enum, value_name = "DTYPE")]
    pub dtype: Option<WeightType>,

    #[command(flatten)]
    pub parts: PartArgs,

    /// Replace what is there already
    #[arg(long)]
    pub force: bool,

    /// Print one line of JSON instead of the name
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum NamingArg {
    /// That of the latent-diffusion authors, and of nearly all single files
    Ldm,
    /// That of diffusers and transformers
    Diffusers,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum WeightType {
    /// Single precision
    F32,
    /// Half precision
    F16,
    /// The upper half of single precision
    Bf16,
}

pub fn run(args: &ConvertArgs) -> Result<(), Failure> {
    stop::listen();
    let out = &args.output;
    let folder = is_folder(out)?;
    check_free(out, folder, args.force)?;
    let naming = match args.naming {
        Some(NamingArg::Ldm) => Naming::Ldm,
        Some(NamingArg::Diffusers) => Naming::Diffusers,
        None if folder => Naming::Diffusers,
        None => Naming::Ldm,
    };
    let options = ConvertOptions {
        naming,
        folder,
        dtype: args.dtype.map(|dtype| match dtype {
            WeightType::F32 => DType::F32,
            WeightType::F16 => DType::F16,
            WeightType::Bf16 => DType::Bf16,
        }),
        family: args.parts.family,
        config: args.parts.config.clone(),
        parts: args.parts.replaced(),
    };
    let conversion = Conversion::plan(&args.input, &options)?;
    for (reason, names) in conversion.left_out() {
        let names = match &names[..] {
            [one] => one.clone(),
            more => format!("{} such as {}", more.len(), more[0]),
        };
        console::note(&format!("left out: {names} ({reason})"));
    }
    if let Some(first) = conversion.kept_along().first() {
        let count = conversion.kept_along().len();
        console::note(&format!("kept along: {count} such as {first}, which no part needs"));
    }
    let mut shown = Shown::new(conversion.tensors(), conversion.bytes());
    let written = stop::whole(|| conversion.write(out, &mut |bytes| shown.written(bytes)));
    shown.finish();
    written.map_err(|error| match error {
        ConvertError::Cancelled => Failure::interrupted(),
        ConvertError::Source(error) => Failure::new(error.to_string()),
        ConvertError::Write(error) => unwritable(out, &error),
    })?;
    if args.json {
        let left_out = conversion.left_out();
        let report = json!({
            "path": out.display().to_string(),
            "naming": naming.name(),
            "tensors": conversion.tensors(),
            "bytes": conversion.bytes(),
            "left_out": left_out,
            "kept_along": conversion.kept_along(),
        });
        console::result(&report.to_string());
    } else {
        console::result(&out.display().to_string());
    }
    Ok(())
}

/// Whether a name is that of a folder. Containers that we only read are not taken for one.
fn is_folder(out: &Path) -> Result<bool, Failure> {
    let extension = out.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        "safetensors" => Ok(false),
        "ckpt" | "pt" | "pth" | "bin" | "gguf" | "sft" | "json" => Err(Failure::new(format!(
            "{} cannot be written: files are written as .safetensors",
            out.display()
        ))),
        _ => Ok(true),
    }
}

/// Refuses to overwrite, and with `force` to overwrite what is no model.
fn check_free(out: &Path, folder: bool, force: bool) -> Result<(), Failure> {
    let name = out.display();
    let refused = |reason: &str| Err(Failure::new(format!("{name} {reason}")));
    match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => check_folder(parent)?,
        _ => check_folder(Path::new("."))?,
    }
    if out.symlink_metadata().is_err() {
        return Ok(());
    }
    match (folder, out.is_dir()) {
        (true, false) => return refused("is a file; a folder needs another name"),
        (false, true) => return refused("is a folder; give the name of a file"),
        (false, false) => {}
        (true, true) => {
            let mut entries = fs::read_dir(out).map_err(|error| unwritable(out, &error))?;
            if entries.next().is_none() {
                return Ok(());
            }
            // Everything in the folder would go.
            if !["model_index.json", "config.json"].iter().any(|index| out.join(index).is_file()) {
                return refused("is a folder with other things in it; give another name");
            }
        }
    }
    if force { Ok(()) } else { refused("is there already; give another name, or --force") }
}

/// How far the writing is: a bar in a terminal, a line for each tenth of much elsewhere.
struct Shown {
    bar: Option<ProgressBar>,
    total: u64,
    done: u64,
}

/// From so many bytes on, tenths are worth a line.
const MUCH: u64 = 100_000_000;

impl Shown {
    fn new(tensors: usize, total: u64) -> Self {
        let bar = console::bytes_bar();
        match &bar {
            Some(bar) => bar.set_length(total),
            None => console::note(&format!("{tensors} tensors, {}", human(total))),
        }
        Self { bar, total, done: 0 }
    }

    fn written(&mut self, bytes: u64) -> ControlFlow<()> {
        let before = self.done;
        self.done += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if self.total >= MUCH && self.done * 10 / self.total > before * 10 / self.total {
            console::note(&format!("{} of {}", human(self.done), human(self.total)));
        }
        if stop::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Leaves the terminal as it was.
    fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}
