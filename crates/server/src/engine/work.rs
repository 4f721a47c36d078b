//! The thread that works: one job after the other, whatever becomes of it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use aquatint_pipeline::attached::tell;
use aquatint_pipeline::{
    Encoding, Finished, GenerateError, Model, Settings as Drawing, WordMaps, cancellable,
    encode_picture, generate, metadata,
};
use aquatint_pipeline::{Picture as Pixels, Upscaler};
use aquatint_tensor::release_idle_memory;
use axum::body::Bytes;
use serde_json::{Value, json};

use super::admit::{Admitted, admit};
use super::events::lock;
use super::explain;
use super::job::{Job, Made, State};
use super::models::Known;
use super::shelf::{Held, Loaded, Shelf};
use super::watching::Watching;
use super::{Shared, Wish};
use crate::clock;
use crate::store::Picture;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why there are no pictures.
enum Trouble {
    Cancelled,
    Failed(String),
}

impl<E: Display> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What is nobody's business but the operator's, who is told.
fn ours(shared: &Shared, what: &str, error: &dyn Display) -> Trouble {
    (shared.settings.log)(&format!("{what}: {error}"));
    Trouble::Failed(format!("{what}: the server's operator has been told why"))
}

/// Works until there will be no more.
pub(super) fn work(shared: &Shared) {
    let mut shelf = Shelf::new(shared.settings.memory);
    while let Some(job) = shared.queue.next() {
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            // On one of the computing threads, from where handing out work is cheap.
            rayon::scope(|_| do_job(shared, &mut shelf, &job))
        }));
        let ending = shared.ending.load(Ordering::SeqCst);
        match outcome {
            Ok(Ok(())) => {
                let seconds = began.elapsed().as_secs_f64();
                shared.metrics.generated(seconds, job.cost);
                end(shared, &job, State::Done, None);
            }
            // It stays on the disk for the next start.
            Ok(Err(Trouble::Cancelled)) if ending => {}
            Ok(Err(Trouble::Cancelled)) => end(shared, &job, State::Cancelled, None),
            Ok(Err(Trouble::Failed(sentence))) => {
                (shared.settings.log)(&format!("job {} failed: {sentence}", job.id));
                end(shared, &job, State::Failed, Some(sentence));
            }
            Err(_) => {
                shelf.clear(&shared.catalogue);
                release_idle_memory();
                let sentence = "a mistake in this program: please report what you asked for";
                (shared.settings.log)(&format!("job {} panicked", job.id));
                end(shared, &job, State::Failed, Some(sentence.into()));
            }
        }
        trim(shared);
    }
}

/// Says how a job ended, on the disk first.
pub(super) fn end(shared: &Shared, job: &Arc<Job>, state: State, error: Option<String>) {
    let ended = clock::now();
    if let Err(trouble) = shared.store.end_job(&job.id, state, ended, error.as_deref()) {
        // It will be done again after the next start, which is no loss.
        (shared.settings.log)(&format!("the end of job {} was not kept: {trouble}", job.id));
    }
    shared.metrics.ended(state);
    job.end(state, ended, error);
    shared.queue.ended(job);
}

/// Forgets the previews of the oldest jobs until the others have room.
fn trim(shared: &Shared) {
    let jobs = shared.queue.recent();
    let mut bytes: usize = jobs.iter().map(|job| lock(&job.shelf).bytes).sum();
    for job in jobs {
        if bytes <= shared.settings.limits.preview_bytes {
            break;
        }
        let mut shelf = lock(&job.shelf);
        bytes -= shelf.bytes;
        shelf.previews.clear();
        shelf.attention.clear();
        shelf.bytes = 0;
    }
}

fn do_job<'a>(shared: &'a Shared, shelf: &mut Shelf<'a>, job: &Arc<Job>) -> Result<(), Trouble> {
    if job.token.is_cancelled() {
        return Err(Trouble::Cancelled);
    }
    let started = clock::now();
    let disk = |error| ours(shared, "the data folder cannot be used", &error);
    shared.store.start_job(&job.id, started).map_err(disk)?;
    {
        let mut progress = lock(&job.progress);
        (progress.state, progress.started) = (State::Running, Some(started));
    }
    job.log.tell("started", json!({"model": job.model}));
    let inputs = shared.store.inputs(&job.id).map_err(disk)?;
    let wish = Wish::from_json(Value::Object(job.request.clone())).map_err(|e| e.message)?;
    let wish = Wish { init: inputs.init, mask: inputs.mask, ..wish };
    // Looked at again: files and limits may be others after a restart.
    let admitted = admit(&wish, &shared.catalogue, &shared.settings).map_err(|e| e.message)?;
    lock(&job.progress).steps = admitted.steps;
    let known = &shared.catalogue.all()[admitted.model];
    let loras = admitted.loras.clone();
    let load = move || shelf.take(&shared.catalogue, admitted.model, loras);
    let held = cancellable(Some(&job.token), load).map_err(|_| Trouble::Cancelled)?;
    let held = held.map_err(|error| ours(shared, "the model cannot be loaded", &error))?;
    let task = Task { shared, job, known, wish: &wish, admitted: &admitted, held };
    match &held.loaded {
        Loaded::Network(upscaler) => task.enlarge(upscaler),
        Loaded::Words(components) => task.draw(&**components),
        Loaded::Wordless(kept) => task.draw(&**kept),
    }
}

