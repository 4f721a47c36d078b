//! What a network F predicts, as one table that training and sampling share.
//!
//! With x = x0 + σ ε, the network sees c_in·x at timestep t(σ), and
//!
//! - sampling wants the data: D(x; σ) = c_skip·x + c_out·F (Karras et al. 2022, eq. 7);
//! - training wants F to be the target for which that is exact: (x0 − c_skip·x) / c_out.
//!
//! | network predicts | c_skip | c_out | c_in | target |
//! |---|---|---|---|---|
//! | epsilon | 1 | −σ | 1/√(σ²+1) | ε |
//! | v_prediction | 1/(σ²+1) | −σ/√(σ²+1) | 1/√(σ²+1) | √ᾱ ε − √(1−ᾱ) x0 |
//! | sample | 0 | 1 | 1/√(σ²+1) | x0 |
//! | flow_prediction | 1/(σ+1) | −σ/(σ+1) | 1/(σ+1) | ε − x0 |
//!
//! Since c_in = √ᾱ but for the last row, the network sees c_in·x = √ᾱ x0 + √(1−ᾱ) ε: the paper's
//! xt. In the last row it sees (1 − s) x0 + s ε with s = σ/(σ+1): the straight way from data to
//! noise.

use aquatint_tensor::Tensor;

use crate::weighted::weighted_per_picture;
use crate::{Schedule, ddpm};

/// What a network predicts, under the names of configuration files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredictionType {
    /// The noise ε: DDPM (Ho et al. 2020), Stable Diffusion 1.
    Epsilon,
    /// The velocity v = √ᾱ ε − √(1−ᾱ) x0: Progressive Distillation (Salimans and Ho 2022),
    /// Stable Diffusion 2.
    VPrediction,
    /// The data x0 itself.
    Sample,
    /// The direction ε − x0 of the straight way from data to noise: flow matching (Lipman et al.
    /// 2023), rectified flow (Liu et al. 2023, eq. 1), Stable Diffusion 3.
    Flow,
}

/// A row of the table at one σ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    /// c_skip: how much of x goes into D directly.
    pub skip: f64,
    /// c_out: what the network's answer is multiplied with.
    pub out: f64,
    /// c_in: what the network's input is multiplied with.
    pub input: f64,
}

impl PredictionType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Epsilon, Self::VPrediction, Self::Sample, Self::Flow];

    /// The one that configuration files call `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Its name in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::VPrediction => "v_prediction",
            Self::Sample => "sample",
            Self::Flow => "flow_prediction",
        }
    }

    /// The row of the table at σ.
    pub fn coefficients(self, sigma: f64) -> Coefficients {
        let input = match self {
            Self::Flow => 1.0 / (sigma + 1.0),
            _ => 1.0 / (sigma * sigma + 1.0).sqrt(),
        };
        let (skip, out) = match self {
            Self::Epsilon => (1.0, -sigma),
            Self::VPrediction => (input * input, -sigma * input),
            Self::Sample => (0.0, 1.0),
            Self::Flow => (input, -sigma * input),
        };
        Coefficients { skip, out, input }
    }

    /// What the network sees of data x0 `[N, ..]` with this noise, the n-th picture being at step
    /// `t[n]`: c_in·(x0 + σ ε).
    #[track_caller]
    pub fn noisy(self, schedule: &Schedule, x0: &Tensor, t: &[usize], noise: &Tensor) -> Tensor {
        if self != Self::Flow {
            return ddpm::q_sample(schedule, x0, t, noise);
        }
        let input = |t: &usize| self.coefficients(schedule.sigma(*t)).input;
        weighted_per_picture([
            (t.iter().map(input).collect(), x0),
            (t.iter().map(|t| schedule.sigma(*t) * input(t)).collect(), noise),
        ])
    }

    /// What the network should answer for data x0 `[N, ..]` with this noise, the n-th picture
    /// being at step `t[n]`.
    ///
    /// Written out, (x0 − c_skip·(x0 + σ ε)) / c_out is a weight for x0 and a weight for ε, so
    /// that no precision is lost where σ is small.
    #[track_caller]
    pub fn target(self, schedule: &Schedule, x0: &Tensor, t: &[usize], noise: &Tensor) -> Tensor {
        let rows = || t.iter().map(|&t| (schedule.sigma(t), self.coefficients(schedule.sigma(t))));
        weighted_per_picture([
            (rows().map(|(_, c)| (1.0 - c.skip) / c.out).collect(), x0),
            (rows().map(|(sigma, c)| -c.skip * sigma / c.out).collect(), noise),
        ])
    }
}

#[cfg(test)]
mod tests {
    use aquatint_tensor::Rng;

    use super::*;
    use crate::BetaSchedule;

    #[test]
    fn names() {
        for p in PredictionType::ALL {
            assert_eq!(PredictionType::named(p.name()), Some(p));
        }
        assert_eq!(PredictionType::named("flow"), None);
    }

    /// A network that answers the target is denoised to x0, at the first and the last timestep.
    #[test]
    fn the_target_is_what_sampling_needs() {
        let schedule = Schedule::new(BetaSchedule::Linear { start: 1e-4, end: 0.02 }, 1000);
        let mut rng = Rng::new(4);
        let (x0, noise) = (rng.randn(&[3, 8]), rng.randn(&[3, 8]));
        let t = [0, 300, 999];
        for prediction in PredictionType::ALL {
            let xt = prediction.noisy(&schedule, &x0, &t, &noise).to_vec();
            let target = prediction.target(&schedule, &x0, &t, &noise).to_vec();
            for i in 0..24 {
                let sigma = schedule.sigma(t[i / 8]);
                let c = prediction.coefficients(sigma);
                let x = xt[i] as f64 / c.input;
                let denoised = c.skip * x + c.out * target[i] as f64;
                let error = (denoised - x0.to_vec()[i] as f64).abs();
                assert!(
                    error < 1e-6 * (1.0 + sigma),
                    "{prediction:?} at σ {sigma}: off by {error}"
                );
            }
        }
    }

    /// The last column of the table.
    #[test]
    fn targets_of_the_papers() {
        let schedule = Schedule::new(BetaSchedule::Linear { start: 1e-4, end: 0.02 }, 1000);
        let mut rng = Rng::new(5);
        let (x0, noise) = (rng.randn(&[1, 8]), rng.randn(&[1, 8]));
        let target = |p: PredictionType| p.target(&schedule, &x0, &[600], &noise).to_vec();
        assert_eq!(target(PredictionType::Epsilon), noise.to_vec());
        assert_eq!(target(PredictionType::Sample), x0.to_vec());
        let a = schedule.alphas_cumprod[600];
        let v = noise.scale(a.sqrt() as f32).sub(&x0.scale((1.0 - a).sqrt() as f32)).to_vec();
        for (x, y) in target(PredictionType::VPrediction).iter().zip(v) {
            assert!((x - y).abs() < 1e-6);
        }
        let flow = noise.sub(&x0).to_vec();
        for (x, y) in target(PredictionType::Flow).iter().zip(flow) {
            assert!((x - y).abs() < 1e-6);
        }
    }

    /// A straight way, at even steps.
    #[test]
    fn flow_is_straight() {
        let schedule = Schedule::flow(10);
        let (x0, noise) = (Tensor::full(&[1, 1], 2.0), Tensor::full(&[1, 1], -3.0));
        for t in 0..10 {
            let seen = PredictionType::Flow.noisy(&schedule, &x0, &[t], &noise).item();
            let part = (t + 1) as f32 / 10.0;
            assert!((seen - (2.0 - 5.0 * part)).abs() < 2e-3, "{t}: {seen}");
        }
    }
}
