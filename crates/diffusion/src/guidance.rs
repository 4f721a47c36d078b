//! Classifier-free guidance: Ho and Salimans 2022 (arXiv:2207.12598).

use aquatint_tensor::Tensor;

use crate::{Network, Schedule};

/// What a picture is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// What the prompt says.
    Prompt,
    /// What the negative prompt says, or nothing in particular.
    NegativePrompt,
}

/// A network that can be asked under several conditions at once. Closures can.
pub trait Conditioned {
    /// The answer for xt `[K·N, ..]` at `timesteps[K·N]`: the first N pictures are under
    /// `conditions[0]`, the next N under `conditions[1]`, and so on for K conditions.
    fn predict(&self, xt: &Tensor, timesteps: &[f32], conditions: &[Condition]) -> Tensor;
}

impl<F: Fn(&Tensor, &[f32], &[Condition]) -> Tensor> Conditioned for F {
    fn predict(&self, xt: &Tensor, timesteps: &[f32], conditions: &[Condition]) -> Tensor {
        self(xt, timesteps, conditions)
    }
}

/// A network made of a conditioned one: away from the negative prompt, through the prompt and
/// beyond. At scale 1 it is the prompt's answer alone, and half the work.
///
/// Mixing here, below the denoiser, is the same as mixing denoised pictures, because D is an
/// affine function of F with one c_skip·x on either side; and it lets both conditions share one
/// call of the network.
pub struct Guidance<'a> {
    /// The network to ask.
    pub conditioned: &'a dyn Conditioned,
    /// How far to go: 0 is the negative prompt, 1 the prompt; Stable Diffusion's habit is 7.5.
    /// It is 1 + w in the paper, eq. 6.
    pub guidance_scale: f64,
    /// At which timesteps; elsewhere the scale is 1.
    pub interval: GuidanceInterval,
}

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

impl Network for Guidance<'_> {
    fn predict(&self, xt: &Tensor, timesteps: &[f32]) -> Tensor {
        let guided = timesteps.iter().any(|&t| self.interval.contains(t));
        if self.guidance_scale == 1.0 || !guided {
            return self.conditioned.predict(xt, timesteps, &[Condition::Prompt]);
        }
        let both = self.conditioned.predict(
            &Tensor::cat_rows([xt, xt]),
            &timesteps.repeat(2),
            &[Condition::NegativePrompt, Condition::Prompt],
        );
        let n = xt.dim(0);
        let (negative, prompt) = (both.narrow_rows(0, n), both.narrow_rows(n, n));
        negative.add(&prompt.sub(&negative).scale(self.guidance_scale as f32))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{BetaSchedule, Denoiser, ModelDenoiser, PredictionType, Schedule};

    /// Under the prompt twice xt, under the negative prompt minus xt, plus the timestep.
    fn answer(xt: &Tensor, timesteps: &[f32], conditions: &[Condition]) -> Tensor {
        let n = xt.dim(0) / conditions.len();
        let factor = |row: usize| match conditions[row / n] {
            Condition::Prompt => 2.0,
            Condition::NegativePrompt => -1.0,
        };
        let (x, width) = (xt.to_vec(), xt.len() / xt.dim(0));
        Tensor::from_fn(xt.shape(), |i| x[i] * factor(i / width) + timesteps[i / width])
    }

    fn guided(xt: &Tensor, guidance_scale: f64) -> Vec<f32> {
        let interval = GuidanceInterval::ALL;
        let guidance = Guidance { conditioned: &answer, guidance_scale, interval };
        guidance.predict(xt, &[10.0, 20.0]).to_vec()
    }

    #[test]
    fn linear_in_the_scale() {
        let xt = Tensor::new(vec![1.0, 2.0, 3.0, 4.0], &[2, 2]);
        assert_eq!(guided(&xt, 1.0), answer(&xt, &[10.0, 20.0], &[Condition::Prompt]).to_vec());
        assert_eq!(
            guided(&xt, 0.0),
            answer(&xt, &[10.0, 20.0], &[Condition::NegativePrompt]).to_vec()
        );
        // −x + 7.5·(2x + x) = 21.5·x, the timestep unchanged.
        assert_eq!(guided(&xt, 7.5), [31.5, 53.0, 84.5, 106.0]);
    }

    #[test]
    fn one_call_and_half_the_work_at_scale_one_or_outside_of_the_interval() {
        let pictures = Cell::new(Vec::new());
        let counting = |xt: &Tensor, timesteps: &[f32], conditions: &[Condition]| {
            let mut calls = pictures.take();
            calls.push(xt.dim(0));
            pictures.set(calls);
            answer(xt, timesteps, conditions)
        };
        let xt = Tensor::full(&[2, 2], 1.0);
        for (guidance_scale, low) in [(3.0, 0.0), (1.0, 0.0), (3.0, 1.0)] {
            let interval = GuidanceInterval { low, high: 1.0 };
            let guidance = Guidance { conditioned: &counting, guidance_scale, interval };
            let prompt = answer(&xt, &[1.0, 1.0], &[Condition::Prompt]);
            let same = guidance.predict(&xt, &[1.0, 1.0]).to_vec() == prompt.to_vec();
            assert_eq!(same, (guidance_scale, low) != (3.0, 0.0));
        }
        assert_eq!(pictures.take(), [4, 2, 2]);
    }

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

    /// Mixing answers is mixing denoised pictures, whatever the network predicts.
    #[test]
    fn the_same_on_either_side_of_the_parameterization() {
        let schedule = Schedule::new(BetaSchedule::Linear { start: 1e-4, end: 0.02 }, 1000);
        let (x, sigma) = (Tensor::new(vec![0.5, -1.5], &[2, 1]), schedule.sigma(300));
        for prediction_type in PredictionType::ALL {
            let denoised = |guidance_scale| {
                let interval = GuidanceInterval::ALL;
                let network = Guidance { conditioned: &answer, guidance_scale, interval };
                let schedule = &schedule;
                ModelDenoiser { network: &network, schedule, prediction_type }.denoise(&x, sigma)
            };
            let (negative, prompt) = (denoised(0.0), denoised(1.0));
            let mixed = negative.add(&prompt.sub(&negative).scale(4.0));
            let difference = mixed.sub(&denoised(4.0)).max_abs();
            assert!(difference < 1e-4 * mixed.max_abs(), "{prediction_type:?}: {difference}");
        }
    }
}
