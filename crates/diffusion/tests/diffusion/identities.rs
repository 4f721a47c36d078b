//! Samplers that are one another in other words.

use aquatint_diffusion::{
    BetaSchedule, Denoiser, FinalSigma, ModelDenoiser, PredictionType, Run, Schedule,
    TimestepSpacing, ddpm, samplers, spacing,
};
use aquatint_tensor::{Rng, Tensor};

const SHAPE: [usize; 4] = [2, 4, 4, 3];

fn schedule() -> Schedule {
    Schedule::new(BetaSchedule::Linear { start: 1e-4, end: 0.02 }, 1000)
}

/// A network that is no one's denoiser: smooth, bounded, and not the same at every timestep.
fn toy(xt: &Tensor, timesteps: &[f32]) -> Tensor {
    let shift: Vec<f32> = timesteps.iter().map(|t| 0.3 + t / 2000.0).collect();
    xt.scale(1.3).add_scalar(0.2).tanh().scale_per_picture(&shift)
}

fn toy_steps(xt: &Tensor, t: &[usize]) -> Tensor {
    toy(xt, &t.iter().map(|&t| t as f32).collect::<Vec<_>>())
}

/// A run of the sampler with noise of seed 7.
fn sample(name: &str, denoiser: &dyn Denoiser, sigmas: &[f64], eta: Option<f64>) -> Tensor {
    let (noise, watch) = (&mut Rng::new(7), &mut ());
    let sampler = samplers::find(name).expect("a sampler of the list");
    sampler.sample(&SHAPE, Run { denoiser, sigmas, eta, noise, watch })
}

fn stops(schedule: &Schedule, steps: usize) -> Vec<f64> {
    let timesteps = spacing::timesteps(TimestepSpacing::Trailing, schedule.len(), steps);
    spacing::sigmas(schedule, &timesteps, FinalSigma::Zero)
}

#[track_caller]
fn assert_same(a: &Tensor, b: &Tensor, what: &str) {
    let (difference, size) = (a.sub(b).max_abs(), b.max_abs());
    assert!(difference <= 1e-5 * size.max(1.0), "{what} differ by {difference}, at most {size}");
    assert!(size > 0.1, "{what}: nothing but zeros");
}

#[test]
fn the_paper_is_euler_ancestral_over_all_timesteps() {
    let schedule = Schedule::new(BetaSchedule::Linear { start: 1e-3, end: 0.2 }, 100);
    let paper = ddpm::sample(&toy_steps, &schedule, &SHAPE, &mut Rng::new(7));
    let sigmas = stops(&schedule, 100);
    let prediction_type = PredictionType::Epsilon;
    let denoiser = ModelDenoiser { network: &toy, schedule: &schedule, prediction_type };
    for (name, eta) in [("ddpm", None), ("euler_ancestral", Some(1.0)), ("ddim", Some(1.0))] {
        assert_same(&sample(name, &denoiser, &sigmas, eta), &paper, name);
    }
}

#[test]
fn one_sampler_under_several_names() {
    let schedule = schedule();
    let sigmas = stops(&schedule, 20);
    for prediction_type in PredictionType::ALL {
        let denoiser = ModelDenoiser { network: &toy, schedule: &schedule, prediction_type };
        let run = |name, eta| sample(name, &denoiser, &sigmas, eta);
        assert_same(&run("ddim", Some(0.0)), &run("euler", None), "ddim and euler");
        assert_same(&run("euler_ancestral", Some(0.0)), &run("euler", None), "η = 0 and euler");
        assert_same(&run("ddim", Some(0.6)), &run("euler_ancestral", Some(0.6)), "η = 0.6");
        assert_same(&run("ddpm", None), &run("euler_ancestral", Some(1.0)), "ddpm and η = 1");
        assert_same(&run("tcd", Some(0.0)), &run("euler", None), "tcd at γ = 0 and euler");
        let same = [("dpm2_ancestral", "dpm2"), ("dpmpp_2m_sde", "dpmpp_2m"), ("restart", "heun")];
        for (stochastic, plain) in same {
            // Restart goes up from 20 steps on.
            let (sigmas, eta) = match stochastic {
                "restart" => (stops(&schedule, 19), None),
                _ => (sigmas.clone(), Some(0.0)),
            };
            let [a, b] = [(stochastic, eta), (plain, None)]
                .map(|(name, eta)| sample(name, &denoiser, &sigmas, eta));
            assert_same(&a, &b, stochastic);
        }
        let other = run("ddim", Some(1.0)).sub(&run("euler", None)).max_abs();
        assert!(other > 0.1, "η makes no difference: {other}");
    }
}

/// Eq. 8 and 10 of DDPM: the mean of Algorithm 2 is q's posterior mean at the guessed x0.
#[test]
fn algorithm_2_steps_to_the_posterior_mean() {
    let schedule = schedule();
    let mut rng = Rng::new(2);
    let (xt, eps) = (rng.randn(&SHAPE), rng.randn(&SHAPE));
    for t in [0, 1, 400, 999] {
        let (alpha, alpha_bar) = (schedule.alphas[t], schedule.alphas_cumprod[t]);
        let x0 = xt.sub(&eps.scale((1.0 - alpha_bar).sqrt() as f32));
        let x0 = x0.scale((1.0 / alpha_bar.sqrt()) as f32);
        let (mean, variance) = ddpm::q_posterior(&schedule, &x0, &xt, t);
        let of_eps = (1.0 - alpha) / (1.0 - alpha_bar).sqrt();
        let line_4 = xt.sub(&eps.scale(of_eps as f32)).scale((1.0 / alpha.sqrt()) as f32);
        assert_same(&mean, &line_4, "the two means");
        assert!((0.0..=schedule.betas[t]).contains(&variance), "β̃ is not above β");
        assert_eq!(variance == 0.0, t == 0, "the last step is certain");
    }
}

/// One step from pure noise to nothing: every sampler answers what the denoiser saw.
#[test]
fn a_single_step_to_zero_is_the_denoiser() {
    let denoiser = |x: &Tensor, sigma: f64| x.tanh().add_scalar(sigma as f32 / 10.0);
    for sampler in samplers::SAMPLERS {
        let x = Rng::new(1).randn(&SHAPE);
        let expected = denoiser(&x, 2.0);
        let (noise, watch) = (&mut Rng::new(7), &mut ());
        let run = Run { denoiser: &denoiser, sigmas: &[2.0, 0.0], eta: None, noise, watch };
        assert_same(&sampler.sample_from(x, run), &expected, sampler.name);
    }
}
