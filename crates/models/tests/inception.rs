//! Inception v3 against pytorch-fid's on hashed weights.

mod common;

use std::collections::BTreeSet;

use aquatint_models::InceptionV3;
use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::Tensor;
use common::{Golden, hashed, input, numbers};

/// Hashed weights; variances are positive.
fn network() -> InceptionV3 {
    let mut network = InceptionV3::new();
    network.visit_mut("", &mut |name, param| {
        let value = hashed(name, param.shape());
        param.set(match name.ends_with("running_var") {
            // 0.1·u to 0.5·(1 + u/2).
            true => value.scale(2.5).add_scalar(0.5),
            false => value,
        });
    });
    network
}

#[test]
fn every_stage_agrees_with_pytorch_fid() {
    let mut golden = Golden::open("inception");
    let x = input("image", &numbers::<usize>(&golden.inputs()["image"])).from_nchw();
    let network = network();
    let out = network.forward_with(&x, &mut |name, x| golden.check(name, x));
    golden.check("pool3", &out.pool3);
    assert_eq!(out.logits_unbiased.shape(), [1, 1008]);
    golden.assert_all_seen();
}

#[test]
fn names_are_those_of_the_published_file() {
    let network = InceptionV3::new();
    let names: BTreeSet<String> =
        network.named_parameters().into_iter().map(|(name, _)| name).collect();
    // 94 convolutions of one weight and four numbers a channel, and the last layer.
    assert_eq!(names.len(), 94 * 5 + 2);
    for name in [
        "Conv2d_1a_3x3.conv.weight",
        "Mixed_6e.branch7x7dbl_5.bn.running_var",
        "Mixed_7c.branch3x3dbl_3b.bn.bias",
        "fc.bias",
    ] {
        assert!(names.contains(name), "{name}");
    }
    assert_eq!(network.parameter_count(), 23_850_960 + 2 * 17_216);
}

#[test]
fn a_picture_does_not_depend_on_its_batch() {
    let network = network();
    let one = input("one", &[1, 75, 75, 3]);
    let two = input("two", &[1, 75, 75, 3]);
    let both = Tensor::cat_rows([&one.reshape(&[75, 225]), &two.reshape(&[75, 225])]);
    let both = network.forward(&both.reshape(&[2, 75, 75, 3])).pool3.to_vec();
    let apart = [network.forward(&one), network.forward(&two)].map(|out| out.pool3.to_vec());
    assert_eq!(both, apart.concat());
}
