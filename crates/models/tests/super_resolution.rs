//! The networks that enlarge pictures, against PyTorch on hashed weights.

mod common;

use std::collections::BTreeMap;

use aquatint_models::super_resolution::{Shapes, SuperResolution, SuperResolutionConfig, Tail};
use aquatint_nn::ModuleExt;
use aquatint_tensor::Tensor;
use common::{Golden, fill, input, numbers};
use serde_json::Value;

/// The network of this name, built from the names and shapes of its weights as PyTorch has them.
fn build(configs: &BTreeMap<String, Value>, name: &str) -> SuperResolution {
    let tensors: BTreeMap<String, Vec<usize>> =
        serde_json::from_value(configs[name]["tensors"].clone()).expect("names and shapes");
    let shapes: Shapes = tensors.iter().map(|(n, s)| (n.as_str(), s.as_slice())).collect();
    let config = SuperResolutionConfig::of(&shapes).unwrap_or_else(|| panic!("{name}: unknown"));
    let mut model = SuperResolution::new(&config);
    let ours: BTreeMap<_, _> =
        model.named_parameters().into_iter().map(|(n, p)| (n, p.shape().to_vec())).collect();
    assert_eq!(ours, tensors, "{name}");
    fill(&mut model);
    model
}

fn open() -> (Golden, BTreeMap<String, Value>, Tensor) {
    let golden = Golden::open("super_resolution");
    let configs = golden.config();
    let image = input("image", &numbers::<usize>(&golden.inputs()["image"])).from_nchw();
    (golden, configs, image)
}

#[test]
fn every_network_is_known_by_its_weights_and_agrees_with_pytorch() {
    let (mut golden, configs, image) = open();
    for (name, config) in &configs {
        let model = build(&configs, name);
        assert_eq!(model.scale(), config["scale"], "{name}");
        golden.check(name, &model.forward(&image));
    }
    golden.assert_all_seen();
}

/// What [`SuperResolution::radius`] promises, and that it promises no more than is needed: by the
/// gradient of one result.
#[test]
fn a_pixel_depends_on_no_more_than_the_radius() {
    let (_, configs, _) = open();
    for name in configs.keys() {
        let model = build(&configs, name);
        let (radius, scale) = (model.radius(), model.scale());
        let side = (2 * radius + 3).next_multiple_of(model.multiple());
        let (middle, of) = (radius + 1, |at: usize| at * scale);
        let width = model.multiple();
        let x = Tensor::from_fn(&[1, side, width, 3], |i| (i % 7) as f32 / 7.0).tracked();
        let y = model.forward(&x);
        // All results of the middle pixel's block.
        let block = Tensor::from_fn(y.shape(), |i| {
            let row = i / (3 * width * scale);
            if (of(middle)..of(middle + 1)).contains(&row) { 1.0 } else { 0.0 }
        });
        let grads = y.mul(&block).sum().backward();
        let dx = grads.get(&x).expect("a gradient").to_vec();
        let far = |row: usize| row.abs_diff(middle) > radius;
        let reach =
            (0..side).filter(|&row| dx[3 * width * row..][..3 * width].iter().any(|&g| g != 0.0));
        let reach: Vec<usize> = reach.collect();
        assert!(reach.iter().all(|&row| !far(row)), "{name}: {reach:?} of {middle} ± {radius}");
        let seen = middle - reach[0];
        assert!(seen + 4 * model.multiple() >= radius, "{name}: {seen} of {radius}");
    }
}

#[test]
fn bands_of_a_large_picture_are_the_picture() {
    let (_, configs, _) = open();
    let model = build(&configs, "rrdb_x4");
    // So many pixels that the tail works in bands.
    let x = Tensor::from_fn(&[1, 300, 200, 3], |i| (i * 7 % 1000) as f32 / 1000.0);
    let whole = model.forward(&x.clone().tracked()).detach();
    let banded = model.forward(&x);
    assert_eq!(banded.shape(), [1, 1200, 800, 3]);
    assert!(whole.sub(&banded).max_abs() < 1e-5);
}

#[test]
fn what_is_no_such_network_is_nothing() {
    let rrdb = |names: &[(&str, [usize; 4])]| {
        let shapes: Shapes = names.iter().map(|(n, s)| (*n, s.as_slice())).collect();
        SuperResolutionConfig::of(&shapes)
    };
    let first = ("conv_first.weight", [16, 3, 3, 3]);
    let hr = ("conv_hr.weight", [16, 16, 3, 3]);
    let block = ("body.0.rdb1.conv1.weight", [8, 16, 3, 3]);
    let last = ("conv_last.weight", [3, 16, 3, 3]);
    let known = rrdb(&[first, hr, block, last, ("conv_up1.weight", [16, 16, 3, 3])]);
    assert!(
        matches!(known, Some(SuperResolutionConfig::Rrdb(c)) if c.tail == Tail::Doubling(1)),
        "ESRGAN's x2 doubles once"
    );
    assert_eq!(rrdb(&[]), None);
    assert_eq!(rrdb(&[first, hr, last]), None);
    assert_eq!(rrdb(&[("conv_first.weight", [16, 7, 3, 3]), hr, block, last]), None);
    // Larger numbers than any file has.
    assert_eq!(rrdb(&[("conv_first.weight", [1 << 40, 3, 3, 3]), hr, block, last]), None);
    assert_eq!(rrdb(&[("body.0.weight", [16, 3, 3, 3])]), None);
}
