//! `aquatint generate --prompts`: a file of wishes, and a folder of pictures that can be gone on with.

use std::path::{Path, PathBuf};

use aquatint_pipeline::metadata::Description;
use aquatint_pipeline::prompt_file::{PromptRow, read_prompts};
use aquatint_pipeline::request::Plan;
use aquatint_pipeline::{Inputs, Outline, PictureFormat, take_loras};
use serde_json::{Value, json};

use crate::args::GenerateArgs;
use crate::console;
use crate::failure::Failure;
use crate::generate::{Drawing, Job, Loading, Origin, Place, keep_model, note_loras, source};
use crate::names::Target;
use crate::report::Clock;
use crate::{machine, stop};

/// One row, after a look at whether it can be done.
struct Wish {
    row: PromptRow,
    inputs: Inputs,
    plan: Plan,
    path: PathBuf,
}

/// Makes the pictures that are not there yet. All rows are looked at before anything takes time.
pub fn run(args: &GenerateArgs, file: &Path) -> Result<(), Failure> {
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from("."));
    if folder.extension().is_some() && !folder.is_dir() {
        let reason = format!("{} is no folder: --prompts writes to one", folder.display());
        return Err(Failure::new(reason));
    }
    // Only a seed that is known can be gone on with.
    let base = args.request(args.draw.sampling.seed.unwrap_or(0));
    let rows = read_prompts(file, &base).map_err(|error| Failure::new(error.to_string()))?;
    let source = source(&args.draw)?;
    let outline = Outline::read(&source)?;
    let format = args.written.format.unwrap_or_default();
    let digits = rows.last().map_or(1, |row| row.line.to_string().len()).max(4);
    let wish = |row: PromptRow| {
        let at =
            |error: String| Failure::new(format!("{}, line {}: {error}", file.display(), row.line));
        let path = |name: &Option<String>| name.as_ref().map(PathBuf::from);
        let inputs =
            Inputs::open(path(&row.request.init).as_deref(), path(&row.request.mask).as_deref())
                .map_err(|error| at(error.to_string()))?;
        let plan = row.request.plan(&outline, &inputs).map_err(|error| at(error.to_string()))?;
        let name = format!("{:0digits$}.{}", row.line, format.extension());
        Ok(Wish { inputs, plan, path: folder.join(name), row })
    };
    let wishes = rows.into_iter().map(wish).collect::<Result<Vec<_>, Failure>>()?;
    let total = wishes.len();
    one_model(file, &wishes)?;
    Target::new(Some(&folder.join("")), args.written.format, "", 1)?;
    let plain = Origin::new(&args.draw, &args.machine, Vec::new());
    let open: Vec<Wish> = wishes.into_iter().filter(|wish| !wish.is_there(&plain)).collect();
    if open.len() < total {
        console::note(&format!("{} of {total} lines are there already", total - open.len()));
    }
    if open.is_empty() {
        return Ok(());
    }
    machine::start_threads(args.machine.threads)?;
    let prompt = &open[0].row.request.prompt;
    let loading = Loading::new(&args.draw, &args.wish.adapters, &args.machine, prompt)?;
    let origin = Origin::new(&args.draw, &args.machine, loading.attached);
    // Loaded once for all rows.
    let model = keep_model(&source, &loading.options)?;
    note_loras(model.loras());
    let mut made = 0;
    for Wish { row, inputs, plan, path } in &open {
        if stop::requested() {
            return Err(Failure::interrupted());
        }
        let target = Target::new(Some(path), args.written.format, "", row.request.count)?;
        let place = Place { output: None, preview: None, written: &args.written };
        let job = Job { request: &row.request, inputs, plan, target, place, origin: &origin };
        let tiling = args.machine.vae_tiling.into();
        let files = machine::compute(|| {
            let drawing = Drawing::new(tiling, job.steps(&*model), Clock::new());
            job.run(&drawing, &*model)
        })?;
        made += files.len();
        for file in files {
            let line = match args.draw.json {
                true => json!({ "line": row.line, "file": file.display().to_string() }).to_string(),
                false => file.display().to_string(),
            };
            console::result(&line);
        }
    }
    console::note(&format!("{made} pictures of {} lines", open.len()));
    Ok(())
}

/// The model is loaded once: a LoRA of one line would change the pictures of the others.
fn one_model(file: &Path, wishes: &[Wish]) -> Result<(), Failure> {
    let loras = |wish: &Wish| take_loras(&wish.row.request.prompt).1;
    let other = wishes.iter().find(|wish| loras(wish) != loras(&wishes[0]));
    match other {
        None => Ok(()),
        Some(other) => Err(Failure::new(format!(
            "{}, line {}: it names other LoRAs than line {}: give each model a file of its own",
            file.display(),
            other.row.line,
            wishes[0].row.line
        ))),
    }
}

impl Wish {
    /// Whether the picture is there, and the one that the line asks for; of several, the last one.
    fn is_there(&self, origin: &Origin) -> bool {
        let request = &self.row.request;
        let Some(&seed) = request.picture_seeds().last() else { return false };
        let target = match request.count {
            1 => Target::File(self.path.clone()),
            _ => Target::Numbered(self.path.clone()),
        };
        let path = target.path(request.count - 1, seed.seed);
        let Ok(Description { made: Some(made), .. }) = Description::open(&path) else {
            return false;
        };
        let own = &origin.texts(request, seed, self.plan.base)["aquatint"];
        let wanted: Value = serde_json::from_str(own).unwrap_or_default();
        wanted["request"] == Value::Object(made.request) && PictureFormat::of_path(&path).is_some()
    }
}
