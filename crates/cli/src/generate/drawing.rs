//! Drawing, with somebody who looks on: progress, the screen, the time, Ctrl-C.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use aquatint_pipeline::{
    CancelToken, Finished, GenerateError, GenerateRequest, Inputs, LatentPreview, Model, Settings,
    Step, Tiling, Told, Watch, cancellable, generate,
};
use aquatint_tensor::release_idle_memory;

use crate::args::OutputArgs;
use crate::console::{self, Progress};
use crate::failure::Failure;
use crate::preview::Preview;
use crate::report::Clock;
use crate::show::{Show, Way};
use crate::stop;

/// What is seen of pictures while they are made, and how long it takes.
pub struct Drawing {
    tiling: Tiling,
    progress: RefCell<Progress>,
    preview: Option<Preview>,
    show: Option<Show>,
    clock: RefCell<Clock>,
    /// Tokens of both prompts that are not read, as far as was said.
    cut: Cell<[usize; 2]>,
}

/// How to show pictures in the terminal, if that is wanted and there is one.
pub struct Shown(Way, Option<LatentPreview>);

impl Shown {
    /// What is meant by the arguments, for a model of so many latent channels.
    pub fn new(written: &OutputArgs, channels: usize) -> Result<Option<Self>, Failure> {
        let decoder = written.preview_decoder.as_ref();
        let decoder = decoder.map(|path| LatentPreview::open(path, channels));
        let way = written.show.and_then(Way::found);
        way.map(|way| Ok(Self(way, decoder.transpose()?))).transpose()
    }
}

impl Drawing {
    /// So many steps in all.
    pub fn new(tiling: Tiling, steps: usize, clock: Clock) -> Self {
        let progress = RefCell::new(Progress::new("denoising", steps as u64));
        let (clock, cut) = (RefCell::new(clock), Cell::default());
        Self { tiling, progress, preview: None, show: None, clock, cut }
    }

    /// With a preview of the first picture.
    pub fn with_preview(mut self, preview: Option<Preview>) -> Self {
        self.preview = preview;
        self
    }

    /// With pictures in the terminal. Without a decoder, colours for latents are those of the
    /// model's own.
    pub fn with_show(mut self, shown: Option<Shown>, model: &dyn Model) -> Result<Self, Failure> {
        let Some(Shown(way, decoder)) = shown else { return Ok(self) };
        let preview = decoder.map_or_else(|| fitted(model), Ok)?;
        self.clock.borrow_mut().stage("load");
        self.show = Some(Show::new(way, preview));
        Ok(self)
    }

    /// Makes the pictures of a request, and gives each to `each` as soon as it is there.
    pub fn draw(
        &self,
        model: &dyn Model,
        request: &GenerateRequest,
        inputs: &Inputs,
        each: &mut dyn FnMut(&Finished<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let look = |latents: &_| self.preview.iter().for_each(|preview| preview.look(latents));
        let hear = |told: &Told| self.note_cut(told);
        let settings =
            Settings { tiling: self.tiling, look: &look, hear: &hear, ..Default::default() };
        let mut failure = None;
        let mut each = |finished: Finished<'_>| {
            self.show.iter().for_each(|show| show.finished(finished.picture));
            match each(&finished) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let outcome = generate(model, request, inputs, settings, &mut &*self, &mut each);
        match failure {
            Some(failure) => Err(failure),
            None => Ok(outcome?),
        }
    }

    /// Says what of the texts the model has no room for.
    fn note_cut(&self, told: &Told) {
        let Told::Words(embeds) = told else { return };
        let before = self.cut.replace(embeds.cut);
        for (which, name) in ["prompt", "negative prompt"].into_iter().enumerate() {
            let cut = embeds.cut[which];
            if cut > 0 && cut != before[which] {
                let tokens = if cut == 1 { "token" } else { "tokens" };
                console::note(&format!("the last {cut} {tokens} of the {name} are not read"));
            }
        }
    }

    /// What was collected of the first picture.
    pub fn preview(&self) -> Option<&Preview> {
        self.preview.as_ref()
    }

    /// What was done since the last stage was part of this one.
    pub fn stage(&self, done: &'static str) {
        self.clock.borrow_mut().stage(done);
    }

    /// Leaves the terminal as it was, and answers the time.
    pub fn finish(self) -> Clock {
        self.clock.replace(Clock::new())
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        self.progress.borrow().finish();
    }
}

impl Watch for &Drawing {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        self.progress.borrow_mut().step();
        if let Some(show) = &self.show {
            show.step(step.denoised, |draw| self.progress.borrow().suspended(draw));
        }
        self.preview.iter().for_each(Preview::step);
        ControlFlow::Continue(())
    }

    fn stage(&mut self, done: &'static str) {
        Drawing::stage(self, done);
    }

    fn cancelled(&self) -> bool {
        stop::requested()
    }

    fn token(&self) -> Option<CancelToken> {
        Some(stop::token())
    }
}

/// Colours for latents, from the autoencoder itself.
fn fitted(model: &dyn Model) -> Result<LatentPreview, Failure> {
    let channels = model.outline().latent_channels;
    let token = stop::token();
    let fitted = cancellable(Some(&token), || {
        let vae = model.decoder().map_err(GenerateError::from)?;
        Ok(LatentPreview::fitted(channels, |latents| vae.decode(latents, Tiling::Off)))
    });
    release_idle_memory();
    fitted.map_err(GenerateError::from)?
}
