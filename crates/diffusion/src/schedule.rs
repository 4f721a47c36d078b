//! How much noise there is at each timestep: betas → ᾱ → σ, and back from σ to t.

use std::f64::consts::FRAC_PI_2;

/// The published families of βt. `start` and `end` are β at the first and the last timestep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BetaSchedule {
    /// βt grows evenly: DDPM (Ho et al. 2020), section 4.
    Linear {
        /// β of the first timestep; the paper has 1e-4.
        start: f64,
        /// β of the last timestep; the paper has 0.02.
        end: f64,
    },
    /// √βt grows evenly: Latent Diffusion (Rombach et al. 2022), Stable Diffusion.
    ScaledLinear {
        /// β of the first timestep; Stable Diffusion has 0.00085.
        start: f64,
        /// β of the last timestep; Stable Diffusion has 0.012.
        end: f64,
    },
    /// ᾱ falls as a squared cosine: Improved DDPM (Nichol and Dhariwal 2021), eq. 17.
    SquaredcosCapV2,
}

impl BetaSchedule {
    /// The family that configuration files call `name`: `linear`, `scaled_linear` or
    /// `squaredcos_cap_v2`, which reads neither `start` nor `end`.
    pub fn named(name: &str, start: f64, end: f64) -> Option<Self> {
        match name {
            "linear" => Some(Self::Linear { start, end }),
            "scaled_linear" => Some(Self::ScaledLinear { start, end }),
            "squaredcos_cap_v2" => Some(Self::SquaredcosCapV2),
            _ => None,
        }
    }

    /// β at each of `len` timesteps.
    fn betas(self, len: usize) -> Vec<f64> {
        let evenly = |start: f64, end: f64| {
            let step = (end - start) / (len - 1).max(1) as f64;
            (0..len).map(move |t| start + step * t as f64)
        };
        match self {
            Self::Linear { start, end } => evenly(start, end).collect(),
            Self::ScaledLinear { start, end } => {
                evenly(start.sqrt(), end.sqrt()).map(|root| root * root).collect()
            }
            Self::SquaredcosCapV2 => {
                // The offset keeps β from vanishing near t = 0, the cap from reaching 1 at the end.
                let angle = |t: usize| (t as f64 / len as f64 + 0.008) / 1.008 * FRAC_PI_2;
                let alpha_bar = |t: usize| angle(t).cos().powi(2);
                (0..len).map(|t| (1.0 - alpha_bar(t + 1) / alpha_bar(t)).min(0.999)).collect()
            }
        }
    }
}

/// ᾱ of a last timestep that is noise alone: σ is 4096 and not infinite.
const NEARLY_NOTHING: f64 = 1.0 / (1 << 24) as f64;

/// The tables that follow from β1 … βT, in f64, one entry a timestep.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// βt: the variance that step t adds.
    pub betas: Vec<f64>,
    /// αt = 1 − βt: the part of the variance that step t leaves.
    pub alphas: Vec<f64>,
    /// ᾱt = α1 ⋯ αt: the part that all steps up to t leave.
    pub alphas_cumprod: Vec<f64>,
    /// ln σ, growing, for the way back from σ to t.
    log_sigmas: Vec<f64>,
}

impl Schedule {
    /// The schedule of a model trained with `num_train_timesteps` steps, the papers' T.
    ///
    /// # Panics
    /// If there are no timesteps or some β is not between 0 and 1.
    #[track_caller]
    pub fn new(schedule: BetaSchedule, num_train_timesteps: usize) -> Self {
        Self::from_betas(schedule.betas(num_train_timesteps))
    }

    /// The schedule of any βt.
    ///
    /// # Panics
    /// If there are no timesteps or some β is not between 0 and 1.
    #[track_caller]
    pub fn from_betas(betas: Vec<f64>) -> Self {
        assert!(!betas.is_empty(), "a schedule without timesteps");
        assert!(betas.iter().all(|&b| 0.0 < b && b < 1.0), "a β outside (0, 1) in {betas:?}");
        let alphas: Vec<f64> = betas.iter().map(|beta| 1.0 - beta).collect();
        let mut product = 1.0;
        let alphas_cumprod: Vec<f64> = alphas
            .iter()
            .map(|alpha| {
                product *= alpha;
                product
            })
            .collect();
        Self::from_tables(betas, alphas, alphas_cumprod)
    }

