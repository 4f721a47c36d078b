//! Algorithm 1, on a Gaussian, whose best network and least loss are known.

use aquatint_diffusion::{BetaSchedule, EpsModel, PredictionType, Schedule, ddpm, denoising_loss};
use aquatint_tensor::{Rng, Tensor};

use crate::gaussian::{Gaussian, moments};

const DATA: Gaussian = Gaussian { mean: 0.4, std: 0.6 };
const PICTURES: usize = 8192;

fn schedule() -> Schedule {
    Schedule::new(BetaSchedule::Linear { start: 1e-4, end: 0.02 }, 1000)
}

fn data(rng: &mut Rng) -> Tensor {
    rng.randn(&[PICTURES, 16]).scale(DATA.std as f32).add_scalar(DATA.mean as f32)
}

/// E‖ε − E[ε | xt]‖² = ᾱ s² / (ᾱ s² + 1 − ᾱ), the mean over all timesteps.
fn least_loss(schedule: &Schedule) -> f64 {
    let variance = DATA.std * DATA.std;
    let at = |a: &f64| a * variance / (a * variance + 1.0 - a);
    schedule.alphas_cumprod.iter().map(at).sum::<f64>() / schedule.len() as f64
}

#[test]
fn the_perfect_model_has_the_least_loss() {
    let schedule = schedule();
    let least = least_loss(&schedule);
    let perfect = DATA.eps_model(&schedule);
    let mut rng = Rng::new(1);
    let x0 = data(&mut rng);
    let loss = ddpm::training_loss(&perfect, &schedule, &x0, &mut rng).item() as f64;
    // Losses of single timesteps lie between 0 and 1: 8192 draws of t leave less than 0.5 %.
    assert!((loss - least).abs() < 4.0 * 0.5 / (PICTURES as f64).sqrt(), "{loss}, not {least}");

    // A model that is off by a tenth everywhere loses a hundredth more, with the same draws.
    let off = |xt: &Tensor, t: &[usize]| perfect.predict(xt, t).add_scalar(0.1);
    let mut rng = Rng::new(1);
    let x0 = data(&mut rng);
    let more = ddpm::training_loss(&off, &schedule, &x0, &mut rng).item() as f64 - loss;
    assert!((more - 0.01).abs() < 1e-3, "{more} more");
}

#[test]
fn noisy_data_has_the_variance_that_the_schedule_says() {
    let schedule = schedule();
    let mut rng = Rng::new(6);
    let (x0, noise) = (data(&mut rng), rng.randn(&[PICTURES, 16]));
    for t in [0, 250, 999] {
        let xt = ddpm::q_sample(&schedule, &x0, &[t; PICTURES], &noise);
        let (mean, variance) = moments(&xt);
        let a = schedule.alphas_cumprod[t];
        assert!((mean - a.sqrt() * DATA.mean).abs() < 0.012, "mean {mean} at {t}");
        let expected = a * DATA.std.powi(2) + 1.0 - a;
        assert!((variance / expected - 1.0).abs() < 0.02, "variance {variance} at {t}");
    }
}

/// The loss of all predictions is Algorithm 1 where the prediction is ε.
#[test]
fn algorithm_1_is_the_epsilon_row() {
    let schedule = schedule();
    let perfect = DATA.eps_model(&schedule);
    let mut rng = Rng::new(8);
    let x0 = rng.randn(&[4, 16]);
    let mut draws = rng.clone();
    let paper = ddpm::training_loss(&perfect, &schedule, &x0, &mut rng).item();

    let t: Vec<usize> = (0..4).map(|_| draws.below(1000)).collect();
    let noise = draws.randn(&[4, 16]);
    let network = |xt: &Tensor, timesteps: &[f32]| {
        perfect.predict(xt, &timesteps.iter().map(|&t| t as usize).collect::<Vec<_>>())
    };
    let loss = denoising_loss(network, PredictionType::Epsilon, &schedule, &x0, &t, &noise).item();
    assert_eq!(loss, paper);
}

/// The gradient reaches the network: that of the mean of (w − ε)² is 2 (w − mean ε).
#[test]
fn the_loss_has_a_gradient() {
    let schedule = schedule();
    let mut rng = Rng::new(8);
    let (x0, noise) = (rng.randn(&[2, 16]), rng.randn(&[2, 16]));
    let weight = Tensor::full(&[2, 16], 0.5).tracked();
    let loss = denoising_loss(
        |_, _| weight.clone(),
        PredictionType::Epsilon,
        &schedule,
        &x0,
        &[1, 999],
        &noise,
    );
    let gradient = loss.backward().take(&weight).expect("a gradient").to_vec();
    for (g, e) in gradient.iter().zip(noise.to_vec()) {
        assert!((g - 2.0 * (0.5 - e) / 32.0).abs() < 1e-7);
    }
}