/// All that belongs to one job while it is worked at.
struct Task<'a> {
    shared: &'a Shared,
    job: &'a Arc<Job>,
    known: &'a Known,
    wish: &'a Wish,
    admitted: &'a Admitted,
    held: &'a Held<'a>,
}

impl Task<'_> {
    fn draw(&self, model: &dyn Model) -> Result<(), Trouble> {
        let Self { shared, job, wish, admitted, held, .. } = self;
        let Some(plan) = admitted.plan else { unreachable!("diffusion has a plan") };
        let origin = metadata::Origin {
            model: &self.known.entry.name,
            version: VERSION,
            dtype: &shared.settings.dtype,
        };
        let mut watching = Watching::new(job, held.preview.as_ref(), plan.steps);
        let mut trouble = None;
        let mut each = |finished: Finished<'_>| {
            let mut texts = metadata::texts(&wish.request, finished.seed, plan.base, &origin);
            tell(&mut texts, &held.attached);
            let kept = self.keep(finished.index, finished.seed.seed, finished.picture, &texts);
            match kept {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    trouble = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let maps = wish.explain.then(|| Arc::new(WordMaps::default()));
        let tiling = shared.settings.tiling;
        let settings = Drawing { tiling, words: maps.as_ref(), ..Default::default() };
        let outcome =
            generate(model, &wish.request, &admitted.inputs, settings, &mut watching, &mut each);
        if let Some(maps) = maps {
            let factor = model.outline().downsampling_factor;
            let latents = [plan.base.1, plan.base.0].map(|side| side / factor);
            self.explain(watching.sigmas(), &maps, latents);
        }
        match (outcome, trouble) {
            (_, Some(trouble)) => Err(trouble),
            (Err(GenerateError::Cancelled), None) => Err(Trouble::Cancelled),
            (Err(GenerateError::Model(error)), None) => {
                Err(ours(shared, "the model cannot be loaded", &error))
            }
            (Err(error), None) => Err(error.into()),
            (Ok(()), None) => Ok(()),
        }
    }

    fn enlarge(&self, upscaler: &Upscaler) -> Result<(), Trouble> {
        let Some(init) = &self.admitted.inputs.init else {
            unreachable!("it was looked for when the job was admitted")
        };
        let tiles = upscaler.tiles([init.width, init.height], None, None);
        lock(&self.job.progress).steps = upscaler.parts(&tiles);
        let mut each = || {
            lock(&self.job.progress).step += 1;
            match self.job.token.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let work = || upscaler.upscale(init, &tiles, &mut each);
        let large = match cancellable(Some(&self.job.token), work) {
            Err(_) | Ok(Err(GenerateError::Cancelled)) => return Err(Trouble::Cancelled),
            Ok(large) => large?,
        };
        let (name, scale) = (&self.known.entry.name, upscaler.scale());
        let said = format!("Upscaler: {name}, Upscale by: {scale}, Version: aquatint {VERSION}");
        let texts = BTreeMap::from([("parameters", said)]);
        self.keep(0, self.wish.request.seed, &large, &texts)
    }

    /// Writes a picture to the disk, and then tells of it.
    fn keep(
        &self,
        index: usize,
        seed: u64,
        pixels: &Pixels,
        texts: &BTreeMap<&'static str, String>,
    ) -> Result<(), Trouble> {
        let Self { shared, job, wish, .. } = self;
        let png = encode_picture(pixels, texts, Encoding::default())?;
        let id = format!("{}-{index}", job.id);
        let made = Made { id, width: pixels.width, height: pixels.height, seed };
        let mut request = job.request.clone();
        request.insert("seed".into(), seed.into());
        request.insert("count".into(), 1.into());
        let picture = Picture {
            made: made.clone(),
            prompt: wish.request.prompt.clone(),
            model: job.model.clone(),
            created: clock::now(),
            job: job.id.clone(),
            request,
        };
        let kept = shared.store.keep_picture(&picture, &png);
        kept.map_err(|error| ours(shared, "the picture cannot be kept", &error))?;
        lock(&job.progress).pictures.push(made);
        job.log.tell("picture", picture.made.json());
        Ok(())
    }

    /// Keeps what was on the way, for those who want to know how it works.
    fn explain(&self, sigmas: &[f64], maps: &WordMaps, latents: [usize; 2]) {
        let (tokens, attention) = match &self.held.loaded {
            Loaded::Words(components) => {
                let tokens = explain::tokens(components, &self.wish.request);
                let count = tokens.len();
                (tokens, explain::attention(components, maps, count, latents))
            }
            _ => Default::default(),
        };
        let url = |token| format!("/api/v1/jobs/{}/attention/{token}.png", self.job.id);
        let urls: Vec<Value> =
            attention.keys().map(|&token| json!({"token": token, "url": url(token)})).collect();
        let mut shelf = lock(&self.job.shelf);
        shelf.bytes += attention.values().map(Bytes::len).sum::<usize>();
        shelf.attention = attention;
        shelf.explained = Some(json!({"tokens": tokens, "sigmas": sigmas, "attention": urls}));
    }
}
