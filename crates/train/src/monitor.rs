//! What a run asks of whoever started it: the time, whether to stop, and to be shown.
//!
//! This crate reads no clock, catches no signal and prints nothing; the command line does.

/// One finished training step.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// The loss of this step.
    pub loss: f32,
    /// The learning rate of this step.
    pub lr: f64,
    /// Pictures a second, averaged over the last steps.
    pub images_per_second: f64,
    /// Seconds that the remaining steps will take at this speed.
    pub seconds_left: f64,
}

/// Watches a run and may stop it.
pub trait Monitor {
    /// Seconds since any fixed moment; never less than before.
    fn seconds(&self) -> f64;

    /// Whether the run should write a checkpoint and return. Asked before every step.
    fn stop_requested(&self) -> bool {
        false
    }

    /// The preparation or measurement called `what` has finished `done` of `total` pieces.
    fn preparing(&mut self, what: &str, done: usize, total: usize) {
        let _ = (what, done, total);
    }

    /// A training step is finished.
    fn step(&mut self, report: &StepReport) {
        let _ = report;
    }

    /// Something that a person may want to read, such as a validation figure.
    fn note(&mut self, text: &str) {
        let _ = text;
    }
}
