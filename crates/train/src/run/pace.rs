//! How fast a run goes.

/// Seconds for a step: a running average that forgets old steps and never counts the pauses
/// between steps.
#[derive(Default)]
pub(super) struct Pace {
    /// The average, after the first step.
    pub(super) seconds: Option<f64>,
}

impl Pace {
    /// Adds a step that took so many seconds, and answers the average.
    pub(super) fn add(&mut self, seconds: f64) -> f64 {
        let average = self.seconds.map_or(seconds, |average| 0.95 * average + 0.05 * seconds);
        *self.seconds.insert(average)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_steps_are_forgotten() {
        let mut pace = Pace::default();
        assert_eq!(pace.add(2.0), 2.0);
        assert!((pace.add(1.0) - 1.95).abs() < 1e-12);
        (0..200).for_each(|_| _ = pace.add(1.0));
        assert!((pace.seconds.unwrap() - 1.0).abs() < 1e-3);
    }
}
