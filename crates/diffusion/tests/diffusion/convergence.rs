//! Every sampler in the list, on a Gaussian: does it go where it should, and as fast as it says?

use aquatint_diffusion::{Denoiser, Run, SAMPLERS, SamplerInfo, samplers, spacing};
use aquatint_tensor::{Rng, Tensor};

use crate::gaussian::Gaussian;

const DATA: Gaussian = Gaussian { mean: 0.7, std: 0.5 };
const SIGMA_MAX: f64 = 20.0;
/// Where the runs that measure an order end. Not at 0: the step to 0 is of first order for every
/// sampler, and would hide the order of all others.
const SIGMA_MIN: f64 = 0.05;

fn levels(steps: usize) -> Vec<f64> {
    let mut sigmas = spacing::karras(SIGMA_MIN, SIGMA_MAX, steps + 1, 7.0);
    sigmas.pop();
    sigmas
}

fn run(sampler: &SamplerInfo, x: Tensor, sigmas: &[f64], eta: Option<f64>) -> Tensor {
    let denoiser = DATA.denoiser();
    let noise = &mut Rng::new(11);
    sampler.sample_from(x, Run { denoiser: &denoiser, sigmas, eta, noise, watch: &mut () })
}

/// Two numbers of steps that an order can be measured between: enough that the order shows, and
/// not so many that single precision does.
fn steps(order: usize) -> (usize, usize) {
    match order {
        1 | 2 => (64, 128),
        3 => (24, 48),
        _ => (48, 96),
    }
}

#[track_caller]
fn assert_order(name: &str, order: usize, error: impl Fn(usize) -> f64) {
    let (coarse, fine) = steps(order);
    let (coarse, fine) = (error(coarse), error(fine));
    let measured = (coarse / fine).log2();
    assert!(fine.abs() > 2e-5, "{name}: {fine} is too small to measure an order with");
    // Multistep methods begin with lower orders, of which the high ones still show a trace.
    let tolerance = if order > 2 { 0.4 } else { 0.2 };
    assert!((measured - order as f64).abs() < tolerance, "{name} has order {measured:.3}");
}

/// How far a run is from where the flow leads.
fn error_of_flow(sampler: &SamplerInfo, steps: usize, eta: Option<f64>) -> f64 {
    let starts = [-31.0_f32, 4.0, 25.0];
    let sigmas = levels(steps);
    let out = run(sampler, Tensor::new(starts.to_vec(), &[3, 1]), &sigmas, eta).to_vec();
    let expected = starts.map(|x| DATA.flow(x as f64, SIGMA_MAX, SIGMA_MIN));
    out.iter().zip(expected).map(|(&x, e)| (x as f64 - e).abs()).sum()
}

#[test]
fn deterministic_samplers_have_their_order() {
    for sampler in SAMPLERS.iter().filter(|s| !s.stochastic) {
        let order = sampler.order.expect("an order");
        assert_order(sampler.name, order, |steps| error_of_flow(sampler, steps, None));
    }
}

/// Without noise the stochastic ones have the order of what they are made of.
#[test]
fn stochastic_samplers_without_noise() {
    for (name, order) in [
        ("euler_ancestral", 1),
        ("dpm2_ancestral", 2),
        ("dpmpp_2s_ancestral", 2),
        ("dpmpp_sde", 2),
        ("dpmpp_2m_sde", 2),
        ("dpmpp_3m_sde", 2),
    ] {
        let sampler = samplers::find(name).expect("a sampler of the list");
        assert_order(name, order, |steps| error_of_flow(sampler, steps, Some(0.0)));
    }
}

/// The mean and the variance of what comes out if N(μ, s² + σ²) goes in, without a single draw.
///
/// On a Gaussian all samplers are affine in x and in every draw of noise, so one picture tells the
/// mean, one more what x's spread becomes, and one for each draw what that adds.
fn distribution(
    sampler: &SamplerInfo,
    denoiser: &dyn Denoiser,
    data: &Gaussian,
    sigmas: &[f64],
    eta: Option<f64>,
) -> (f64, f64) {
    // No sampler draws more than twice a step.
    let pictures = 2 + 2 * sigmas.len();
    let (mean, spread) = (data.mean as f32, data.std.hypot(sigmas[0]) as f32);
    let x = Tensor::from_fn(&[pictures, 1], |i| if i == 1 { mean + spread } else { mean });
    let mut drawn = 0;
    let mut noise = |shape: &[usize]| {
        drawn += 1;
        Tensor::from_fn(shape, |i| if i == 1 + drawn { 1.0 } else { 0.0 })
    };
    let run = Run { denoiser, sigmas, eta, noise: &mut noise, watch: &mut () };
    let out = sampler.sample_from(x, run).to_vec();
    let variance = out[1..].iter().map(|&x| (x - out[0]).powi(2) as f64).sum();
    (out[0] as f64, variance)
}

