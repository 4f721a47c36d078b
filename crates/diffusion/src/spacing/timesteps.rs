//! Whole timesteps of the schedule: table 2 of Lin et al. 2024 (arXiv:2305.08891), rounded as the
//! published schedulers round them.

use crate::Schedule;

/// How a few timesteps are spread over the many of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestepSpacing {
    /// Every ⌊T/n⌋-th from 0 upwards, all moved up by `steps_offset`. Never visits T − 1.
    Leading {
        /// Stable Diffusion has 1.
        steps_offset: usize,
    },
    /// Every T/n-th from T − 1 downwards.
    Trailing,
    /// From 0 to T − 1, both visited.
    Linspace,
}

impl TimestepSpacing {
    /// The spacing that configuration files call `name`. Only `leading` reads `steps_offset`.
    pub fn named(name: &str, steps_offset: usize) -> Option<Self> {
        match name {
            "leading" => Some(Self::Leading { steps_offset }),
            "trailing" => Some(Self::Trailing),
            "linspace" => Some(Self::Linspace),
            _ => None,
        }
    }
}

/// Where a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalSigma {
    /// Without noise: `set_alpha_to_one = true`.
    Zero,
    /// At the noise of the first timestep: `set_alpha_to_one = false`, as Stable Diffusion's
    /// configuration has it.
    FirstTimestep,
}

/// The `steps` timesteps to visit of `num_train_timesteps`, highest first.
///
/// # Panics
/// If there are no steps or more than timesteps.
#[track_caller]
pub fn timesteps(spacing: TimestepSpacing, num_train_timesteps: usize, steps: usize) -> Vec<usize> {
    let t_max = num_train_timesteps;
    assert!((1..=t_max).contains(&steps), "{steps} steps over {t_max} timesteps");
    // Half-way cases are rounded to even numbers, since that is what NumPy does.
    let rounded = |t: f64| t.round_ties_even() as usize;
    match spacing {
        TimestepSpacing::Leading { steps_offset } => {
            let ratio = t_max / steps;
            let at = |i: usize| (i * ratio).saturating_add(steps_offset).min(t_max - 1);
            (0..steps).rev().map(at).collect()
        }
        TimestepSpacing::Trailing => {
            let ratio = t_max as f64 / steps as f64;
            (0..steps).map(|i| rounded(t_max as f64 - i as f64 * ratio) - 1).collect()
        }
        // One step alone starts from the noisiest timestep; from 0 it would have nothing to do.
        TimestepSpacing::Linspace if steps == 1 => vec![t_max - 1],
        TimestepSpacing::Linspace => {
            let ratio = (t_max - 1) as f64 / (steps - 1) as f64;
            (0..steps).rev().map(|i| rounded(i as f64 * ratio)).collect()
        }
    }
}

/// σ at each of `timesteps` and then the final one: the stops of a run, one more than its steps.
#[track_caller]
pub fn sigmas(schedule: &Schedule, timesteps: &[usize], final_sigma: FinalSigma) -> Vec<f64> {
    let last = match final_sigma {
        FinalSigma::Zero => 0.0,
        FinalSigma::FirstTimestep => schedule.sigma(0),
    };
    timesteps.iter().map(|&t| schedule.sigma(t)).chain([last]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_steps() {
        let of = |spacing, steps| timesteps(spacing, 1000, steps);
        assert_eq!(of(TimestepSpacing::Leading { steps_offset: 1 }, 4), [751, 501, 251, 1]);
        assert_eq!(of(TimestepSpacing::Trailing, 3), [999, 666, 332]);
        assert_eq!(of(TimestepSpacing::Linspace, 3), [999, 500, 0]);
        assert_eq!(of(TimestepSpacing::Linspace, 1), [999]);
        assert_eq!(of(TimestepSpacing::Trailing, 1), [999]);
    }

    #[test]
    fn all_steps_are_all_timesteps() {
        let all: Vec<usize> = (0..1000).rev().collect();
        let leading = TimestepSpacing::Leading { steps_offset: 0 };
        for spacing in [leading, TimestepSpacing::Trailing, TimestepSpacing::Linspace] {
            assert_eq!(timesteps(spacing, 1000, 1000), all, "{spacing:?}");
        }
        let offset = timesteps(TimestepSpacing::Leading { steps_offset: 1 }, 1000, 1000);
        assert_eq!(offset[..2], [999, 999], "an offset does not leave the table");
        let absurd = TimestepSpacing::Leading { steps_offset: usize::MAX };
        assert_eq!(timesteps(absurd, 1000, 3), [999; 3]);
    }

    #[test]
    #[should_panic(expected = "1001 steps over 1000 timesteps")]
    fn more_steps_than_timesteps() {
        timesteps(TimestepSpacing::Trailing, 1000, 1001);
    }
}