    fn from_tables(betas: Vec<f64>, alphas: Vec<f64>, alphas_cumprod: Vec<f64>) -> Self {
        let log_sigmas = alphas_cumprod.iter().map(|&a| sigma_of(a).ln()).collect();
        Self { betas, alphas, alphas_cumprod, log_sigmas }
    }

    /// The number of timesteps T.
    #[allow(clippy::len_without_is_empty, reason = "there is always a timestep")]
    pub fn len(&self) -> usize {
        self.betas.len()
    }

    /// The schedule whose last timestep is noise alone, from one that leaves a little of the
    /// picture there: Lin et al. 2024 (arXiv:2305.08891), Algorithm 1. √ᾱ is moved and stretched so
    /// that it ends at 0 and begins where it did.
    ///
    /// The last ᾱ is 2⁻²⁴ instead of 0, as in diffusers' samplers: σ is 4096 then and not infinite.
    /// Networks for such a schedule predict v; to predict ε from noise alone says nothing.
    pub fn rescaled_to_zero_snr(&self) -> Self {
        let root = |t: usize| self.alphas_cumprod[t].sqrt();
        let (first, last) = (root(0), root(self.len() - 1));
        let rescaled = |t| ((root(t) - last) * first / (first - last)).powi(2);
        let mut alphas_cumprod: Vec<f64> = (0..self.len()).map(rescaled).collect();
        alphas_cumprod[self.len() - 1] = NEARLY_NOTHING;
        Self::from_alphas_cumprod(alphas_cumprod)
    }

    /// The schedule of flow matching: timestep t is a part s = (t + 1)/T of the straight way from
    /// data to noise, and σ = s/(1 − s) (Esser et al. 2024, arXiv:2403.03206, section 2). The
    /// last ᾱ is 2⁻²⁴ instead of 0, as in [`Schedule::rescaled_to_zero_snr`].
    ///
    /// # Panics
    /// If there are no timesteps.
    #[track_caller]
    pub fn flow(num_train_timesteps: usize) -> Self {
        assert!(num_train_timesteps > 0, "a schedule without timesteps");
        let alpha_bar = |t: usize| {
            let s = (t + 1) as f64 / num_train_timesteps as f64;
            let signal = (1.0 - s) * (1.0 - s);
            (signal / (signal + s * s)).max(NEARLY_NOTHING)
        };
        Self::from_alphas_cumprod((0..num_train_timesteps).map(alpha_bar).collect())
    }

    fn from_alphas_cumprod(alphas_cumprod: Vec<f64>) -> Self {
        let before = |t: usize| if t == 0 { 1.0 } else { alphas_cumprod[t - 1] };
        let alphas: Vec<f64> =
            (0..alphas_cumprod.len()).map(|t| alphas_cumprod[t] / before(t)).collect();
        let betas = alphas.iter().map(|alpha| 1.0 - alpha).collect();
        Self::from_tables(betas, alphas, alphas_cumprod)
    }

    /// ᾱ of the timestep before `t`; before the first there was no noise, and ᾱ is 1.
    #[track_caller]
    pub fn alpha_cumprod_before(&self, t: usize) -> f64 {
        if t == 0 { 1.0 } else { self.alphas_cumprod[t - 1] }
    }

    /// σ at timestep `t`: √((1 − ᾱt) / ᾱt).
    #[track_caller]
    pub fn sigma(&self, t: usize) -> f64 {
        sigma_of(self.alphas_cumprod[t])
    }

    /// σ at a timestep that need not be whole: linear in ln σ between those that are, the inverse
    /// of [`Schedule::t`]. Beyond the ends it is σ at the ends.
    pub fn sigma_at(&self, t: f64) -> f64 {
        let last = self.len() - 1;
        let t = t.clamp(0.0, last as f64);
        let (below, part) = (t as usize, t.fract());
        let above = (below + 1).min(last);
        (self.log_sigmas[below] * (1.0 - part) + self.log_sigmas[above] * part).exp()
    }