#[test]
fn distributions_converge_in_the_order_of_the_sampler() {
    for sampler in SAMPLERS {
        let Some(order) = sampler.order else { continue };
        assert_order(sampler.name, order, |steps| {
            let (_, variance) =
                distribution(sampler, &DATA.denoiser(), &DATA, &levels(steps), None);
            variance / (DATA.std.powi(2) + SIGMA_MIN.powi(2)) - 1.0
        });
    }
}

/// Down to 0, every sampler's values are distributed as the data are, at any η.
#[test]
fn samples_are_distributed_as_the_data() {
    let mut sigmas = levels(400);
    sigmas.push(0.0);
    for sampler in SAMPLERS.iter().filter(|s| s.order.is_some()) {
        let all = [Some(0.0), Some(0.5), Some(1.0)];
        let etas = if sampler.default_eta.is_some() { &all[..] } else { &[None] };
        for &eta in etas {
            let (mean, variance) = distribution(sampler, &DATA.denoiser(), &DATA, &sigmas, eta);
            let (name, ratio) = (sampler.name, variance / DATA.std.powi(2));
            assert!((mean - DATA.mean).abs() < 1e-4, "{name}, η {eta:?}: mean {mean}");
            assert!((ratio - 1.0).abs() < 0.03, "{name}, η {eta:?}: variance {ratio} times");
        }
    }
}

/// The samplers of distilled models need no steps at all where the denoiser is what they were
/// distilled to be: where the flow ends, for `lcm`; for `tcd` at any γ, along a straight flow.
#[test]
fn distilled_models_are_exact_in_any_number_of_steps() {
    let end_of_flow = |x: &Tensor, sigma: f64| {
        Tensor::from_fn(x.shape(), |i| DATA.flow(x.to_vec()[i] as f64, sigma, 0.0) as f32)
    };
    let point = Gaussian { mean: 0.7, std: 0.0 };
    for steps in [1, 2, 4, 7] {
        let sigmas = spacing::karras(0.2, SIGMA_MAX, steps, 7.0);
        let lcm = samplers::find("lcm").expect("a sampler of the list");
        let (mean, variance) = distribution(lcm, &end_of_flow, &DATA, &sigmas, None);
        assert!((mean - DATA.mean).abs() < 1e-5, "{mean}");
        assert!((variance / DATA.std.powi(2) - 1.0).abs() < 1e-4, "{variance}");
        let tcd = samplers::find("tcd").expect("a sampler of the list");
        let sigmas = &levels(steps);
        for gamma in [0.0, 0.3, 1.0] {
            let (mean, variance) =
                distribution(tcd, &point.denoiser(), &point, sigmas, Some(gamma));
            assert!((mean - point.mean).abs() < 1e-5, "{mean}");
            assert!((variance / SIGMA_MIN.powi(2) - 1.0).abs() < 1e-3, "{variance}");
        }
    }
}

/// Samplers that renew noise forget where they began; those that do not, do not.
#[test]
fn stochastic_means_that_noise_is_drawn() {
    for sampler in SAMPLERS {
        let mut drawn = 0;
        let mut noise = |shape: &[usize]| {
            drawn += 1;
            Tensor::zeros(shape)
        };
        let (denoiser, x) = (DATA.denoiser(), Tensor::full(&[1, 1], 5.0));
        let sigmas = &[3.0, 2.0, 1.0, 0.0];
        let (noise_source, watch) = (&mut noise, &mut ());
        let run = Run { denoiser: &denoiser, sigmas, eta: None, noise: noise_source, watch };
        sampler.sample_from(x, run);
        let expected = match sampler.name {
            // Two stages, and from 20 steps on.
            "dpmpp_sde" => 4,
            "restart" => 0,
            _ if sampler.stochastic => 2,
            _ => 0,
        };
        assert_eq!(drawn, expected, "{}", sampler.name);
    }
}
