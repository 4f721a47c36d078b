//! `aquatint generate`.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use aquatint_pipeline::lora::{LoraSpec, LoraUse, tell};
use aquatint_pipeline::request::{PictureSeed, Plan};
use aquatint_pipeline::{
    Finished, GenerateRequest, Inputs, LoadOptions, Model, ModelSource, Outline, Picture, Settings,
    Step, Told, Watch, batches, generate, metadata, open_model, png, take_loras,
};
use serde_json::{Map, Value, json};

use crate::args::{Dtype, GenerateArgs};
use crate::console::{self, Progress};
use crate::failure::Failure;
use crate::names::{Target, check_file, unwritable};
use crate::preview::Preview;
use crate::{embedded, machine, stop};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes the pictures. Everything that can be wrong is looked at before anything takes time.
pub fn run(args: &GenerateArgs) -> Result<(), Failure> {
    stop::listen();
    let request = args.request(args.sampling.seed.unwrap_or_else(machine::random_seed));
    request.validate()?;
    let inputs = Inputs::open(args.pictures.init.as_deref(), args.pictures.mask.as_deref())
        .map_err(|error| Failure::new(error.to_string()))?;
    request.validate_with(&inputs)?;
    let target = Target::new(args.output.as_deref(), shown(&request), request.count)?;
    if let Some(preview) = &args.preview {
        check_file(preview)?;
        target.check_apart(preview, &request.seeds())?;
    }
    let source = match &args.model {
        Some(path) => {
            ModelSource::open_with(path, args.parts.family, args.parts.config.as_deref())?
        }
        None => embedded::model()?,
    };
    let plan = request.plan(&Outline::read(&source)?, &inputs)?;
    machine::start_threads(args.threads)?;

    let clock = Clock::new();
    let (precision, parts) = (args.dtype.into(), args.parts.replaced());
    let int8 = matches!(args.dtype, Dtype::Int8);
    let embeddings = args.reading.embedding.clone();
    let (_, asked) = take_loras(&request.prompt);
    let asked = asked.iter().map(|l| (l.name.as_str(), l.weight, l.text_encoder_weight));
    let loras = args.adapters.specs(asked, args.model.as_deref())?;
    let lora_mode = args.adapters.lora_mode.into();
    let options =
        LoadOptions { precision, int8, parts, embeddings, loras, lora_mode, trainable: false };
    let (request, inputs, plan, loras) = (&request, &inputs, &plan, &options.loras);
    let model = open_model(&source, &options)?;
    note_loras(model.loras());
    let job = Job { args, request, inputs, plan, target, model: &*model, loras };
    let (files, clock) = machine::compute(|| job.run(clock))?;
    if args.json {
        console::result(&report(args, request, inputs, plan, &files, clock).to_string());
    } else {
        files.iter().for_each(|file| console::result(&file.display().to_string()));
        console::note(&format!("seed {}, {:.1} s", request.seed, clock.total()));
    }
    Ok(())
}

/// What the pictures show, in words.
fn shown(request: &GenerateRequest) -> &str {
    request.class.as_deref().unwrap_or(&request.prompt)
}

struct Job<'a> {
    args: &'a GenerateArgs,
    request: &'a GenerateRequest,
    inputs: &'a Inputs,
    plan: &'a Plan,
    target: Target,
    model: &'a dyn Model,
    loras: &'a [LoraSpec],
}

/// Says what LoRAs change.
fn note_loras(loras: &[LoraUse]) {
    for LoraUse { spec, layers } in loras {
        let count = |n: usize| if n == 1 { "1 layer".into() } else { format!("{n} layers") };
        let layers = layers.iter().map(|(part, n)| format!("{} of {part}", count(*n)));
        let layers: Vec<String> = layers.collect();
        console::note(&format!("lora {spec}: {}", layers.join(", ")));
    }
}

