//! Classifier-free guidance: Ho and Salimans 2022 (arXiv:2207.12598); by several prompts: Liu et al.
//! 2022 (arXiv:2206.01714).

use aquatint_tensor::Tensor;

use crate::rescale::rescaled;
use crate::{GuidanceInterval, Network, step_of};

/// What a picture is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// What the prompt says.
    Prompt,
    /// What the negative prompt says, or nothing in particular.
    NegativePrompt,
    /// What the n-th further prompt says, from 1 on: all of them together are meant.
    Part(usize),
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
/// Of several prompts with weights wᵢ it is F₋ + s Σ wᵢ (Fᵢ − F₋), eq. 11 of Liu et al.
///
/// Mixing here, below the denoiser, is the same as mixing denoised pictures, because D is an
/// affine function of F with one c_skip·x on either side; and it lets all conditions share one
/// call of the network.
pub struct Guidance<'a> {
    /// The network to ask.
    pub conditioned: &'a dyn Conditioned,
    /// How far to go: 0 is the negative prompt, 1 the prompt; Stable Diffusion's habit is 7.5.
    /// It is 1 + w in the paper, eq. 6.
    pub guidance_scale: f64,
    /// At which timesteps; elsewhere the scale is 1.
    pub interval: GuidanceInterval,
    /// What most runs do without.
    pub more: MoreGuidance<'a>,
}

/// What guidance may have besides a scale and an interval; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct MoreGuidance<'a> {
    /// How much each prompt counts, [`Condition::Prompt`] and then [`Condition::Part`] 1, 2, …. None
    /// is one prompt of weight 1.
    pub weights: &'a [f64],
    /// The timestep of every step, falling, and its scale, in place of the one for all.
    pub scales: Option<(&'a [f32], &'a [f64])>,
    /// φ of Lin et al. 2024: how far the answer is brought back to the deviation of the prompt's.
    pub rescale: f64,
}

/// What a network answers under all conditions at once.
pub(crate) struct Answers {
    /// `None` where it has no part in the result.
    negative: Option<Tensor>,
    /// With weights.
    prompts: Vec<(f64, Tensor)>,
}

impl Answers {
    /// F₋ + s Σ wᵢ (Fᵢ − F₋); without F₋, s Σ wᵢ Fᵢ.
    pub fn mixed(&self, scale: f64) -> Tensor {
        let Some(negative) = &self.negative else {
            let scaled = |(weight, prompt): &(f64, Tensor)| match scale * weight {
                1.0 => prompt.clone(),
                factor => prompt.scale(factor as f32),
            };
            let sum = self.prompts.iter().map(scaled).reduce(|a, b| a.add(&b));
            return sum.expect("there is a prompt");
        };
        self.prompts.iter().fold(negative.clone(), |sum, (weight, prompt)| {
            sum.add(&prompt.sub(negative).scale((scale * weight) as f32))
        })
    }

    /// Whether there is something to guide away from.
    pub fn guided(&self) -> bool {
        self.negative.is_some()
    }

    /// The mean of the prompts.
    fn unguided(&self) -> Tensor {
        let total: f64 = self.prompts.iter().map(|(weight, _)| weight).sum();
        let prompts = match self.prompts.as_slice() {
            // Prompts that cancel out have no mean.
            [first, _, ..] if total <= 0.0 => vec![(1.0, first.1.clone())],
            prompts => prompts.iter().map(|(w, prompt)| (w / total, prompt.clone())).collect(),
        };
        Self { negative: None, prompts }.mixed(1.0)
    }
}

impl Guidance<'_> {
    /// The scale at a timestep.
    pub(crate) fn scale_at(&self, timestep: f32) -> f64 {
        match self.more.scales {
            Some((timesteps, scales)) => scales[step_of(timestep, timesteps)],
            None => self.guidance_scale,
        }
    }

    /// One call of the network, and the scale that belongs to it.
    pub(crate) fn ask(&self, xt: &Tensor, timesteps: &[f32]) -> (Answers, f64) {
        let weights = if self.more.weights.is_empty() { &[1.0] } else { self.more.weights };
        let total: f64 = weights.iter().sum();
        let condition = |i| if i == 0 { Condition::Prompt } else { Condition::Part(i) };
        let mut asked: Vec<Condition> = (0..weights.len()).map(condition).collect();
        let guided = timesteps.iter().any(|&t| self.interval.contains(t));
        let scale = match timesteps.first() {
            Some(&timestep) if guided => self.scale_at(timestep),
            // The mean of the prompts.
            _ if total > 0.0 => 1.0 / total,
            _ => 1.0,
        };
        let away = guided && (scale * total - 1.0).abs() > 1e-12;
        if away {
            asked.insert(0, Condition::NegativePrompt);
        } else if total <= 0.0 {
            asked.truncate(1);
        }
        let (n, k) = (xt.dim(0), asked.len());
        let answer = match k {
            1 => self.conditioned.predict(xt, timesteps, &asked),
            _ => self.conditioned.predict(&repeated(xt, k), &timesteps.repeat(k), &asked),
        };
        let part = |i: usize| if k == 1 { answer.clone() } else { answer.narrow_rows(i * n, n) };
        let negative = away.then(|| part(0));
        let first = usize::from(away);
        let prompts = (first..k).map(|i| (weights[i - first], part(i))).collect();
        let mut answers = Answers { negative, prompts };
        if !away && total <= 0.0 {
            answers.prompts[0].0 = 1.0;
        }
        (answers, scale)
    }
}

