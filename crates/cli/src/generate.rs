//! `aquatint generate`.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aquatint_pipeline::lora::{LoraSpec, LoraUse, tell};
use aquatint_pipeline::request::{PictureSeed, Plan};
use aquatint_pipeline::{
    CancelToken, Encoding, Finished, GenerateError, GenerateRequest, Inputs, LatentPreview,
    LoadOptions, Model, ModelSource, Outline, Picture, PictureFormat, Settings, Step, Tiling, Told,
    Watch, batches, cancellable, encode_picture, generate, metadata, open_model, save_picture,
    take_loras,
};
use aquatint_tensor::release_idle_memory;
use clap::ValueEnum;

use crate::args::{Dtype, GenerateArgs, Typed, not_used, repeated};
use crate::console::{self, Progress};
use crate::failure::Failure;
use crate::names::{Target, check_file, unwritable};
use crate::preview::Preview;
use crate::report::{Clock, report};
use crate::show::{Show, Way};
use crate::{embedded, machine, prompts, stop};

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes the pictures. Everything that can be wrong is looked at before anything takes time.
pub fn run(mut args: GenerateArgs, typed: &Typed) -> Result<(), Failure> {
    stop::listen();
    if let Some(file) = &args.prompts {
        return prompts::run(&args, file);
    }
    let mut request = args.request(args.sampling.seed.unwrap_or_else(machine::random_seed));
    if let Some(path) = &args.from {
        let (again, made) = repeated(path, &request, typed)?;
        request = again;
        let dtype = made.dtype.as_ref().and_then(|name| Dtype::from_str(name, false).ok());
        args.machine.dtype = dtype.filter(|_| !typed.has("dtype")).unwrap_or(args.machine.dtype);
        not_used(path, &made, &model_name(&args)).iter().for_each(|note| console::note(note));
    }
    let args = &args;
    request.validate()?;
    let path = |name: &Option<String>| name.as_ref().map(PathBuf::from);
    let inputs = Inputs::open(path(&request.init).as_deref(), path(&request.mask).as_deref())
        .map_err(|error| Failure::new(error.to_string()))?;
    request.validate_with(&inputs)?;
    let (output, format) = (args.output.as_deref(), args.written.format);
    let target = Target::new(output, format, shown(&request), request.count)?;
    if let Some(preview) = &args.preview {
        check_file(preview)?;
        target.check_apart(preview, &request.seeds())?;
    }
    let source = source(args)?;
    let outline = Outline::read(&source)?;
    let plan = request.plan(&outline, &inputs)?;
    let way = args.written.show.and_then(Way::found);
    let decoder = args.written.preview_decoder.as_ref();
    let decoder = decoder.map(|path| LatentPreview::open(path, outline.latent_channels));
    let show = way.map(|way| Ok::<_, Failure>((way, decoder.transpose()?))).transpose()?;
    check_room(args, &request, plan.base, &target)?;
    machine::start_threads(args.machine.threads)?;

    let clock = Clock::new();
    let options = load_options(args, &request.prompt)?;
    let (request, inputs, plan, loras) = (&request, &inputs, &plan, &options.loras);
    let model = open_model(&source, &options)?;
    note_loras(model.loras());
    let job = Job { args, request, inputs, plan, target, model: &*model, loras };
    let (files, clock) = machine::compute(|| job.run(show, clock))?;
    if args.json {
        console::result(&report(args, request, inputs, plan, &files, clock).to_string());
    } else {
        files.iter().for_each(|file| console::result(&file.display().to_string()));
        console::note(&format!("seed {}, {:.1} s", request.seed, clock.total()));
    }
    Ok(())
}

/// The model that is meant.
pub(crate) fn source(args: &GenerateArgs) -> Result<ModelSource, Failure> {
    Ok(match &args.model {
        Some(path) => {
            ModelSource::open_with(path, args.parts.family, args.parts.config.as_deref())?
        }
        None => embedded::model()?,
    })
}

/// How to load the model, with the LoRAs that the prompt names.
pub(crate) fn load_options(args: &GenerateArgs, prompt: &str) -> Result<LoadOptions, Failure> {
    let (precision, parts) = (args.machine.dtype.into(), args.parts.replaced());
    let int8 = matches!(args.machine.dtype, Dtype::Int8);
    let embeddings = args.reading.embedding.clone();
    let (_, asked) = take_loras(prompt);
    let asked = asked.iter().map(|l| (l.name.as_str(), l.weight, l.text_encoder_weight));
    let loras = args.adapters.specs(asked, args.model.as_deref())?;
    let lora_mode = args.adapters.lora_mode.into();
    Ok(LoadOptions { precision, int8, parts, embeddings, loras, lora_mode, trainable: false })
}

/// What the pictures show, in words.
fn shown(request: &GenerateRequest) -> &str {
    request.class.as_deref().unwrap_or(&request.prompt)
}

