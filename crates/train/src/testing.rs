//! What several tests need.

use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::{Grads, Tensor};
use serde_json::{Map, Value};

use crate::monitor::Monitor;

/// A monitor without a clock.
pub struct Silent;

impl Monitor for Silent {
    fn seconds(&self) -> f64 {
        0.0
    }
}

/// `u(name, i)` of the reference generator for i < count, uniform in [-1, 1): the FNV-1a hash of
/// the name seeds SplitMix64. See `tools/reference/hashed.py`.
pub fn hashed(name: &str, count: usize) -> Vec<f64> {
    let seed = aquatint_nn::fnv1a(name.bytes());
    (1..=count as u64)
        .map(|i| {
            let mut z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bits = (z ^ (z >> 31)) >> 11;
            bits as f64 * 2f64.powi(-52) - 1.0
        })
        .collect()
}

/// Allowed difference of a training's figures from PyTorch's, relative.
const TOLERANCE: f64 = 1e-4;

/// The value that the reference gives to the parameter `name`.
pub fn weight(name: &str, shape: &[usize]) -> Tensor {
    let values = hashed(name, shape.iter().product());
    let inputs: usize = shape[1..].iter().product();
    let value = |u: f64| match shape.len() {
        1 if name.ends_with(".weight") => 1.0 + 0.1 * u,
        1 => 0.1 * u,
        _ => (3.0 / inputs as f64).sqrt() * u,
    };
    Tensor::new(values.into_iter().map(|u| value(u) as f32).collect(), shape)
}

/// Gives every parameter the reference's value, and asks for its gradient.
pub fn fill(module: &mut dyn Module) {
    module.visit_mut("", &mut |name, param| {
        let value = match name {
            _ if name.ends_with("running_mean") => Tensor::zeros(param.shape()),
            _ if name.ends_with("running_var") => Tensor::full(param.shape(), 1.0),
            _ => weight(name, param.shape()),
        };
        param.set(value);
    });
    module.track();
}

/// The input `what` of the reference.
pub fn input(what: &str, shape: &[usize]) -> Tensor {
    let values = hashed(&format!("input:{what}"), shape.iter().product());
    Tensor::new(values.into_iter().map(|u| (1.7 * u) as f32).collect(), shape)
}

/// Whole numbers below `below` of the reference.
pub fn input_ids(what: &str, count: usize, below: u32) -> Vec<u32> {
    let values = hashed(&format!("input:{what}"), count).into_iter();
    values.map(|u| ((u + 1.0) / 2.0 * f64::from(below)).floor() as u32).collect()
}

/// A file of `testdata/golden`.
pub fn golden(name: &str) -> Value {
    let path = format!("{}/../../testdata/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).expect("a golden")).expect("JSON")
}

/// Compares all figures that the golden has of a step.
#[track_caller]
pub fn check_step(golden: &Value, step: u64, found: &Map<String, Value>) {
    let expected = golden[format!("step_{step}")].as_object().expect("figures");
    for (name, expected) in expected {
        let actual = found[name].as_f64().expect("a number");
        let expected = expected.as_f64().expect("a number");
        let error = (actual - expected).abs() / expected.abs();
        assert!(error < TOLERANCE, "step {step}: {name} is {actual}, expected {expected}");
    }
}

/// Compares the length of each parameter's gradient, if the golden has them of this step: relative
/// to itself, or to a thousandth of all together, if that is longer.
#[track_caller]
pub fn check_grads(golden: &Value, step: u64, module: &dyn Module, grads: &Grads, all: f64) {
    let Some(expected) = golden[format!("grads_{step}")].as_object() else { return };
    for (name, param) in module.named_parameters() {
        if name.contains("running_") {
            continue;
        }
        let actual = grads.get(param.value()).map_or(0.0, |grad| grad.sum_of_squares().sqrt());
        let wanted = expected[&name].as_f64().expect("a number");
        let error = (actual - wanted).abs() / wanted.max(1e-3 * all);
        assert!(error < TOLERANCE, "the gradient of {name} is {actual}, expected {wanted}");
    }
}

/// Ten steps of AdamW with the gradient cut to length 1, compared with the golden.
pub fn check_ten_steps<M: Module>(
    golden: &Value,
    module: &mut M,
    loss_of: impl Fn(&M, u64) -> Tensor,
) {
    let config = toml::from_str("weight_decay = 0.01\nmax_grad_norm = 1.0").expect("a section");
    let mut optimizer = crate::optimizer::Optimizer::new(module, &config);
    for step in 0..10 {
        let loss = loss_of(&*module, step);
        let value = loss.item();
        let mut grads = loss.backward();
        let norm = crate::optimizer::grad_norm(&*module, &grads);
        let figures = [("loss", f64::from(value)), ("grad_norm", norm)];
        let found = figures.map(|(name, value)| (name.to_owned(), Value::from(value)));
        check_step(golden, step, &found.into_iter().collect());
        check_grads(golden, step, module, &grads, norm);
        optimizer.step(module, &mut grads, norm, 2e-5, step + 1);
    }
}