impl Job<'_> {
    /// A part of the model is loaded when its stage comes and dropped after its last use, so that a
    /// single batch never has two in memory. Of several batches, each is written before the next
    /// begins.
    fn run(&self, clock: Clock) -> Result<(Vec<PathBuf>, Clock), Failure> {
        let clock = RefCell::new(clock);
        let Self { request, plan, model, .. } = *self;
        let (width, height) = plan.size;
        let batches = batches(&model.outline(), width, height, &request.seeds());
        let mut progress = Progress::new("denoising", (plan.steps * batches.len()) as u64);
        let preview = self.args.preview.as_ref().map(|_| Preview::new(plan.steps));
        let look = |latents: &_| preview.iter().for_each(|preview| preview.look(latents));
        let tiling = self.args.vae_tiling.into();
        let settings = Settings { tiling, look: &look, hear: &note_cut };
        let watch =
            &mut Watcher { progress: &mut progress, preview: preview.as_ref(), clock: &clock };

        let (mut files, mut failure) = (Vec::with_capacity(request.count), None);
        let outcome =
            generate(
                model,
                request,
                self.inputs,
                settings,
                watch,
                &mut |finished| match self.keep(&finished, preview.as_ref(), &clock) {
                    Ok(file) => {
                        files.push(file);
                        ControlFlow::Continue(())
                    }
                    Err(error) => {
                        failure = Some(error);
                        ControlFlow::Break(())
                    }
                },
            );
        progress.finish();
        match failure {
            Some(failure) => Err(failure),
            None => Ok(outcome.map(|()| (files, clock.into_inner()))?),
        }
    }

    /// Writes a picture, and the preview with the first one.
    fn keep(
        &self,
        finished: &Finished<'_>,
        preview: Option<&Preview>,
        clock: &RefCell<Clock>,
    ) -> Result<PathBuf, Failure> {
        let path = self.target.path(finished.index, finished.seed.seed);
        self.write(&path, finished.picture, finished.seed)?;
        clock.borrow_mut().stage("write");
        if let (0, Some(preview), Some(path)) = (finished.index, preview, &self.args.preview) {
            let sheet = preview.sheet(finished.latents, finished.decode)?;
            self.write(path, &sheet, finished.seed)?;
            clock.borrow_mut().stage("preview");
        }
        Ok(path)
    }

    fn write(&self, path: &Path, picture: &Picture, seed: PictureSeed) -> Result<(), Failure> {
        if stop::requested() {
            return Err(Failure::interrupted());
        }
        let model = match &self.args.model {
            None => embedded::NAME.into(),
            Some(folder) => folder.file_name().unwrap_or_default().to_string_lossy(),
        };
        let mut texts = metadata::texts(self.request, seed, self.plan.base, &model, VERSION);
        tell(&mut texts, self.loras);
        stop::whole(|| png::save(path, picture, &texts)).map_err(|error| unwritable(path, &error))
    }
}

/// Says what of the texts the model has no room for.
fn note_cut(told: &Told) {
    let Told::Words(embeds) = told else { return };
    for (cut, which) in embeds.cut.into_iter().zip(["prompt", "negative prompt"]) {
        if cut > 0 {
            let tokens = if cut == 1 { "token" } else { "tokens" };
            console::note(&format!("the last {cut} {tokens} of the {which} are not read"));
        }
    }
}

/// Tells the progress, takes the time and listens to Ctrl-C.
struct Watcher<'a> {
    progress: &'a mut Progress,
    preview: Option<&'a Preview>,
    clock: &'a RefCell<Clock>,
}

impl Watch for Watcher<'_> {
    fn step(&mut self, _: Step<'_>) -> ControlFlow<()> {
        self.progress.step();
        self.preview.iter().for_each(|preview| preview.step());
        ControlFlow::Continue(())
    }

    fn stage(&mut self, done: &'static str) {
        self.clock.borrow_mut().stage(done);
    }

    fn cancelled(&self) -> bool {
        stop::requested()
    }
}

/// Seconds by stage, in the order in which they came.
struct Clock {
    start: Instant,
    last: Instant,
    stages: Vec<(&'static str, f64)>,
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        Self { start: now, last: now, stages: Vec::new() }
    }

    /// What was done since the last call was part of this stage.
    fn stage(&mut self, name: &'static str) {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        self.last = now;
        match self.stages.iter_mut().find(|(stage, _)| *stage == name) {
            Some((_, sum)) => *sum += seconds,
            None => self.stages.push((name, seconds)),
        }
    }

    fn total(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

fn report(
    args: &GenerateArgs,
    request: &GenerateRequest,
    inputs: &Inputs,
    plan: &Plan,
    files: &[PathBuf],
    clock: Clock,
) -> Value {
    let (width, height) = plan.size;
    let milliseconds = |seconds: f64| json!((seconds * 1000.0).round() / 1000.0);
    let mut seconds: Map<String, Value> =
        clock.stages.iter().map(|(stage, s)| ((*stage).to_owned(), milliseconds(*s))).collect();
    seconds.insert("total".into(), milliseconds(clock.total()));
    let mut report = json!({
        "files": files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        "preview": args.preview.as_ref().map(|file| file.display().to_string()),
        "seed": request.seed,
        "seeds": request.seeds(),
        "width": width,
        "height": height,
        "seconds": seconds,
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
