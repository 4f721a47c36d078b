//! Times the kernels of a pass, each where it runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use aquatint_tensor::Tensor;
use aquatint_tensor::watch::{Call, Listener, watched};

/// What was measured of a network.
pub struct Timings {
    /// Of the fastest pass.
    pub seconds: f64,
    /// The kernels of a pass.
    pub kernels: BTreeMap<Call, Timing>,
}

/// All calls of a kernel with the same sizes in one pass.
#[derive(Clone, Copy, Default)]
pub struct Timing {
    /// How many there are.
    pub calls: usize,
    /// What they take together in the pass where they were fastest.
    pub seconds: f64,
}

impl Timings {
    /// The best of `passes` passes, after one to warm up.
    pub fn of(passes: usize, pass: impl Fn() -> Tensor + Sync) -> Self {
        // On a thread of the pool, from where work is handed out cheaply.
        rayon::scope(|_| {
            drop(pass());
            let mut best = Self { seconds: f64::INFINITY, kernels: BTreeMap::new() };
            for _ in 0..passes.max(1) {
                let stopwatch = Rc::new(Stopwatch::default());
                let start = Instant::now();
                drop(watched(stopwatch.clone(), &pass));
                best.seconds = best.seconds.min(start.elapsed().as_secs_f64());
                for (call, timing) in &stopwatch.0.borrow().kernels {
                    let known = best.kernels.entry(call.clone()).or_insert(*timing);
                    known.seconds = known.seconds.min(timing.seconds);
                }
            }
            best
        })
    }

    /// What is not spent in kernels.
    pub fn between(&self) -> f64 {
        let inside: f64 = self.kernels.values().map(|timing| timing.seconds).sum();
        (self.seconds - inside).max(0.0)
    }
}

#[derive(Default)]
struct Stopwatch(RefCell<State>);

#[derive(Default)]
struct State {
    /// When the call began that is no part of another, and how many are inside each other.
    start: Option<Instant>,
    depth: usize,
    kernels: BTreeMap<Call, Timing>,
}

impl Listener for Stopwatch {
    fn begins(&self, _call: &Call) {
        let mut state = self.0.borrow_mut();
        state.depth += 1;
        if state.depth == 1 {
            state.start = Some(Instant::now());
        }
    }

    fn ended(&self, call: &Call) {
        let mut state = self.0.borrow_mut();
        state.depth -= 1;
        if state.depth > 0 {
            return;
        }
        let seconds = state.start.take().map_or(0.0, |start| start.elapsed().as_secs_f64());
        let timing = state.kernels.entry(call.clone()).or_default();
        timing.calls += 1;
        timing.seconds += seconds;
    }
}