pub(crate) struct Job<'a> {
    pub args: &'a GenerateArgs,
    pub request: &'a GenerateRequest,
    pub inputs: &'a Inputs,
    pub plan: &'a Plan,
    pub target: Target,
    pub model: &'a dyn Model,
    pub loras: &'a [LoraSpec],
}

/// Says what LoRAs change.
pub(crate) fn note_loras(loras: &[LoraUse]) {
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
    pub fn run(
        &self,
        shown: Option<(Way, Option<LatentPreview>)>,
        clock: Clock,
    ) -> Result<(Vec<PathBuf>, Clock), Failure> {
        let clock = RefCell::new(clock);
        let show = match shown {
            Some((way, decoder)) => {
                let preview = decoder.map_or_else(|| self.fitted(), Ok)?;
                clock.borrow_mut().stage("load");
                Some(Show::new(way, preview))
            }
            None => None,
        };
        let show = show.as_ref();
        let Self { request, plan, model, .. } = *self;
        let (width, height) = plan.size;
        let batches = batches(&model.outline(), width, height, &request.seeds());
        let mut progress = Progress::new("denoising", (plan.steps * batches.len()) as u64);
        let preview = self.args.preview.as_ref().map(|_| Preview::new(plan.steps));
        let look = |latents: &_| preview.iter().for_each(|preview| preview.look(latents));
        let tiling = self.args.machine.vae_tiling.into();
        let settings = Settings { tiling, look: &look, hear: &note_cut, ..Default::default() };
        let watch = &mut Watcher {
            progress: &mut progress,
            preview: preview.as_ref(),
            clock: &clock,
            show,
        };

        let (mut files, mut failure) = (Vec::with_capacity(request.count), None);
        let outcome =
            generate(
                model,
                request,
                self.inputs,
                settings,
                watch,
                &mut |finished| match self.keep(&finished, preview.as_ref(), show, &clock) {
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
        show: Option<&Show>,
        clock: &RefCell<Clock>,
    ) -> Result<PathBuf, Failure> {
        show.iter().for_each(|show| show.finished(finished.picture));
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
        let mut texts = texts(self.args, self.request, seed, self.plan.base);
        tell(&mut texts, self.loras);
        let format = PictureFormat::of_path(path).unwrap_or_default();
        let encoding = Encoding { format, quality: self.args.written.quality };
        stop::whole(|| save_picture(path, picture, &texts, encoding))
            .map_err(|error| unwritable(path, &error))
    }

    /// Colours for latents, from the autoencoder itself.
    fn fitted(&self) -> Result<LatentPreview, Failure> {
        let channels = self.model.outline().latent_channels;
        let token = stop::token();
        let fitted = cancellable(Some(&token), || {
            let vae = self.model.decoder().map_err(GenerateError::from)?;
            Ok(LatentPreview::fitted(channels, |latents| vae.decode(latents, Tiling::Off)))
        });
        release_idle_memory();
        fitted.map_err(GenerateError::from)?
    }
}

/// Whether the format has room for how the picture was made. It is better to know before the work.
fn check_room(
    args: &GenerateArgs,
    request: &GenerateRequest,
    size: (usize, usize),
    target: &Target,
) -> Result<(), Failure> {
    let path = target.path(0, request.seed);
    let format = PictureFormat::of_path(&path).unwrap_or_default();
    let seed = request.picture_seeds()[0];
    let (texts, small) = (texts(args, request, seed, size), Picture::new(8, 8, [0; 3]));
    encode_picture(&small, &texts, Encoding { format, ..Default::default() })
        .map(drop)
        .map_err(|error| unwritable(&path, &error))
}

/// What a picture says about how it was made.
pub(crate) fn texts(
    args: &GenerateArgs,
    request: &GenerateRequest,
    seed: PictureSeed,
    size: (usize, usize),
) -> std::collections::BTreeMap<&'static str, String> {
    let dtype = args.machine.dtype.to_possible_value();
    let dtype = dtype.as_ref().map_or("f32", |value| value.get_name());
    let model = &model_name(args);
    metadata::texts(request, seed, size, &metadata::Origin { model, version: VERSION, dtype })
}

/// What the model is called in pictures.
fn model_name(args: &GenerateArgs) -> String {
    match &args.model {
        None => embedded::NAME.into(),
        Some(folder) => folder.file_name().unwrap_or_default().to_string_lossy().into(),
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
    show: Option<&'a Show>,
    clock: &'a RefCell<Clock>,
}

impl Watch for Watcher<'_> {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        self.progress.step();
        if let Some(show) = self.show {
            show.step(step.denoised, |draw| self.progress.suspended(draw));
        }
        self.preview.iter().for_each(|preview| preview.step());
        ControlFlow::Continue(())
    }

    fn stage(&mut self, done: &'static str) {
        self.clock.borrow_mut().stage(done);
    }

    fn cancelled(&self) -> bool {
        stop::requested()
    }

    fn token(&self) -> Option<CancelToken> {
        Some(stop::token())
    }
}
