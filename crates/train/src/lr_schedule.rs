//! How the learning rate changes over a run.

use serde::{Deserialize, Serialize};

/// What follows the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// The peak until the end.
    Constant,
    /// Half a cosine from the peak to zero (Loshchilov and Hutter, arXiv:1608.03983).
    Cosine,
    /// The peak, then a straight line to zero over the last part of the run (arXiv:2405.18392).
    ConstantWithCooldown,
}

/// Learning rate by step: a straight line up, then a [`Shape`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LrSchedule {
    /// The highest rate.
    pub peak: f64,
    /// Steps of the straight line from zero to the peak.
    pub warmup_steps: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// What follows the warm-up.
    pub shape: Shape,
    /// The part of the run, 0 to 1, that the cool-down takes, where the shape has one.
    pub cooldown: f64,
}

impl LrSchedule {
    /// The rate of step number `step`; the first is 0.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let left = self.steps.saturating_sub(step) as f64;
        self.peak
            * match self.shape {
                Shape::Constant => 1.0,
                Shape::Cosine => {
                    let whole = self.steps.saturating_sub(self.warmup_steps).max(1) as f64;
                    0.5 - 0.5 * (std::f64::consts::PI * (left / whole).min(1.0)).cos()
                }
                Shape::ConstantWithCooldown => {
                    let whole = self.cooldown * self.steps as f64;
                    if left < whole { left / whole } else { 1.0 }
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(shape: Shape) -> [f64; 6] {
        let schedule = LrSchedule { peak: 2.0, warmup_steps: 4, steps: 104, shape, cooldown: 0.25 };
        [0, 3, 4, 54, 91, 104].map(|step| (schedule.at(step) * 1e6).round() / 1e6)
    }

    #[test]
    fn literals() {
        assert_eq!(rates(Shape::Constant), [0.5, 2.0, 2.0, 2.0, 2.0, 2.0]);
        assert_eq!(rates(Shape::Cosine), [0.5, 2.0, 2.0, 1.0, 0.082_245, 0.0]);
        assert_eq!(rates(Shape::ConstantWithCooldown), [0.5, 2.0, 2.0, 2.0, 1.0, 0.0]);
    }

    #[test]
    fn a_run_shorter_than_its_warmup_only_rises() {
        let schedule = LrSchedule {
            peak: 1.0,
            warmup_steps: 10,
            steps: 5,
            shape: Shape::Cosine,
            cooldown: 0.0,
        };
        assert_eq!([0, 4].map(|step| schedule.at(step)), [0.1, 0.5]);
    }
}
