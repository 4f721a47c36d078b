//! What the derive and the extension methods promise.

use aquatint_nn::{
    Bias, Conv2d, Embedding, GroupNorm, Init, LayerNorm, Linear, Module, ModuleExt, Param,
};
use aquatint_tensor::{Conv2dOptions, Precision, Rng, Tensor};

#[derive(Module)]
struct Inner<M> {
    r#type: M,
    #[module(name = "net.0.proj")]
    proj: Linear,
}

#[derive(Module)]
struct Outer {
    first: Param,
    blocks: Vec<Inner<Linear>>,
    absent: Option<Linear>,
    present: Option<Box<LayerNorm>>,
    #[module(flatten)]
    same_level: Inner<Param>,
    #[module(skip)]
    size: usize,
}

fn outer() -> Outer {
    let proj = || Linear::new(3, 2, Bias::No);
    Outer {
        first: Param::new(&[2], Init::Ones),
        blocks: vec![
            Inner { r#type: Linear::new(2, 2, Bias::Yes), proj: proj() },
            Inner { r#type: Linear::new(2, 2, Bias::No), proj: proj() },
        ],
        absent: None,
        present: Some(Box::new(LayerNorm::new(4, 1e-5))),
        same_level: Inner { r#type: Param::new(&[1], Init::Zeros), proj: proj() },
        size: 7,
    }
}

#[test]
fn names_are_paths_in_the_order_of_the_fields() {
    let mut outer = outer();
    let names = |parameters: Vec<(String, &Param)>| -> Vec<String> {
        parameters.into_iter().map(|(name, _)| name).collect()
    };
    let expected = [
        "first",
        "blocks.0.type.weight",
        "blocks.0.type.bias",
        "blocks.0.net.0.proj.weight",
        "blocks.1.type.weight",
        "blocks.1.net.0.proj.weight",
        "present.weight",
        "present.bias",
        "type",
        "net.0.proj.weight",
    ];
    assert_eq!(names(outer.named_parameters()), expected);
    let mut mutable = Vec::new();
    outer.visit_mut("root", &mut |name, _| mutable.push(name.to_owned()));
    assert_eq!(mutable, expected.map(|name| format!("root.{name}")));
    assert_eq!(outer.size, 7);
    assert!(outer.absent.is_none());
}

#[test]
fn counting_needs_no_values() {
    // 2 + (4 + 2 + 6) + (4 + 6) + 8 + (1 + 6)
    assert_eq!(outer().parameter_count(), 39);
    let huge = Linear::new(1 << 20, 1 << 20, Bias::No);
    assert_eq!(huge.parameter_count(), 1 << 40);
    assert!(!huge.weight.is_filled());
}

#[test]
fn a_parameter_begins_the_same_whatever_is_around_it() {
    let (mut a, mut b) = (outer(), outer());
    b.absent = Some(Linear::new(50, 50, Bias::Yes));
    a.init(11);
    b.init(11);
    let of = |outer: &Outer| outer.blocks[1].proj.weight.value().to_vec();
    assert_eq!(of(&a), of(&b));
    assert_ne!(a.blocks[0].proj.weight.value().to_vec(), of(&a), "two names, one stream");
    let before = of(&a);
    a.init(12);
    assert_ne!(of(&a), before, "two seeds, one stream");
}

#[test]
fn distributions_are_pytorchs() {
    let moments = |t: &Tensor| {
        let values = t.to_vec();
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| v as f64).sum::<f64>() / n;
        let var = values.iter().map(|&v| (v as f64 - mean).powi(2)).sum::<f64>() / n;
        (mean, var.sqrt(), t.max_abs() as f64)
    };
    // torch.nn.Linear(64, 256) and torch.nn.Conv2d(16, 64, 3): uniform in ±1/√fan_in.
    let mut linear = Linear::new(64, 256, Bias::Yes);
    linear.init(1);
    let (mean, std, max) = moments(linear.weight.value());
    assert!(mean.abs() < 3e-3 && (std - 0.125 / 3f64.sqrt()).abs() < 2e-3, "{mean} ± {std}");
    assert!((0.124..=0.125).contains(&max), "{max}");
    let (_, _, max) = moments(linear.bias.as_ref().expect("has a bias").value());
    assert!((0.1..=0.125).contains(&max), "{max}");
    let mut conv = Conv2d::new(16, 64, 3, Conv2dOptions::same(3));
    conv.init(1);
    let (_, _, max) = moments(conv.weight.value());
    assert!((0.083..=1.0 / 12.0 + 1e-7).contains(&max), "{max}");

    let mut embedding = Embedding::new(100, 64, 0.02);
    embedding.init(1);
    let (mean, std, _) = moments(embedding.weight.value());
    assert!(mean.abs() < 1e-3 && (std - 0.02).abs() < 1e-3, "{mean} ± {std}");

    let mut norm = GroupNorm::new(2, 4, 1e-5);
    norm.init(1);
    assert_eq!(norm.weight.value().to_vec(), [1.0; 4]);
    assert_eq!(norm.bias.value().to_vec(), [0.0; 4]);
    let mut zero = Linear::new(4, 4, Bias::Yes).with_init(Init::Zeros);
    zero.init(1);
    assert_eq!(zero.forward(&Tensor::full(&[2, 4], 1.0)).max_abs(), 0.0);
}

#[test]
fn tracking_and_precision_outlive_a_new_value() {
    let mut linear = Linear::new(2, 2, Bias::No);
    linear.track();
    linear.set_precision(Precision::Bf16);
    linear.init(1);
    assert!(linear.weight.value().is_tracked());
    assert_eq!(linear.weight.value().precision(), Precision::Bf16);
    let x = Tensor::full(&[1, 2], 1.0);
    let grads = linear.forward(&x).sum().backward();
    assert!(grads.get(linear.weight.value()).is_some());
    linear.weight.set(Tensor::zeros(&[2, 2]));
    assert!(linear.weight.value().is_tracked());
    assert_eq!(linear.weight.value().precision(), Precision::Bf16);
    linear.untrack();
    assert!(!linear.forward(&x).is_tracked());
}

#[test]
fn layers_compute_what_their_names_say() {
    let mut rng = Rng::new(1);
    let x = rng.randn(&[2, 3, 4, 6]);
    let mut norm = GroupNorm::new(3, 6, 1e-5);
    norm.init(1);
    let plain = norm.forward(&x);
    assert!(norm.forward_silu(&x).sub(&plain.silu()).max_abs() < 1e-5);
    let mut conv = Conv2d::pointwise(6, 5);
    let mut linear = Linear::new(6, 5, Bias::Yes);
    conv.init(1);
    linear.weight.set(conv.weight.value().reshape(&[5, 6]));
    let bias = conv.bias.as_ref().expect("has a bias").value().clone();
    linear.bias.as_mut().expect("has a bias").set(bias);
    assert!(conv.forward(&x).sub(&linear.forward(&x)).max_abs() < 1e-5);
    let mut table = Embedding::new(5, 2, 1.0);
    table.weight.set(Tensor::from_fn(&[5, 2], |i| i as f32));
    assert_eq!(table.forward(&[3, 0], &[1, 2]).to_vec(), [6.0, 7.0, 0.0, 1.0]);
    let mut norm = LayerNorm::new(2, 0.0);
    norm.init(1);
    assert_eq!(norm.forward(&Tensor::new(vec![1.0, 3.0], &[1, 2])).to_vec(), [-1.0, 1.0]);
}

#[test]
#[should_panic(expected = "parameter of shape [3, 2] was never filled")]
fn an_empty_parameter_panics() {
    Linear::new(2, 3, Bias::No).forward(&Tensor::zeros(&[1, 2]));
}

#[test]
#[should_panic(expected = "does not have the parameter's shape")]
fn a_value_of_another_shape_panics() {
    Param::new(&[2, 3], Init::Zeros).set(Tensor::zeros(&[3, 2]));
}

#[test]
#[should_panic(expected = "6 channels in 4 groups")]
fn groups_must_divide_the_channels() {
    GroupNorm::new(4, 6, 1e-5);
}
