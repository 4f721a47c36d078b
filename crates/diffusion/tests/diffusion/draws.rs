//! Samplers that draw noise, by what ten thousand draws of them look like.

use aquatint_diffusion::{
    BetaSchedule, BrownianMotion, FinalSigma, ModelDenoiser, Noise, PredictionType, Run, SAMPLERS,
    Schedule, Stops, Tree, samplers, spacing,
};
use aquatint_tensor::{Rng, RngKind, Tensor};

use crate::gaussian::{Gaussian, moments};

const DATA: Gaussian = Gaussian { mean: 0.7, std: 0.5 };
const DRAWS: usize = 10_000;

/// Mean and variance are those of the data, but for what 10,000 draws leave open and what the
/// method is off by in so many steps: `distributions_converge_in_the_order_of_the_sampler` has that
/// without a draw.
#[test]
fn mean_and_variance_of_ten_thousand() {
    let sigmas = spacing::karras(0.01, 20.0, 200, 7.0);
    for sampler in SAMPLERS.iter().filter(|s| s.stochastic && s.order.is_some()) {
        let (denoiser, mut rng) = (DATA.denoiser(), Rng::new(5));
        let x = rng.randn(&[DRAWS, 1]).scale(DATA.std.hypot(20.0) as f32);
        let x = x.add_scalar(DATA.mean as f32);
        let (noise, watch) = (&mut rng, &mut ());
        let run = Run { denoiser: &denoiser, sigmas: &sigmas, eta: None, noise, watch };
        let (mean, variance) = moments(&sampler.sample_from(x, run));
        let (name, std) = (sampler.name, DATA.std);
        let error = std / (DRAWS as f64).sqrt();
        assert!((mean - DATA.mean).abs() < 4.0 * error, "{name}: mean {mean}");
        // The variance of N draws has the relative error √(2/N); first order leaves 3 % more.
        let off = variance / std.powi(2) - 1.0;
        let open = 4.0 * (2.0 / DRAWS as f64).sqrt();
        let bias = if sampler.order == Some(1) { 0.05 } else { 0.005 };
        assert!(off.abs() < open + bias, "{name}: variance off by {off}");
    }
}

/// A seed is a whole path: twice as many steps see the same path more closely.
#[test]
fn more_steps_are_the_same_picture() {
    let sample = |name: &str, steps: usize, seed: u64| {
        let sigmas = spacing::karras(0.02, 14.6, steps, 7.0);
        let mut noise = Noise::new(RngKind::TorchCpu, &[seed]).expect("a short seed");
        let (denoiser, noise, watch) = (DATA.denoiser(), &mut noise, &mut ());
        let run = Run { denoiser: &denoiser, sigmas: &sigmas, eta: None, noise, watch };
        samplers::find(name).expect("a sampler of the list").sample(&[1, 8, 8, 4], run)
    };
    let apart = |a: &Tensor, b: &Tensor| (a.sub(b).sum_of_squares() / 256.0).sqrt();
    for name in ["dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde"] {
        let few = sample(name, 50, 1);
        let more = apart(&few, &sample(name, 100, 1));
        let other = apart(&few, &sample(name, 50, 2));
        assert!(more < 0.2 * other, "{name}: {more} by more steps, {other} by another seed");
    }
    // Where noise is new at every step there is no path to see.
    let few = sample("euler_ancestral", 50, 1);
    assert!(apart(&few, &sample("euler_ancestral", 100, 1)) > 0.3);
}

#[test]
fn paths_add_up_and_do_not_depend_on_company() {
    for kind in RngKind::ALL {
        let tree = |seeds: &[u64]| Tree::new(kind, seeds, 0.03, 14.6);
        let shape = |n: usize| [n, 2, 3, 4];
        let mut alone = tree(&[6]);
        let mut between = |low, high| alone.increment(&shape(1), low, high);
        let whole = between(0.03, 14.6);
        let parts = between(0.03, 1.1).add(&between(1.1, 1.2)).add(&between(1.2, 14.6));
        assert!(whole.sub(&parts).max_abs() < 1e-5, "{kind}");
        let both = tree(&[5, 6]).increment(&shape(2), 1.1, 1.2);
        assert_eq!(both.narrow_rows(1, 1).to_vec(), between(1.1, 1.2).to_vec(), "{kind}");
        let other = both.narrow_rows(0, 1).sub(&both.narrow_rows(1, 1)).max_abs();
        assert!(other > 0.01, "{kind}: two seeds have one path");
    }
}

/// Increments are N(0, high − low), whatever lies between them in the tree.
#[test]
fn increments_have_the_variance_of_their_length() {
    let mut tree = Tree::new(RngKind::TorchCpu, &[9], 0.03, 14.6);
    for (low, high) in [(0.03, 14.6), (0.03, 0.05), (7.0, 7.5), (1.0, 9.0)] {
        let (mean, variance) = moments(&tree.increment(&[1, 64, 64, 4], low, high));
        let length = high - low;
        assert!(mean.abs() < 4.0 * (length / 16384.0).sqrt(), "mean {mean} of {low} to {high}");
        assert!((variance / length - 1.0).abs() < 0.045, "{variance} from {low} to {high}");
    }
}

/// From nothing but noise, at σ = 4096, to data whose mean is far from 0: what a schedule that
/// leaves a little of the data in its last timestep gets wrong.
#[test]
fn pure_noise_leads_to_the_mean() {
    let data = Gaussian { mean: 3.0, std: 0.5 };
    let schedule = Schedule::new(BetaSchedule::ScaledLinear { start: 0.00085, end: 0.012 }, 1000);
    let mean_of = |schedule: &Schedule, name: &str| {
        // E[v | xt] = √(σ² + 1) / σ · (x / (σ² + 1) − D), where xt = x / √(σ² + 1).
        let network = |xt: &Tensor, timesteps: &[f32]| {
            let sigma = schedule.sigma(timesteps[0] as usize);
            let root = sigma.hypot(1.0);
            let of_xt = data.std.powi(2) / (data.std.powi(2) + sigma * sigma);
            let of_mean = 1.0 - of_xt;
            let x_weight = root / sigma * (1.0 / root - of_xt * root);
            let constant = root / sigma * of_mean * data.mean;
            xt.scale(x_weight as f32).add_scalar(-constant as f32)
        };
        let prediction_type = PredictionType::VPrediction;
        let denoiser = ModelDenoiser { network: &network, schedule, prediction_type };
        let stops = Stops { schedule, steps: 50, steps_offset: 0, final_sigma: FinalSigma::Zero };
        let sigmas = &spacing::find("trailing").expect("a spacing").sigmas(stops);
        let (noise, watch) = (&mut Rng::new(5), &mut ());
        let run = Run { denoiser: &denoiser, sigmas, eta: None, noise, watch };
        moments(&samplers::find(name).expect("a sampler").sample(&[DRAWS, 1], run)).0
    };
    for name in ["ddim", "euler_ancestral", "dpmpp_2m", "unipc"] {
        let mean = mean_of(&schedule.rescaled_to_zero_snr(), name);
        assert!((mean - data.mean).abs() < 0.02, "{name}: mean {mean}");
    }
    let mean = mean_of(&schedule, "ddim");
    assert!(mean < data.mean - 0.05, "without rescaling the mean is {mean}");
}