/// `[N, ..]` k times.
fn repeated(x: &Tensor, k: usize) -> Tensor {
    (1..k).fold(x.clone(), |all, _| Tensor::cat_rows([&all, x]))
}

impl Network for Guidance<'_> {
    fn predict(&self, xt: &Tensor, timesteps: &[f32]) -> Tensor {
        let (answers, scale) = self.ask(xt, timesteps);
        let mixed = answers.mixed(scale);
        match self.more.rescale {
            rescale if rescale != 0.0 && answers.guided() => {
                rescaled(&mixed, &answers.unguided(), rescale)
            }
            _ => mixed,
        }
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
            Condition::Part(i) => 3.0 + i as f32,
        };
        let (x, width) = (xt.to_vec(), xt.len() / xt.dim(0));
        Tensor::from_fn(xt.shape(), |i| x[i] * factor(i / width) + timesteps[i / width])
    }

    fn guidance(
        conditioned: &dyn Conditioned,
        guidance_scale: f64,
        interval: GuidanceInterval,
    ) -> Guidance<'_> {
        Guidance { conditioned, guidance_scale, interval, more: MoreGuidance::default() }
    }

    fn guided(xt: &Tensor, guidance_scale: f64) -> Vec<f32> {
        let interval = GuidanceInterval::ALL;
        let guidance = guidance(&answer, guidance_scale, interval);
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
            let guidance = guidance(&counting, guidance_scale, interval);
            let prompt = answer(&xt, &[1.0, 1.0], &[Condition::Prompt]);
            let same = guidance.predict(&xt, &[1.0, 1.0]).to_vec() == prompt.to_vec();
            assert_eq!(same, (guidance_scale, low) != (3.0, 0.0));
        }
        assert_eq!(pictures.take(), [4, 2, 2]);
    }

    /// −x + s Σ w (f + 1) x, for the factors 2, 4, 5 of three prompts.
    #[test]
    fn several_prompts() {
        let xt = Tensor::new(vec![1.0, 2.0, 3.0, 4.0], &[2, 2]);
        let of = |weights: &[f64], guidance_scale, interval| -> Vec<f32> {
            let more = MoreGuidance { weights, ..Default::default() };
            let guidance = Guidance { more, ..guidance(&answer, guidance_scale, interval) };
            guidance.predict(&xt, &[0.0, 0.0]).to_vec()
        };
        let times = |factor: f32| xt.scale(factor).to_vec();
        let (all, none) = (GuidanceInterval::ALL, GuidanceInterval { low: 5.0, high: 9.0 });
        assert_eq!(of(&[1.0, 1.0], 2.0, all), times(-1.0 + 2.0 * (3.0 + 5.0)));
        assert_eq!(of(&[1.0, -0.5, 2.0], 2.0, all), times(-1.0 + 2.0 * (3.0 - 2.5 + 12.0)));
        // Where the negative prompt cancels out, it is not asked.
        assert_eq!(of(&[0.5, 0.5], 1.0, all), times(3.0));
        // Unguided, it is their mean, or the first prompt if there is none.
        assert_eq!(of(&[1.0, 3.0], 7.0, none), times(3.5));
        assert_eq!(of(&[1.0, -1.0], 7.0, none), times(2.0));
        assert_eq!(of(&[2.0], 7.0, none), times(2.0));
    }

    #[test]
    fn a_scale_for_each_step() {
        let xt = Tensor::full(&[1, 1], 1.0);
        let more = MoreGuidance {
            scales: Some((&[9.0, 6.0, 3.0], &[4.0, 1.0, 0.0])),
            ..Default::default()
        };
        let guidance = Guidance { more, ..guidance(&answer, 7.0, GuidanceInterval::ALL) };
        let at = |timestep: f32| guidance.predict(&xt, &[timestep]).to_vec()[0] - timestep;
        let close = [9.0, 8.0, 6.0, 3.0, 0.0].map(at).map(|x| (x * 1e3).round() / 1e3);
        assert_eq!(close, [11.0, 11.0, 2.0, -1.0, -1.0]);
    }

    /// Mixing answers is mixing denoised pictures, whatever the network predicts.
    #[test]
    fn the_same_on_either_side_of_the_parameterization() {
        let schedule = Schedule::new(BetaSchedule::Linear { start: 1e-4, end: 0.02 }, 1000);
        let (x, sigma) = (Tensor::new(vec![0.5, -1.5], &[2, 1]), schedule.sigma(300));
        for prediction_type in PredictionType::ALL {
            let denoised = |guidance_scale| {
                let interval = GuidanceInterval::ALL;
                let network = guidance(&answer, guidance_scale, interval);
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
