//! Hashed numbers, as `tools/reference/hashed.py` makes them.
#![allow(dead_code)] // Each test file uses a part.

use std::path::PathBuf;

use aquatint_models::InceptionV3;
use aquatint_nn::Module;
use aquatint_pipeline::Picture;
use aquatint_tensor::Tensor;
use serde_json::Value;

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn splitmix64(z: u64) -> u64 {
    let z = z.wrapping_add(GOLDEN_GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `count` numbers of the stream `name`, uniform in [−1, 1).
pub fn u(name: &str, count: usize) -> Vec<f64> {
    let seed = aquatint_nn::fnv1a(name.bytes());
    let state = |i: usize| seed.wrapping_add((i as u64).wrapping_mul(GOLDEN_GAMMA));
    let number = |i| (splitmix64(state(i)) >> 11) as f64 * 2f64.powi(-53) * 2.0 - 1.0;
    (0..count).map(number).collect()
}

/// `bytes_of` of the script.
pub fn bytes(name: &str, count: usize) -> Vec<u8> {
    u(&format!("bytes:{name}"), count).into_iter().map(|u| ((u + 1.0) * 128.0) as u8).collect()
}

/// `features` of the script, `[count, dims]`.
pub fn features(name: &str, count: usize, dims: usize, shift: f64) -> Vec<f32> {
    let spread = |i: usize| 0.2 + 1.8 * i as f64 / (dims - 1) as f64;
    let x: Vec<f64> = u(&format!("features:{name}"), count * dims)
        .iter()
        .enumerate()
        .map(|(i, u)| u * spread(i % dims) + shift)
        .collect();
    let beside = |i: usize| if i.is_multiple_of(dims) { i + dims - 1 } else { i - 1 };
    (0..x.len()).map(|i| (x[i] + 0.5 * x[beside(i)]) as f32).collect()
}

/// Inception on hashed weights.
pub fn inception() -> InceptionV3 {
    let mut network = InceptionV3::new();
    network.visit_mut("", &mut |name, param| {
        let shape = param.shape().to_vec();
        let scale = match shape[..] {
            [_] => 0.1,
            _ => (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt(),
        };
        let value = |u: f64| match shape[..] {
            [_] if name.ends_with(".weight") => 1.0 + 0.1 * u,
            [_] if name.ends_with("running_var") => 0.5 * (1.0 + 0.5 * u),
            _ => scale * u,
        };
        let values = u(name, shape.iter().product()).into_iter().map(|u| value(u) as f32);
        param.set(Tensor::new(values.collect(), &shape));
    });
    network
}

/// Pictures of 52×40 pixels: a smooth one, and itself with noise.
pub fn pictures() -> [Picture; 2] {
    let (width, height) = (52, 40);
    let smooth: Vec<u8> = (0..width * height * 3)
        .map(|i| {
            let [y, x, c] = [i / (3 * width), i / 3 % width, i % 3].map(|v| v as f64);
            (((x / 5.0 + c).sin() * (y / 7.0 - c).cos() + 1.0) * 120.0).floor() as u8
        })
        .collect();
    let noise = bytes("noise", smooth.len());
    let noisy = smooth
        .iter()
        .zip(noise)
        .map(|(&v, noise)| (i32::from(v) + i32::from(noise / 8) - 16).clamp(0, 255) as u8);
    let noisy = noisy.collect();
    [Picture { width, height, rgb: smooth }, Picture { width, height, rgb: noisy }]
}

/// `testdata/golden/evaluation.json`.
pub fn golden() -> Value {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    let text = std::fs::read_to_string(root.join("evaluation.json")).expect("the golden");
    serde_json::from_str(&text).expect("JSON")
}

#[track_caller]
pub fn close(found: f64, wanted: &Value, relative: f64) {
    let wanted = wanted.as_f64().expect("a number");
    let error = (found - wanted).abs();
    // Written so that NaN fails.
    assert!(error <= relative * wanted.abs(), "{found}, not {wanted}");
}
