//! Comparison with diffusers and transformers on weights that are a hash of their own names.
//!
//! `tools/reference` does the same in Python and writes `testdata/golden`, so neither side has to
//! store weights.
#![allow(dead_code)] // Each test file uses a part.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::{Grads, Tensor};
use serde::de::DeserializeOwned;
use serde_json::Value;

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Allowed difference from the reference (computed in f64), relative to a stage's spread. Ours is
/// at most 5e-6; an ε of 1e-5 instead of 1e-6 in one kind of normalization makes 2e-5.
pub const TOLERANCE: f64 = 1e-5;

fn fnv1a64(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

fn splitmix64(z: u64) -> u64 {
    let z = z.wrapping_add(GOLDEN_GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The `i`-th number of the stream `name`, uniform in [−1, 1).
fn u(name: &str, i: usize) -> f64 {
    let state = fnv1a64(name).wrapping_add((i as u64).wrapping_mul(GOLDEN_GAMMA));
    (splitmix64(state) >> 11) as f64 * 2f64.powi(-53) * 2.0 - 1.0
}

/// The value of the parameter `name`.
pub fn hashed(name: &str, shape: &[usize]) -> Tensor {
    let value: Box<dyn Fn(f64) -> f64> = match shape {
        [_] if name.ends_with(".weight") => Box::new(|u| 1.0 + 0.1 * u),
        [_, inputs @ ..] if !inputs.is_empty() => {
            let scale = (3.0 / inputs.iter().product::<usize>() as f64).sqrt();
            Box::new(move |u| scale * u)
        }
        _ => Box::new(|u| 0.1 * u),
    };
    Tensor::from_fn(shape, |i| value(u(name, i)) as f32)
}

/// The input `what`, in the reference's `[N, C, H, W]` or any other order.
pub fn input(what: &str, shape: &[usize]) -> Tensor {
    let name = format!("input:{what}");
    Tensor::from_fn(shape, |i| (1.7 * u(&name, i)) as f32)
}

/// Gives every parameter its hashed value.
pub fn fill(module: &mut impl Module) {
    module.visit_mut("", &mut |name, param| param.set(hashed(name, param.shape())));
}

/// Checks that `loss` depends on every parameter of `module`.
pub fn assert_every_parameter_has_a_gradient(module: &impl Module, grads: &Grads) {
    for (name, param) in module.named_parameters() {
        let grad = grads.get(param.value());
        let size = grad.unwrap_or_else(|| panic!("{name} got no gradient")).max_abs();
        assert!(size.is_finite() && size > 0.0, "the gradient of {name} is {size}");
    }
}

/// A folder of `testdata/golden`.
pub struct Golden {
    folder: PathBuf,
    stages: BTreeMap<String, Value>,
    seen: Vec<String>,
}

impl Golden {
    pub fn open(name: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
        let folder = root.join(name);
        let stages = read(&folder.join("golden.json"));
        Self { folder, stages, seen: Vec::new() }
    }

    /// The model's configuration, which must be one we can read.
    pub fn config<T: DeserializeOwned>(&self) -> T {
        read(&self.folder.join("config.json"))
    }

    /// What the inputs were: shapes, ids, timesteps.
    pub fn inputs(&self) -> BTreeMap<String, Value> {
        read(&self.folder.join("input.json"))
    }

    /// Compares the stage `name`, if the golden has it. Pictures are channels-last here and
    /// channels-first there.
    pub fn check(&mut self, name: &str, x: &Tensor) {
        let Some(expected) = self.stages.get(name) else { return };
        let x = if x.shape().len() == 4 { x.to_nchw() } else { x.clone() };
        let shape: Vec<usize> = numbers(&expected["shape"]);
        assert_eq!(x.shape(), shape, "{name}");
        let values: Vec<f64> = x.to_vec().into_iter().map(f64::from).collect();
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
        let spread = number(&expected["std"]);
        let compare = |what: String, actual: f64, expected: f64| {
            let error = (actual - expected).abs() / spread.max(expected.abs());
            assert!(
                error <= TOLERANCE,
                "{name}: {what} is {actual}, expected {expected}, relative difference {error:.1e}"
            );
        };
        compare("the mean".into(), mean, number(&expected["mean"]));
        compare("the standard deviation".into(), std, spread);
        for (k, sample) in numbers::<f64>(&expected["samples"]).into_iter().enumerate() {
            let i = k * (n - 1) / 15;
            compare(format!("number {i}"), values[i], sample);
        }
        self.seen.push(name.to_owned());
    }

    /// What the golden says under `name`, for whoever compares it in a way of their own.
    pub fn value(&mut self, name: &str) -> &Value {
        self.seen.push(name.to_owned());
        &self.stages[name]
    }

    /// Compares whole numbers, one by one.
    pub fn check_numbers(&mut self, name: &str, actual: &[u32]) {
        assert_eq!(actual, numbers::<u32>(&self.stages[name]), "{name}");
        self.seen.push(name.to_owned());
    }

    /// Compares the norms of the gradients. `tensor` finds what a name means.
    pub fn check_grads<'a>(
        &mut self,
        loss: f32,
        grads: &Grads,
        tensor: impl Fn(&str) -> Option<&'a Tensor>,
    ) {
        let expected = self.stages["grads"].as_object().expect("grads is an object");
        for (name, value) in expected {
            let actual = match name.as_str() {
                "loss" => loss as f64,
                _ => {
                    let tensor = tensor(name).unwrap_or_else(|| panic!("{name} does not exist"));
                    let grad = grads.get(tensor).unwrap_or_else(|| panic!("no grad of {name}"));
                    grad.sum_of_squares().sqrt()
                }
            };
            let expected = number(value);
            let error = (actual - expected).abs() / expected.abs();
            assert!(
                error <= TOLERANCE,
                "{name}: {actual}, expected {expected}, relative difference {error:.1e}"
            );
        }
        self.seen.push("grads".into());
    }

    /// Checks that no stage of the golden was left out.
    pub fn assert_all_seen(mut self) {
        self.seen.sort();
        let all: Vec<_> = self.stages.into_keys().collect();
        assert_eq!(self.seen, all, "compared (left), in the golden (right)");
    }
}

fn read<T: DeserializeOwned>(path: &std::path::Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"))
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A list of numbers, or of lists of them, in order.
pub fn numbers<T: DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{value}: {e}"))
}
