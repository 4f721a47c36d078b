//! What is to be drawn, whichever command asked for it.

use std::path::{Path, PathBuf};

use aquatint_pipeline::request::Plan;
use aquatint_pipeline::{Finished, GenerateRequest, Inputs, Model, Outline, batches, open_model};

use super::drawing::{Drawing, Shown};
use super::texts::{Origin, check_room, write};
use super::{Loading, note_loras, source};
use crate::args::{AdapterArgs, DrawArgs, MachineArgs, OutputArgs};
use crate::failure::Failure;
use crate::names::{Target, check_file};
use crate::preview::Preview;
use crate::report::{Clock, report};
use crate::{console, machine};

/// A request, and what no request says.
pub struct Errand<'a> {
    pub request: GenerateRequest,
    pub draw: &'a DrawArgs,
    pub adapters: &'a AdapterArgs,
    pub machine: &'a MachineArgs,
}

/// Where pictures go.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub output: Option<&'a Path>,
    pub preview: Option<&'a Path>,
    pub written: &'a OutputArgs,
}

impl Errand<'_> {
    /// Makes the pictures. Everything that can be wrong is looked at before anything takes time.
    pub fn run(&self, place: Place<'_>) -> Result<(), Failure> {
        let Self { request, draw, adapters, machine } = self;
        let inputs = inputs(request)?;
        let Place { output, preview, written } = place;
        let target = Target::new(output, written.format, shown(request), request.count)?;
        if let Some(preview) = preview {
            check_file(preview)?;
            target.check_apart(preview, &request.seeds())?;
        }
        let source = source(draw)?;
        let outline = Outline::read(&source)?;
        let plan = request.plan(&outline, &inputs)?;
        let screen = Shown::new(written, outline.latent_channels)?;
        let loading = Loading::new(draw, adapters, machine, &request.prompt)?;
        let origin = Origin::new(draw, machine, loading.attached);
        let texts = origin.texts(request, request.picture_seeds()[0], plan.base);
        check_room(&target.path(0, request.seed), &texts)?;
        machine::start_threads(machine.threads)?;

        let clock = Clock::new();
        let model = open_model(&source, &loading.options)?;
        note_loras(model.loras());
        let job = Job { request, inputs: &inputs, plan: &plan, target, place, origin: &origin };
        let tiling = machine.vae_tiling.into();
        let (files, clock) = machine::compute(|| {
            let drawing = Drawing::new(tiling, job.steps(&*model), clock)
                .with_preview(preview.map(|_| Preview::new(plan.steps)))
                .with_show(screen, &*model)?;
            let files = job.run(&drawing, &*model)?;
            Ok::<_, Failure>((files, drawing.finish()))
        })?;
        if draw.json {
            let report = report(preview, request, &inputs, &plan, &files, clock);
            console::result(&report.to_string());
        } else {
            files.iter().for_each(|file| console::result(&file.display().to_string()));
            console::note(&format!("seed {}, {:.1} s", request.seed, clock.total()));
        }
        Ok(())
    }
}

/// The pictures that go with a request, after a look at whether it is one.
pub fn inputs(request: &GenerateRequest) -> Result<Inputs, Failure> {
    request.validate()?;
    let path = |name: &Option<String>| name.as_ref().map(PathBuf::from);
    let inputs = Inputs::open(path(&request.init).as_deref(), path(&request.mask).as_deref())
        .map_err(|error| Failure::new(error.to_string()))?;
    request.validate_with(&inputs)?;
    Ok(inputs)
}

/// What the pictures show, in words.
pub fn shown(request: &GenerateRequest) -> &str {
    request.class.as_deref().unwrap_or(&request.prompt)
}

/// The pictures of one request.
pub struct Job<'a> {
    pub request: &'a GenerateRequest,
    pub inputs: &'a Inputs,
    pub plan: &'a Plan,
    pub target: Target,
    pub place: Place<'a>,
    pub origin: &'a Origin,
}

impl Job<'_> {
    /// How many steps it takes.
    pub fn steps(&self, model: &dyn Model) -> usize {
        let (width, height) = self.plan.size;
        let batches = batches(&model.outline(), width, height, &self.request.seeds());
        self.plan.steps * batches.len()
    }

    /// A part of the model is loaded when its stage comes and dropped after its last use, so that a
    /// single batch never has two in memory. Of several batches, each is written before the next
    /// begins.
    pub fn run(&self, drawing: &Drawing, model: &dyn Model) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::with_capacity(self.request.count);
        drawing.draw(model, self.request, self.inputs, &mut |finished| {
            files.push(self.keep(finished, drawing)?);
            Ok(())
        })?;
        Ok(files)
    }

    /// Writes a picture, and the preview with the first one.
    fn keep(&self, finished: &Finished<'_>, drawing: &Drawing) -> Result<PathBuf, Failure> {
        let Self { request, plan, place, origin, .. } = self;
        let path = self.target.path(finished.index, finished.seed.seed);
        let texts = origin.texts(request, finished.seed, plan.base);
        let quality = place.written.quality;
        write(&path, finished.picture, &texts, quality)?;
        drawing.stage("write");
        if let (0, Some(preview), Some(path)) = (finished.index, drawing.preview(), place.preview) {
            let sheet = preview.sheet(finished.latents, finished.decode)?;
            write(path, &sheet, &texts, quality)?;
            drawing.stage("preview");
        }
        Ok(path)
    }
}
