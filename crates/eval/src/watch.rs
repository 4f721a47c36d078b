//! Whoever waits for a measurement.

/// Watches a measurement and may stop it.
pub trait Watch {
    /// The work called `what` is done for `done` pictures, of `total` if that is known.
    fn progress(&mut self, what: &str, done: usize, total: Option<usize>) {
        let _ = (what, done, total);
    }

    /// Whether to stop. Asked before every batch of pictures.
    fn stop_requested(&self) -> bool {
        false
    }
}

/// Nobody waits.
impl Watch for () {}
