//! A change beside a weight gives what the changed weight would.

use aquatint_nn::{Beside, Bias, Conv2d, Fused, GroupNorm, Linear, Module, ModuleExt, Param};
use aquatint_tensor::{Conv2dOptions, Epilogue, Nonlinearity, Precision, Rng, Tensor};

const RANK: usize = 3;

/// A low-rank change of a weight of this shape, and all of it.
fn change(shape: &[usize], seed: u64) -> (Beside, Tensor) {
    let mut rng = Rng::new(seed);
    let (outputs, inputs) = (shape[0], shape[1..].iter().product::<usize>());
    let (down, up) = (rng.randn(&[RANK, inputs]), rng.randn(&[outputs, RANK]).scale(0.1));
    let (d, u) = (down.to_vec(), up.to_vec());
    let product = Tensor::from_fn(shape, |at| {
        let (o, i) = (at / inputs, at % inputs);
        (0..RANK).map(|r| u[o * RANK + r] * d[r * inputs + i]).sum()
    });
    let narrow: Vec<usize> = [&[RANK], &shape[1..]].concat();
    (Beside::LowRank { down: down.reshape(&narrow), up }, product)
}

/// The weight changed, and changed by something beside it, of low rank and whole.
fn three<M: Module + Clone>(
    layer: &M,
    weight: impl Fn(&mut M) -> &mut Param,
    precision: Precision,
) -> [M; 3] {
    let mut layers = [layer.clone(), layer.clone(), layer.clone()];
    let shape = weight(&mut layers[0]).shape().to_vec();
    let (low_rank, whole) = change(&shape, 9);
    let changed = weight(&mut layers[0]).value().add(&whole);
    layers.iter_mut().for_each(|layer| layer.set_precision(precision));
    weight(&mut layers[0]).set(changed);
    weight(&mut layers[1]).set_beside(low_rank);
    weight(&mut layers[2]).set_beside(Beside::Whole(whole));
    for layer in &mut layers {
        layer.visit_mut("", &mut |_, param| param.prepare());
    }
    layers
}

#[track_caller]
fn near(y: &Tensor, exact: &Tensor, precision: Precision) {
    assert_eq!(y.shape(), exact.shape());
    let error = (y.sub(exact).sum_of_squares() / exact.sum_of_squares()).sqrt();
    let tolerance = if precision == Precision::F32 { 1e-6 } else { 1e-2 };
    assert!(error < tolerance, "{error}");
}

#[test]
fn linear_layers() {
    let mut rng = Rng::new(1);
    let mut layer = Linear::new(10, 8, Bias::Yes);
    layer.init(1);
    let x = rng.randn(&[2, 5, 10]);
    let [all, half] = [8, 4].map(|channels| rng.randn(&[2, 5, channels]));
    for precision in [Precision::F32, Precision::Bf16] {
        let [merged, low_rank, whole] = three(&layer, |l| &mut l.weight, precision);
        for beside in [&low_rank, &whole] {
            near(&beside.forward(&x), &merged.forward(&x), precision);
            for nonlinearity in [
                Nonlinearity::None,
                Nonlinearity::Silu,
                Nonlinearity::Gelu,
                Nonlinearity::QuickGelu,
            ] {
                for residual in [None, Some(&all)] {
                    let epilogue = Epilogue { nonlinearity, residual, rounded: false };
                    let exact = merged.forward_with(&x, &epilogue);
                    near(&beside.forward_with(&x, &epilogue), &exact, precision);
                }
            }
            let rounded = beside.forward_with(&x, &Epilogue::rounded());
            near(&rounded.in_f32(), &merged.forward(&x), precision);
        }
        let gate = layer.clone().before_geglu();
        let [merged, low_rank, whole] = three(&gate, |l| &mut l.weight, precision);
        for residual in [None, Some(&half)] {
            let epilogue = Epilogue { nonlinearity: Nonlinearity::Geglu, residual, rounded: false };
            let exact = merged.forward_with(&x, &epilogue);
            for beside in [&low_rank, &whole] {
                near(&beside.forward_with(&x, &epilogue), &exact, precision);
            }
        }
    }
}

#[test]
fn convolutions() {
    let mut rng = Rng::new(2);
    let x = rng.randn(&[2, 6, 7, 40]);
    let mut norm = GroupNorm::new(4, 40, 1e-5);
    norm.init(3);
    let time = rng.randn(&[2, 24]);
    let layers = [
        Conv2d::same3(40, 24),
        Conv2d::same3(40, 24).finely_rounded(),
        Conv2d::pointwise(40, 24),
        Conv2d::new(40, 24, 3, Conv2dOptions { stride: 2, padding: [1; 4] }),
    ];
    for mut layer in layers {
        layer.init(1);
        for precision in [Precision::F32, Precision::Bf16] {
            let [merged, low_rank, whole] = three(&layer, |l| &mut l.weight, precision);
            for upsample in [None, Some([11, 14])] {
                let norm = Some(&norm);
                let mut fused = Fused { norm, upsample, per_picture: Some(&time), residual: None };
                let exact = merged.forward_fused(&x, &fused);
                let residual = rng.randn(exact.shape());
                for beside in [&low_rank, &whole] {
                    near(&beside.forward(&x), &merged.forward(&x), precision);
                    fused.residual = None;
                    near(&beside.forward_fused(&x, &fused), &exact, precision);
                    fused.residual = Some(&residual);
                    near(&beside.forward_fused(&x, &fused), &exact.add(&residual), precision);
                }
            }
        }
    }
}

/// The base is of 8 bits, the change is not.
#[test]
fn beside_eight_bits() {
    let mut layer = Linear::new(64, 48, Bias::Yes);
    layer.init(1);
    let x = Rng::new(4).randn(&[9, 64]);
    let (beside, whole) = change(&[48, 64], 9);
    let exact = x.linear(&layer.weight.value().add(&whole), layer.bias.as_ref().map(Param::value));
    layer.set_precision(Precision::Bf16);
    layer.weight.set_int8();
    layer.weight.set_beside(beside);
    layer.visit_mut("", &mut |_, param| param.prepare());
    let y = layer.forward(&x);
    let error = (y.sub(&exact).sum_of_squares() / exact.sum_of_squares()).sqrt();
    assert!(error < 1e-2, "{error}");
}

#[test]
#[should_panic(expected = "a change of another shape than [8, 10]")]
fn a_change_has_the_weights_shape() {
    Linear::new(10, 8, Bias::No).weight.set_beside(change(&[8, 9], 1).0);
}
