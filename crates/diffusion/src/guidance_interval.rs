//! Which steps are guided.

use crate::Schedule;

/// The timesteps, those above `low` up to `high`, at which a picture is guided: with much noise
/// guidance makes pictures alike, with little it does nothing (Kynkäänniemi et al. 2024,
/// arXiv:2404.07724, section 3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuidanceInterval {
    /// Timesteps above this one are guided,
    pub low: f32,
    /// up to this one.
    pub high: f32,
}

impl GuidanceInterval {
    /// All timesteps.
    pub const ALL: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };

    /// The steps `start` to `stop`, as fractions of a run along `sigmas`: of n steps, those from
    /// ⌊start·n⌋ to before ⌊stop·n⌋, as in diffusers' guiders.
    ///
    /// # Panics
    /// If the fractions are not in order and between 0 and 1.
    #[track_caller]
    pub fn of_steps([start, stop]: [f64; 2], sigmas: &[f64], schedule: &Schedule) -> Self {
        assert!(0.0 <= start && start <= stop && stop <= 1.0, "guidance from {start} to {stop}");
        let steps = sigmas.len() - 1;
        // The small number is for 0.29·100, which is 28.999999999999996.
        let step = |fraction: f64| (fraction * steps as f64 + 1e-9) as usize;
        let t = |step: usize| schedule.t(sigmas[step]) as f32;
        Self {
            low: if step(stop) == steps { f32::NEG_INFINITY } else { t(step(stop)) },
            high: if step(start) == 0 { f32::INFINITY } else { t(step(start)) },
        }
    }

    /// Whether this timestep is guided.
    pub fn contains(&self, timestep: f32) -> bool {
        self.low < timestep && timestep <= self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BetaSchedule;

    #[test]
    fn an_interval_of_the_steps() {
        let schedule = Schedule::new(BetaSchedule::Linear { start: 1e-4, end: 0.02 }, 1000);
        for last in [0.0, schedule.sigma(0)] {
            let timesteps: Vec<usize> = (0..100).rev().map(|i| 10 * i + 1).collect();
            let mut sigmas: Vec<f64> = timesteps.iter().map(|&t| schedule.sigma(t)).collect();
            sigmas.push(last);
            let guided = |start: f64, stop: f64| -> Vec<usize> {
                let interval = GuidanceInterval::of_steps([start, stop], &sigmas, &schedule);
                let t = |step: usize| schedule.t(sigmas[step]) as f32;
                (0..100).filter(|&step| interval.contains(t(step))).collect()
            };
            let steps = |range: std::ops::Range<usize>| range.collect::<Vec<_>>();
            assert_eq!(guided(0.0, 1.0), steps(0..100));
            assert_eq!(guided(0.0, 0.299), steps(0..29));
            assert_eq!(guided(0.29, 0.75), steps(29..75));
            assert_eq!(guided(0.5, 0.5), steps(0..0));
            assert_eq!(guided(0.999, 1.0), steps(99..100));
        }
    }
}
