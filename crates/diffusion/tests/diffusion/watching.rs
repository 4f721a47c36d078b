//! Progress and the end of runs.

use std::ops::ControlFlow;

use aquatint_diffusion::{Run, SAMPLERS, Step, Watch};
use aquatint_tensor::{Rng, Tensor};

const SIGMAS: [f64; 5] = [8.0, 4.0, 2.0, 1.0, 0.0];

fn half(x: &Tensor, _sigma: f64) -> Tensor {
    x.scale(0.5)
}

/// Breaks after step `last`; wants no step from `unwanted_from` on.
struct Recorder {
    seen: Vec<(usize, usize, f64)>,
    last: usize,
    unwanted_from: usize,
}

impl Watch for Recorder {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        assert_eq!(step.denoised.shape(), [1, 2]);
        self.seen.push((step.index, step.total, step.sigma));
        if step.index == self.last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn cancelled(&self) -> bool {
        self.seen.len() >= self.unwanted_from
    }
}

/// What the watch saw of every sampler's run, and the sum of squares that was returned.
fn runs(last: usize, unwanted_from: usize) -> Vec<(Recorder, f64)> {
    let run = |sampler: &aquatint_diffusion::SamplerInfo| {
        let mut watch = Recorder { seen: Vec::new(), last, unwanted_from };
        let run = Run {
            denoiser: &half,
            sigmas: &SIGMAS,
            eta: None,
            noise: &mut Rng::new(1),
            watch: &mut watch,
        };
        let x = sampler.sample_from(Tensor::full(&[1, 2], 8.0), run);
        (watch, x.sum_of_squares())
    };
    SAMPLERS.iter().map(run).collect()
}

#[test]
fn every_step_is_told() {
    for (watch, _) in runs(99, 99) {
        assert_eq!(watch.seen, [(0, 4, 8.0), (1, 4, 4.0), (2, 4, 2.0), (3, 4, 1.0)]);
    }
}

#[test]
fn a_break_makes_a_step_the_last() {
    for ((watch, stopped), (_, finished)) in runs(1, 99).into_iter().zip(runs(99, 99)) {
        assert_eq!(watch.seen.len(), 2);
        assert!(stopped > finished, "what is returned is where the run was");
    }
}

#[test]
fn a_cancelled_run_takes_no_further_step() {
    for (watch, _) in runs(99, 3) {
        assert_eq!(watch.seen.len(), 3);
    }
    for (watch, x) in runs(99, 0) {
        assert_eq!((watch.seen.len(), x), (0, 128.0), "nothing was done");
    }
}

#[test]
fn closures_watch() {
    let mut steps = 0;
    let mut count = |_: Step<'_>| {
        steps += 1;
        ControlFlow::Continue(())
    };
    let (noise, watch) = (&mut Rng::new(1), &mut count);
    let run = Run { denoiser: &half, sigmas: &SIGMAS, eta: None, noise, watch };
    SAMPLERS[0].sample(&[1, 2], run);
    assert_eq!(steps, 4);
}

#[test]
#[should_panic(expected = "noise levels must fall")]
fn noise_levels_that_grow() {
    let (noise, watch) = (&mut Rng::new(1), &mut ());
    let run = Run { denoiser: &half, sigmas: &[1.0, 2.0, 0.0], eta: None, noise, watch };
    SAMPLERS[0].sample(&[1, 2], run);
}
