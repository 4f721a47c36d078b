//! Perceptual distances against the `lpips` package, and EfficientNet-Lite0 against the PyTorch
//! package that its published weights were made for.

mod common;

use aquatint_models::perceptual::{EfficientNetLite0, Perceptual, Vgg16};
use aquatint_nn::Module;
use aquatint_tensor::Tensor;
use common::{TOLERANCE, fill, hashed, input, number, numbers};
use serde_json::Value;

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden/perceptual.json");
    serde_json::from_slice(&std::fs::read(path).expect("a golden")).expect("JSON")
}

/// A picture of the reference, in [−1, 1].
fn picture(what: &str, shape: &[usize]) -> Tensor {
    input(what, shape).from_nchw().scale(1.0 / 1.7)
}

#[track_caller]
fn close(what: &str, actual: f64, expected: f64, size: f64) {
    let error = (actual - expected).abs() / size;
    assert!(error < TOLERANCE, "{what}: {actual}, expected {expected}, {error:.1e}");
}

#[test]
fn distances_are_those_of_the_lpips_package() {
    let golden = golden();
    let mut network = Box::new(Vgg16::new(64));
    fill(&mut *network);
    let mut i = 0;
    let heads = Vgg16::channels(64).map(|channels| {
        i += 1;
        hashed(&format!("lin{}.model.1.weight", i - 1), &[1, channels, 1, 1]).abs()
    });
    let shape = [2, 3, 32, 32];
    let (a, b) = (picture("a", &shape), picture("b", &shape).tracked());
    for heads in [Some(heads), None] {
        let by = Perceptual::Vgg16 { network: network.clone(), heads };
        let expected = &golden[by.name()];
        let distance = by.distance(&a, &b);
        let values = numbers::<f64>(&expected["distance"]);
        for (actual, expected) in distance.to_vec().into_iter().zip(values) {
            close(by.name(), f64::from(actual), expected, expected);
        }
        let grads = distance.sum().backward();
        let actual = grads.get(&b).expect("a gradient").sum_of_squares().sqrt();
        let expected = number(&expected["gradient"]);
        // Every rectifier that rounding turns over changes it a little.
        close("the gradient", actual, expected, 10.0 * expected);
    }
}

#[test]
fn efficientnet_lite0_is_the_published_one() {
    let golden = golden();
    let mut network = EfficientNetLite0::new();
    fill(&mut network);
    network.visit_mut("", &mut |name, param| {
        if name.ends_with("running_var") {
            param.set(param.value().add_scalar(1.0));
        }
    });
    let network = network.folded();
    let image = picture("a", &[1, 3, 224, 224]);
    let blocks = ["block_0", "block_2", "block_4", "block_10", "block_15"];
    let maps =
        blocks.into_iter().zip(network.maps(&image)).map(|(name, map)| (name, map.to_nchw()));
    for (name, x) in maps.chain([("pooled", network.pooled(&image))]) {
        let expected = &golden["effnet_lite0"][name];
        assert_eq!(x.shape(), numbers::<usize>(&expected["shape"]), "{name}");
        let values = x.to_vec();
        let spread = number(&expected["std"]);
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
        close(name, mean, number(&expected["mean"]), spread);
        for (k, sample) in numbers::<f64>(&expected["samples"]).into_iter().enumerate() {
            let actual = f64::from(values[k * (values.len() - 1) / 15]);
            close(&format!("{name}, number {k}"), actual, sample, spread.max(sample.abs()));
        }
    }
}
