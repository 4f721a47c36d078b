//! Every sampler in the list, on a Gaussian: does it go where it should, and as fast as it says?

use aquatint_diffusion::{Run, SAMPLERS, SamplerInfo, spacing};
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

#[test]
fn deterministic_samplers_have_their_order() {
    let starts = [-31.0_f32, 4.0, 25.0];
    for sampler in SAMPLERS.iter().filter(|s| !s.stochastic) {
        let error = |steps| {
            let sigmas = levels(steps);
            let out = run(sampler, Tensor::new(starts.to_vec(), &[3, 1]), &sigmas, None).to_vec();
            let expected = starts.map(|x| DATA.flow(x as f64, SIGMA_MAX, *sigmas.last().unwrap()));
            out.iter().zip(expected).map(|(&x, e)| (x as f64 - e).abs()).sum::<f64>()
        };
        // Few enough steps that single precision does not show in an error of second order.
        let (coarse, fine) = (error(16), error(32));
        let order = (coarse / fine).log2();
        let name = sampler.name;
        assert!(fine > 1e-4, "{name}: an error of {fine} is too small to measure an order with");
        assert!((order - sampler.order as f64).abs() < 0.15, "{name} has order {order:.3}");
    }
}

/// The mean and the variance of what comes out if N(μ, s² + σ²) goes in, without a single draw.
///
/// On a Gaussian all samplers are affine in x and in every draw of noise, so one picture tells the
/// mean, one more what x's spread becomes, and one for each draw what that adds.
fn distribution(sampler: &SamplerInfo, sigmas: &[f64], eta: Option<f64>) -> (f64, f64) {
    let pictures = 2 + sigmas.len();
    let (mean, spread) = (DATA.mean as f32, DATA.std.hypot(sigmas[0]) as f32);
    let x = Tensor::from_fn(&[pictures, 1], |i| if i == 1 { mean + spread } else { mean });
    let mut drawn = 0;
    let mut noise = |shape: &[usize]| {
        drawn += 1;
        Tensor::from_fn(shape, |i| if i == 1 + drawn { 1.0 } else { 0.0 })
    };
    let denoiser = DATA.denoiser();
    let run = Run { denoiser: &denoiser, sigmas, eta, noise: &mut noise, watch: &mut () };
    let out = sampler.sample_from(x, run).to_vec();
    let variance = out[1..].iter().map(|&x| (x - out[0]).powi(2) as f64).sum();
    (out[0] as f64, variance)
}

#[test]
fn distributions_converge_in_the_order_of_the_sampler() {
    for sampler in SAMPLERS {
        let error = |steps| {
            let expected = DATA.std.powi(2) + SIGMA_MIN.powi(2);
            distribution(sampler, &levels(steps), None).1 / expected - 1.0
        };
        let (coarse, fine) = (error(32), error(64));
        let order = (coarse / fine).log2();
        let name = sampler.name;
        assert!(fine.abs() > 1e-4, "{name}: {fine} is too small to measure an order with");
        assert!((order - sampler.order as f64).abs() < 0.15, "{name} has order {order:.3}");
    }
}

/// Down to 0, every sampler's values are distributed as the data are, at any η.
#[test]
fn samples_are_distributed_as_the_data() {
    let mut sigmas = levels(400);
    sigmas.push(0.0);
    for sampler in SAMPLERS {
        let all = [Some(0.0), Some(0.5), Some(1.0)];
        let etas = if sampler.default_eta.is_some() { &all[..] } else { &[None] };
        for &eta in etas {
            let (mean, variance) = distribution(sampler, &sigmas, eta);
            let (name, ratio) = (sampler.name, variance / DATA.std.powi(2));
            assert!((mean - DATA.mean).abs() < 1e-4, "{name}, η {eta:?}: mean {mean}");
            assert!((ratio - 1.0).abs() < 0.03, "{name}, η {eta:?}: variance {ratio} times");
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
        assert_eq!(drawn, if sampler.stochastic { 2 } else { 0 }, "{}", sampler.name);
    }
}
