//! Against diffusers: `testdata/golden/schedules.json`, written by `tools/reference`.

use aquatint_diffusion::{
    BetaSchedule, FinalSigma, ModelDenoiser, PredictionType, Run, Schedule, TimestepSpacing,
    samplers, spacing,
};
use aquatint_tensor::Tensor;
use serde_json::Value;

fn golden() -> Value {
    let text = include_str!("../../../../testdata/golden/schedules.json");
    serde_json::from_str(text).expect("the golden is JSON")
}

pub fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap_or_else(|| panic!("a list, not {value}"));
    list.iter().map(|v| v.as_f64().expect("a number")).collect()
}

/// `1.7·u("input:<what>", i)` of `tools/reference/hashed.py`, for a shape `[N, C, H, W]`, here
/// turned channels-last.
pub fn hashed(what: &str, shape: &[usize]) -> Tensor {
    const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash: u64 = 0xCBF2_9CE4_8422_2325;
    for byte in format!("input:{what}").bytes() {
        hash = (hash ^ byte as u64).wrapping_mul(0x0100_0000_01B3);
    }
    let u = |i: usize| {
        let mut z = hash.wrapping_add(GOLDEN_GAMMA.wrapping_mul(i as u64 + 1));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53) * 2.0 - 1.0
    };
    Tensor::from_fn(shape, |i| (1.7 * u(i)) as f32).from_nchw()
}

fn family(name: &str) -> BetaSchedule {
    let (start, end) = if name == "scaled_linear" { (0.00085, 0.012) } else { (1e-4, 0.02) };
    BetaSchedule::named(name, start, end).expect("a family of the golden")
}

#[test]
fn alphas_cumprod() {
    let golden = &golden()["alphas_cumprod"];
    for name in ["linear", "scaled_linear", "squaredcos_cap_v2"] {
        let table = Schedule::new(family(name), 1000).alphas_cumprod;
        for (t, expected) in numbers(&golden["indices"]).iter().zip(numbers(&golden[name])) {
            let actual = table[*t as usize];
            assert!((actual / expected - 1.0).abs() < 1e-10, "{name} at {t}: {actual}");
        }
    }
}

#[test]
fn timesteps() {
    let golden = golden();
    let grids = [
        ("leading_offset_0", TimestepSpacing::Leading { steps_offset: 0 }),
        ("leading_offset_1", TimestepSpacing::Leading { steps_offset: 1 }),
        ("trailing", TimestepSpacing::Trailing),
        ("linspace", TimestepSpacing::Linspace),
    ];
    for (name, spacing) in grids {
        for steps in [50, 20, 7] {
            let expected = numbers(&golden[format!("ddim_timesteps_{name}")][steps.to_string()]);
            let actual = spacing::timesteps(spacing, 1000, steps);
            let actual: Vec<f64> = actual.iter().map(|&t| t as f64).collect();
            assert_eq!(actual, expected, "{name}, {steps} steps");
        }
    }
}

/// Ten steps with the model x·t/(t + 1), from "input:sample", noise k being "input:noise:k".
fn sample_loop(name: &str, prediction: &str, final_sigma: FinalSigma, eta: Option<f64>) -> Tensor {
    let schedule = Schedule::new(family("linear"), 1000);
    let spacing = TimestepSpacing::Leading { steps_offset: 0 };
    let timesteps = spacing::timesteps(spacing, 1000, 10);
    let sigmas = spacing::sigmas(&schedule, &timesteps, final_sigma);
    let network = |xt: &Tensor, t: &[f32]| xt.scale(t[0] / (t[0] + 1.0));
    let denoiser = ModelDenoiser {
        network: &network,
        schedule: &schedule,
        prediction_type: PredictionType::named(prediction).expect("a prediction of the golden"),
    };
    // The first draw is what a run begins with; draw k + 1 is for step k.
    let mut drawn = 0;
    let mut noise = |shape: &[usize]| {
        let &[n, h, w, c] = shape else { panic!("noise of {shape:?}") };
        let what = if drawn == 0 { "sample".to_owned() } else { format!("noise:{}", drawn - 1) };
        drawn += 1;
        hashed(&what, &[n, c, h, w])
    };
    let run = Run { denoiser: &denoiser, sigmas: &sigmas, eta, noise: &mut noise, watch: &mut () };
    samplers::find(name).expect("a sampler of the list").sample(&[1, 8, 8, 4], run)
}

#[test]
fn loops() {
    let golden = golden();
    let golden = golden.as_object().expect("an object");
    let mut compared = 0;
    for (key, expected) in golden.iter().filter(|(key, _)| key.starts_with("loop:")) {
        let sampler = key["loop:".len()..].split(',').next().expect("a name");
        let prediction = key.split(',').nth(1).expect("a prediction");
        let eta = key.split("eta=").nth(1).map(|eta| eta.parse().expect("a number"));
        let at_first = key.contains("set_alpha_to_one=false");
        let final_sigma = if at_first { FinalSigma::FirstTimestep } else { FinalSigma::Zero };
        let out = sample_loop(sampler, prediction, final_sigma, eta).to_nchw().to_vec();

        let sum_abs: f64 = out.iter().map(|x| x.abs() as f64).sum();
        let expected_sum = expected["sum_abs"].as_f64().expect("a number");
        assert!((sum_abs / expected_sum - 1.0).abs() < 2e-6, "{key}: {sum_abs}");
        let samples = numbers(&expected["samples"]);
        for (k, e) in samples.iter().enumerate() {
            let x = out[k * (out.len() - 1) / (samples.len() - 1)] as f64;
            assert!((x - e).abs() < 2e-6, "{key}: sample {k} is {x}, not {e}");
        }
        compared += 1;
    }
    assert_eq!(compared, 8, "loops in the golden");
}
