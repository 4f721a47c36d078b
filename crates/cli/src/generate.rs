//! `aquatint generate`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use aquatint_pipeline::{
    GenerateRequest, LoadOptions, ModelConfig, ModelSource, Picture, PromptEmbeds, Stages, Step,
    Watch, batches, decode, denoise, metadata, png,
};
use aquatint_tensor::release_idle_memory;
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
    let target = Target::new(args.output.as_deref(), &request.prompt, request.count)?;
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
    let size = request.size_for(&ModelConfig::read(&source)?)?;
    machine::start_threads(args.threads)?;

    let mut clock = Clock::new();
    let (precision, parts) = (args.dtype.into(), args.parts.replaced());
    let int8 = matches!(args.dtype, Dtype::Int8);
    let options = LoadOptions { precision, int8, parts, trainable: false };
    let stages = Stages::open(&source, &options)?;
    let job = Job { args, request: &request, size, target, stages: &stages };
    let files = machine::compute(|| job.run(&mut clock))?;
    if args.json {
        console::result(&report(args, &request, size, &files, clock).to_string());
    } else {
        files.iter().for_each(|file| console::result(&file.display().to_string()));
        console::note(&format!("seed {}, {:.1} s", request.seed, clock.total()));
    }
    Ok(())
}

struct Job<'a> {
    args: &'a GenerateArgs,
    request: &'a GenerateRequest,
    size: (usize, usize),
    target: Target,
    stages: &'a Stages<'a>,
}

impl Job<'_> {
    /// A part of the model is loaded when its stage comes and dropped after its last use, so that a
    /// single batch never has two in memory. Of several batches, each is written before the next
    /// begins.
    fn run(&self, clock: &mut Clock) -> Result<Vec<PathBuf>, Failure> {
        let Self { request, stages, .. } = *self;
        let encoders = stages.text_encoders()?;
        clock.stage("load");
        let embeds = encoders.encode_prompt(request);
        drop(encoders);
        release_idle_memory();
        clock.stage("encode");

        let (width, height) = self.size;
        let batches = batches(stages.config(), width, height, &request.seeds());
        let mut progress = Progress::new("denoising", (request.steps * batches.len()) as u64);
        let files = self.pictures(&embeds, &batches, &mut progress, clock);
        progress.finish();
        files
    }

    fn pictures(
        &self,
        embeds: &PromptEmbeds,
        batches: &[Vec<u64>],
        progress: &mut Progress,
        clock: &mut Clock,
    ) -> Result<Vec<PathBuf>, Failure> {
        let Self { request, stages, .. } = *self;
        let mut unet = Some(stages.unet()?);
        clock.stage("load");
        let (mut decoder, tiling) = (None, self.args.vae_tiling.into());
        let mut preview = self.args.preview.as_ref().map(|_| Preview::new(request.steps));
        let mut files = Vec::with_capacity(request.count);
        for (i, seeds) in batches.iter().enumerate() {
            let network = unet.as_ref().expect("dropped after the last batch");
            let look = |latents: &_| preview.iter().for_each(|p| p.look(latents));
            let mut watch = Watcher { progress, preview: preview.as_ref() };
            let config = stages.config();
            let latents = denoise(network, config, request, embeds, seeds, &mut watch, &look)?;
            if i + 1 == batches.len() {
                unet = None;
            }
            release_idle_memory();
            clock.stage("denoise");

            let vae = match decoder.take() {
                Some(vae) => vae,
                None => stages.decoder()?,
            };
            clock.stage("load");
            let pictures = decode(&vae, &latents, tiling)?;
            clock.stage("decode");
            for (picture, seed) in pictures.iter().zip(seeds) {
                let path = self.target.path(files.len(), *seed);
                self.write(&path, picture, *seed)?;
                files.push(path);
            }
            clock.stage("write");
            if let (Some(preview), Some(path)) = (preview.take(), &self.args.preview) {
                let sheet = preview.sheet(&latents, |latents| decode(&vae, latents, tiling))?;
                self.write(path, &sheet, request.seed)?;
                clock.stage("preview");
            }
            release_idle_memory();
            decoder = Some(vae);
        }
        Ok(files)
    }

    fn write(&self, path: &Path, picture: &Picture, seed: u64) -> Result<(), Failure> {
        if stop::requested() {
            return Err(Failure::interrupted());
        }
        let model = match &self.args.model {
            None => embedded::NAME.into(),
            Some(folder) => folder.file_name().unwrap_or_default().to_string_lossy(),
        };
        let texts = metadata::texts(self.request, seed, self.size, &model, VERSION);
        stop::whole(|| png::save(path, picture, &texts)).map_err(|error| unwritable(path, &error))
    }
}

/// Tells the progress and listens to Ctrl-C.
struct Watcher<'a> {
    progress: &'a mut Progress,
    preview: Option<&'a Preview>,
}

impl Watch for Watcher<'_> {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        self.progress.step();
        self.preview.iter().for_each(|preview| preview.step(step.index));
        ControlFlow::Continue(())
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
    (width, height): (usize, usize),
    files: &[PathBuf],
    clock: Clock,
) -> Value {
    let milliseconds = |seconds: f64| json!((seconds * 1000.0).round() / 1000.0);
    let mut seconds: Map<String, Value> =
        clock.stages.iter().map(|(stage, s)| ((*stage).to_owned(), milliseconds(*s))).collect();
    seconds.insert("total".into(), milliseconds(clock.total()));
    json!({
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
    })
}
