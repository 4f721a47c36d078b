//! Watching a run and ending it: progress, previews and cancellation in one argument.

use std::ops::ControlFlow;

use aquatint_tensor::{CancelToken, Tensor};

/// One step of a sampler, after it was taken.
pub struct Step<'a> {
    /// Which step, from 0.
    pub index: usize,
    /// How many there are.
    pub total: usize,
    /// The noise before the step.
    pub sigma: f64,
    /// What the denoiser saw in it `[N, ..]`: a preview of the result.
    pub denoised: &'a Tensor,
}

/// Is told of every step and can stop the run. `()` looks away; closures of a [`Step`] watch; a
/// [`CancelToken`] stops it from another thread, alone or in a pair with such a closure.
pub trait Watch {
    /// A step was taken. `Break` makes it the last one.
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        let _ = step;
        ControlFlow::Continue(())
    }

    /// A part of the work that is no step is done: all since the last call was `"load"`, `"encode"`,
    /// `"denoise"`, `"decode"` or whatever else the work is made of.
    fn stage(&mut self, done: &'static str) {
        let _ = done;
    }

    /// Whether the run is no longer wanted. Asked before every step.
    fn cancelled(&self) -> bool {
        self.token().is_some_and(|token| token.is_cancelled())
    }

    /// What says, from any thread, that the run is no longer wanted. Asked for once, before the
    /// first step. A run that has one ends within a step, and its parts within themselves: after
    /// some milliseconds.
    fn token(&self) -> Option<CancelToken> {
        None
    }
}

impl Watch for () {}

impl<F: FnMut(Step<'_>) -> ControlFlow<()>> Watch for F {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        self(step)
    }
}

impl Watch for CancelToken {
    fn token(&self) -> Option<CancelToken> {
        Some(self.clone())
    }
}

impl<F: FnMut(Step<'_>) -> ControlFlow<()>> Watch for (CancelToken, F) {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        self.1(step)
    }

    fn token(&self) -> Option<CancelToken> {
        Some(self.0.clone())
    }
}
