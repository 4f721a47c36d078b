//! Classifier-free guidance: Ho and Salimans 2022 (arXiv:2207.12598).

use aquatint_tensor::Tensor;

use crate::Network;

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
}

impl Network for Guidance<'_> {
    fn predict(&self, xt: &Tensor, timesteps: &[f32]) -> Tensor {
        if self.guidance_scale == 1.0 {
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
        Guidance { conditioned: &answer, guidance_scale }.predict(xt, &[10.0, 20.0]).to_vec()
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
    fn one_call_and_half_the_work_at_scale_one() {
        let pictures = Cell::new(Vec::new());
        let counting = |xt: &Tensor, timesteps: &[f32], conditions: &[Condition]| {
            let mut calls = pictures.take();
            calls.push(xt.dim(0));
            pictures.set(calls);
            answer(xt, timesteps, conditions)
        };
        let xt = Tensor::full(&[2, 2], 1.0);
        for guidance_scale in [3.0, 1.0] {
            Guidance { conditioned: &counting, guidance_scale }.predict(&xt, &[1.0, 1.0]);
        }
        assert_eq!(pictures.take(), [4, 2]);
    }

    /// Mixing answers is mixing denoised pictures, whatever the network predicts.
    #[test]
    fn the_same_on_either_side_of_the_parameterization() {
        let schedule = Schedule::new(BetaSchedule::Linear { start: 1e-4, end: 0.02 }, 1000);
        let (x, sigma) = (Tensor::new(vec![0.5, -1.5], &[2, 1]), schedule.sigma(300));
        for prediction_type in PredictionType::ALL {
            let denoised = |guidance_scale| {
                let network = Guidance { conditioned: &answer, guidance_scale };
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
