//! Every sampler against diffusers' or k-diffusion's: `testdata/golden/samplers.json`, written by
//! `tools/reference/samplers.py`.

use aquatint_diffusion::samplers::{Restart, restart};
use aquatint_diffusion::{
    BetaSchedule, BrownianMotion, FinalSigma, ModelDenoiser, PredictionType, Run, SPACINGS,
    Schedule, Stops, TimestepSpacing, Tree, samplers, spacing,
};
use aquatint_tensor::{RngKind, Tensor};
use serde_json::Value;

use crate::golden::{hashed, numbers};

fn golden() -> Vec<(String, Value)> {
    let text = include_str!("../../../../testdata/golden/samplers.json");
    let golden: Value = serde_json::from_str(text).expect("the golden is JSON");
    golden.as_object().expect("an object").clone().into_iter().collect()
}

/// The entries whose keys begin with `kind`, by the rest of the key.
fn entries(kind: &str) -> Vec<(String, Value)> {
    let all = golden().into_iter();
    all.filter_map(|(key, value)| Some((key.strip_prefix(kind)?.to_owned(), value))).collect()
}

fn stable_diffusion() -> Schedule {
    Schedule::new(BetaSchedule::ScaledLinear { start: 0.00085, end: 0.012 }, 1000)
}

/// No one's denoiser: smooth, bounded, not linear, and not the same at every timestep.
fn network(xt: &Tensor, timesteps: &[f32]) -> Tensor {
    let size: Vec<f32> = timesteps.iter().map(|t| 0.3 + t / 2000.0).collect();
    xt.scale(1.3).add_scalar(0.2).tanh().scale_per_picture(&size)
}

/// Ten trailing steps from "input:sample", noise k being "input:noise:k".
fn sample(name: &str, prediction: &str) -> Tensor {
    let schedule = stable_diffusion();
    // Two of diffusers' end with the noise of the first timestep.
    let first = matches!(name, "deis" | "tcd");
    let last = if first { FinalSigma::FirstTimestep } else { FinalSigma::Zero };
    let timesteps = spacing::timesteps(TimestepSpacing::Trailing, 1000, 10);
    let sigmas = &spacing::sigmas(&schedule, &timesteps, last);
    let denoiser = ModelDenoiser {
        network: &network,
        schedule: &schedule,
        prediction_type: PredictionType::named(prediction).expect("a prediction"),
    };
    let mut drawn = 0;
    let mut noise = |shape: &[usize]| {
        let &[n, h, w, c] = shape else { panic!("noise of {shape:?}") };
        let what = if drawn == 0 { "sample".to_owned() } else { format!("noise:{}", drawn - 1) };
        drawn += 1;
        hashed(&what, &[n, c, h, w])
    };
    let (shape, watch) = ([1, 8, 8, 4], &mut ());
    if name == "restart" {
        let mut again = spacing::karras(sigmas[7], sigmas[5], 4, 7.0);
        again.pop();
        let restarts = [Restart { after: 7, sigmas: again, times: 2 }];
        let x = noise(&shape).scale(sigmas[0].hypot(1.0) as f32);
        return restart(&denoiser, x, sigmas, &restarts, &mut noise, watch);
    }
    let run = Run { denoiser: &denoiser, sigmas, eta: None, noise: &mut noise, watch };
    samplers::find(name).expect("a sampler of the list").sample(&shape, run)
}

#[test]
fn samplers_agree_with_their_counterparts() {
    let loops = entries("loop:");
    for (key, expected) in &loops {
        let (name, prediction) = key.split_once(',').expect("a sampler and a prediction");
        let out = sample(name, prediction).to_nchw().to_vec();
        let sum_abs: f64 = out.iter().map(|x| x.abs() as f64).sum();
        let ratio = sum_abs / expected["sum_abs"].as_f64().expect("a number");
        assert!((ratio - 1.0).abs() < 2e-6, "{key}: {ratio} times as large");
        let samples = numbers(&expected["samples"]);
        let at = |k: usize| out[k * (out.len() - 1) / (samples.len() - 1)] as f64;
        let error = |(k, e): (usize, &f64)| (at(k) - e).abs() / e.abs().max(1.0);
        let worst = samples.iter().enumerate().map(error).fold(0.0, f64::max);
        assert!(worst < 1e-5, "{key}: off by {worst:e}");
    }
    // The rest, ddpm and ddim, are in the golden of the schedules.
    assert_eq!(loops.len(), 2 * (samplers::SAMPLERS.len() - 2), "every sampler, ε and v");
}

#[test]
fn noise_levels() {
    let schedule = stable_diffusion();
    let mut compared = 0;
    for (name, expected) in entries("levels:") {
        let expected = numbers(&expected);
        let actual = if name == "rescale_betas_zero_snr" {
            let rescaled = schedule.rescaled_to_zero_snr();
            assert!((rescaled.sigma(999) - 4096.0).abs() < 1e-3, "nothing but noise");
            [0, 1, 100, 500, 998].map(|t| rescaled.alphas_cumprod[t]).to_vec()
        } else {
            let spacing = spacing::find(&name).expect("a spacing of the list");
            let steps = expected.len() - 1;
            let final_sigma = FinalSigma::Zero;
            spacing.sigmas(Stops { schedule: &schedule, steps, steps_offset: 0, final_sigma })
        };
        assert_eq!(actual.len(), expected.len(), "{name}");
        for (a, e) in actual.iter().zip(expected) {
            // Two of diffusers' tables are printed with three digits; k-diffusion's are in f32.
            let tolerance = if name.starts_with("align") { 5e-5 } else { 1e-6 };
            assert!((a - e).abs() <= tolerance * e, "{name}: {a} is not {e}");
        }
        compared += 1;
    }
    // All but leading, trailing and linspace, and the rescaled schedule.
    assert_eq!(compared, SPACINGS.len() - 3 + 1);
}

/// As k-diffusion's `BrownianTreeNoiseSampler(x, 0.0292, 14.6146, [seed])` answers.
#[test]
fn brownian_trees() {
    let trees = entries("brownian:");
    assert_eq!(trees.len(), 10);
    for (key, expected) in trees {
        let [seed, sigma, sigma_next] =
            key.split(':').collect::<Vec<_>>().try_into().expect("three numbers");
        let level = |text: &str| text.parse::<f64>().expect("a level");
        let (sigma, sigma_next) = (level(sigma), level(sigma_next));
        let seeds = [1, seed.parse().expect("a seed")];
        let mut tree = Tree::new(RngKind::TorchCpu, &seeds, 0.0292, 14.6146);
        let w = tree.increment(&[2, 4, 4, 4], sigma_next, sigma).narrow_rows(1, 1);
        let out = w.to_nchw().scale((-1.0 / (sigma - sigma_next).sqrt()) as f32).to_vec();
        let samples = numbers(&expected);
        for (k, e) in samples.iter().enumerate() {
            let x = out[k * (out.len() - 1) / (samples.len() - 1)] as f64;
            assert!((x - e).abs() < 2e-5, "{key}: sample {k} is {x}, not {e}");
        }
    }
}