    /// The timestep at which the noise is σ: the inverse of [`Schedule::sigma`], exact there and
    /// linear in ln σ between; 0 or T − 1 for a σ outside the table.
    pub fn t(&self, sigma: f64) -> f64 {
        let (log_sigma, logs) = (sigma.ln(), &self.log_sigmas);
        let above = logs.partition_point(|&l| l <= log_sigma);
        if above == 0 {
            return 0.0;
        }
        if above == logs.len() {
            return (logs.len() - 1) as f64;
        }
        let below = above - 1;
        below as f64 + (log_sigma - logs[below]) / (logs[above] - logs[below])
    }
}

fn sigma_of(alpha_bar: f64) -> f64 {
    ((1.0 - alpha_bar) / alpha_bar).sqrt()
}

/// ᾱ where the noise is σ: 1 / (1 + σ²).
pub(crate) fn alpha_bar(sigma: f64) -> f64 {
    1.0 / (1.0 + sigma * sigma)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STABLE_DIFFUSION: BetaSchedule =
        BetaSchedule::ScaledLinear { start: 0.00085, end: 0.012 };

    #[track_caller]
    fn assert_close(actual: f64, expected: f64) {
        let close = (actual - expected).abs() <= 1e-10 * expected.abs();
        assert!(close, "{actual} is not {expected}");
    }

    /// DDIMScheduler(beta_start, beta_end, beta_schedule).alphas_cumprod, in f64.
    #[test]
    fn alphas_cumprod() {
        let at = |schedule| {
            let table = Schedule::new(schedule, 1000).alphas_cumprod;
            [0, 100, 500, 999].map(|t| table[t])
        };
        let linear = at(BetaSchedule::Linear { start: 1e-4, end: 0.02 });
        let scaled = at(STABLE_DIFFUSION);
        let cosine = at(BetaSchedule::SquaredcosCapV2);
        let expected = [0.9999, 0.895141590898, 0.077796658365, 4.03582976538e-05];
        linear.iter().zip(expected).for_each(|(&a, e)| assert_close(a, e));
        let expected = [0.99915, 0.894223477587, 0.276332683823, 0.00466009851308];
        scaled.iter().zip(expected).for_each(|(&a, e)| assert_close(a, e));
        let expected = [0.999958715775, 0.971575681808, 0.492285172449, 2.42876690703e-09];
        cosine.iter().zip(expected).for_each(|(&a, e)| assert_close(a, e));
    }

    /// σ of Stable Diffusion's first and last timestep, which k-diffusion made well known.
    #[test]
    fn sigmas_of_stable_diffusion() {
        let schedule = Schedule::new(STABLE_DIFFUSION, 1000);
        assert!((schedule.sigma(0) - 0.029167).abs() < 1e-6);
        assert!((schedule.sigma(999) - 14.6146).abs() < 1e-4);
        assert_close(alpha_bar(schedule.sigma(500)), schedule.alphas_cumprod[500]);
    }

    #[test]
    fn t_is_the_inverse_of_sigma() {
        for family in [STABLE_DIFFUSION, BetaSchedule::SquaredcosCapV2] {
            let schedule = Schedule::new(family, 1000);
            for t in 0..1000 {
                assert_eq!(schedule.t(schedule.sigma(t)), t as f64);
            }
            let between = (schedule.sigma(41) * schedule.sigma(42)).sqrt();
            assert_close(schedule.t(between), 41.5);
            assert_close(schedule.sigma_at(41.5), between);
            assert_close(schedule.sigma_at(999.0), schedule.sigma(999));
            assert_eq!(schedule.t(schedule.sigma(0) / 2.0), 0.0);
            assert_eq!(schedule.t(schedule.sigma(999) * 2.0), 999.0);
            assert_eq!(schedule.t(0.0), 0.0);
        }
    }

    #[test]
    fn names_of_configuration_files() {
        assert_eq!(BetaSchedule::named("scaled_linear", 0.00085, 0.012), Some(STABLE_DIFFUSION));
        assert_eq!(BetaSchedule::named("sigmoid", 0.1, 0.2), None);
    }

    #[test]
    #[should_panic(expected = "a β outside (0, 1)")]
    fn a_schedule_that_destroys_everything_in_one_step() {
        Schedule::from_betas(vec![0.1, 1.0]);
    }
}
