//! Prepared weights of every kind, and what follows them or comes before.

use super::products::tolerance;
use super::{FINITE, KINDS, Kind, for_all, largest};
use crate::conv2d::{Activation, Conv2dShape, Fusion, Tile, WinogradWeight, conv2d_winograd_fused};
use crate::int8::{self, Int8Weight};
use crate::oracle::{self, Exact, Tolerance, assert_near};
use crate::testing::on_every_isa;
use crate::{
    Activations, ActivationsMut, Epilogue, Nonlinearity, Numbers, Precision, Weight, has_pairs,
    math, widen,
};

const NONLINEARITIES: [Nonlinearity; 5] = [
    Nonlinearity::None,
    Nonlinearity::Silu,
    Nonlinearity::Gelu,
    Nonlinearity::QuickGelu,
    Nonlinearity::Geglu,
];

#[test]
fn epilogues() {
    on_every_isa(|isa| {
        let sizes = (1..20_usize, 0..40_usize, 1..50_usize, 0..5_usize, proptest::bool::ANY);
        let kinds = (0..KINDS.len(), 0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(150, (sizes, kinds), |((m, k, n, f, added), (of_x, of_w, seed))| {
            let (of_x, of_w, nonlinearity) = (KINDS[of_x], KINDS[of_w], NONLINEARITIES[f]);
            let gated = nonlinearity == Nonlinearity::Geglu;
            let rows = if gated { 2 * n } else { n };
            let (x, w) = (of_x.numbers(seed, m * k), of_w.numbers(seed + 1, rows * k));
            let bias = of_w.numbers(seed + 2, rows);
            let residual = Kind::Plain.numbers(seed + 3, m * n);
            let residual = added.then_some(&residual[..]);
            let epilogue = Epilogue { bias: Some(&bias), nonlinearity, residual };
            for precision in [Precision::F32, Precision::Bf16] {
                if let (Precision::Bf16, Kind::Infinite, Kind::Denormal)
                | (Precision::Bf16, Kind::Denormal, Kind::Infinite) = (precision, of_x, of_w)
                {
                    // Infinite or, where the denormal is taken as 0, NaN.
                    continue;
                }
                let [wide_x, wide_w] =
                    [&x, &w].map(|x| oracle::operand(x, precision == Precision::Bf16));
                let sums = oracle::product(
                    [m, k, rows],
                    |i, l| wide_x[i * k + l],
                    |l, j| wide_w[j * k + l],
                    None,
                );
                let want = oracle::epilogue(&sums, &epilogue, n);
                let numbers = Numbers::F32(&w);
                let weight = match gated {
                    true => Weight::geglu(precision, numbers, [rows, k]),
                    false => Weight::linear(precision, numbers, [rows, k]),
                };
                let what = format_args!(
                    "{isa:?} {precision:?} {m} {k} {n} {nonlinearity:?} {of_x:?} {of_w:?}"
                );
                let near = tolerance(precision, k, &x, &w).times(2.0).or(1e-37);
                let mut y = vec![f32::NAN; m * n];
                weight.apply(Activations::F32(&x), &epilogue, ActivationsMut::F32(&mut y), m);
                assert_near(&y, &want, near, what);
                if has_pairs(precision) && !gated {
                    let mut pairs = vec![f32::NAN; m * n.div_ceil(2)];
                    let to = ActivationsMut::Bf16(&mut pairs);
                    weight.apply(Activations::F32(&x), &epilogue, to, m);
                    widen(&pairs, n, &mut y);
                    let near = Tolerance { relative: near.relative + 4e-3, ..near };
                    assert_near(&y, &want, near, format_args!("rounded: {what}"));
                }
            }
        });
    });
}

/// What `k` products of bytes are off by for each element: a step of x for every weight, and half a
/// step of w for every x; for numbers below the normal ones also what is lost there.
fn in_bytes(x: &[f32], w: &[f32], sum: Exact) -> Exact {
    let (low, high) = x.iter().fold((0.0_f32, 0.0_f32), |(a, b), &x| (a.min(x), b.max(x)));
    let step_x = (f64::from(high) - f64::from(low)) / 255.0 + 1e-36;
    let step_w = largest(w) / 127.0 + 1e-43;
    let total = |x: &[f32]| x.iter().map(|x| f64::from(x.abs())).sum::<f64>();
    let error = step_x * total(w) + step_w * (total(x) + step_x * x.len() as f64);
    let finite = x.iter().chain(w).all(|x| x.is_finite());
    let value = if finite { sum.value } else { f64::NAN };
    Exact::of_size(value, error + 1e-6 * sum.size)
}

const OF_BYTES: Tolerance = Tolerance { relative: 1.01, absolute: 1e-42 };

#[test]
fn linear_layers_in_bytes() {
    on_every_isa(|isa| {
        let sizes = (1..20_usize, 1..40_usize, 1..50_usize, 0..5_usize);
        let kinds = (0..KINDS.len(), 0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(150, (sizes, kinds), |((m, k, n, f), (of_x, of_w, seed))| {
            let (of_x, of_w, nonlinearity) = (KINDS[of_x], KINDS[of_w], NONLINEARITIES[f]);
            let gated = nonlinearity == Nonlinearity::Geglu;
            let rows = if gated { 2 * n } else { n };
            let (x, w) = (of_x.numbers(seed, m * k), of_w.numbers(seed + 1, rows * k));
            let bias = Kind::Plain.numbers(seed + 2, rows);
            let sum = |i: usize, j: usize| {
                let (x, w) = (&x[i * k..][..k], &w[j * k..][..k]);
                let mut sum = Exact::default();
                x.iter().zip(w).for_each(|(x, w)| sum.add(f64::from(*x) * f64::from(*w)));
                in_bytes(x, w, sum)
            };
            let sums: Vec<Exact> = (0..m)
                .flat_map(|i| (0..rows).map(move |j| (i, j)))
                .map(|(i, j)| sum(i, j))
                .collect();
            let what = format_args!("{isa:?} {m} {k} {n} {nonlinearity:?} {of_x:?} {of_w:?}");
            let numbers = Numbers::F32(&w);
            let weight = match gated {
                true => Weight::geglu_int8(numbers, [rows, k]),
                false => Weight::linear_int8(numbers, [rows, k]),
            };
            let epilogue = Epilogue { bias: Some(&bias), nonlinearity, residual: None };
            let mut y = vec![7.0; m * n];
            weight.apply(Activations::F32(&x), &epilogue, ActivationsMut::F32(&mut y), m);
            let mut want = oracle::epilogue(&sums, &epilogue, n);
            if gated {
                // Both factors may be off by all of their size.
                for (i, want) in want.iter_mut().enumerate() {
                    let row = &sums[i / n * rows..][..rows];
                    want.size += 1.5 * row[i % n].size * (row[n + i % n].size + 1.0);
                }
            }
            assert_near(&y, &want, OF_BYTES.or(1e-6), what);
            let weight = Int8Weight::linear(numbers, [rows, k]);
            let mut y = vec![7.0; m * rows];
            int8::linear(isa, &weight, &x, None, &mut y);
            assert_near(&y, &sums, OF_BYTES, what);
        });
    });
}

/// All of a picture this low shares one scale, so one number that is not finite makes all NaN.
#[test]
fn convolutions_in_bytes() {
    on_every_isa(|isa| {
        let sizes = (1..9_usize, 1..9_usize, 1..20_usize, 1..40_usize);
        let kinds = (0..KINDS.len(), 0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(100, (sizes, kinds), |((h, w, c, o), (of_x, of_w, seed))| {
            let s = Conv2dShape { n: 1, h, w, c, o, kernel: [3, 3], stride: 1, padding: [1; 4] };
            let x = KINDS[of_x].numbers(seed, h * w * c);
            let weight = KINDS[of_w].numbers(seed + 1, o * c * 9);
            let dy = vec![0.0; h * w * o];
            let [want, ..] = oracle::conv2d(Precision::F32, &s, [&x, &weight, &dy], None);
            // Any window of the picture has less than all of it; a kernel may see it whole.
            let of =
                |(i, sum): (usize, &Exact)| in_bytes(&x, &weight[i % o * c * 9..][..c * 9], *sum);
            let want: Vec<Exact> = want.iter().enumerate().map(of).collect();
            let what = format_args!("{isa:?} {s:?} {of_x} {of_w}");
            let numbers = Numbers::F32(&weight);
            let mut y = vec![7.0; dy.len()];
            int8::conv2d(isa, &Int8Weight::conv2d(numbers, [o, c, 3, 3]), &s, &x, None, &mut y);
            assert_near(&y, &want, OF_BYTES, what);
            y.fill(7.0);
            Weight::conv2d_int8(numbers, [o, c, 3, 3]).apply_conv2d(&s, &x, None, &mut y);
            assert_near(&y, &want, OF_BYTES, what);
        });
    });
}

/// With everything fused and weights of every form; Winograd's errors are relative to the largest
/// numbers.
#[test]
fn fused_convolutions() {
    on_every_isa(|isa| {
        let sizes = (1..6_usize, 1..6_usize, proptest::bool::ANY, proptest::bool::ANY);
        let kinds = (0..FINITE, -30..30_i32, 0..u64::from(u32::MAX));
        for_all(12, (sizes, kinds), |((h, w, many, upsample), (of_x, of_w, seed))| {
            let [c, o] = if many { [64, 65] } else { [5, 17] };
            let s = Conv2dShape { n: 1, h, w, c, o, kernel: [3, 3], stride: 1, padding: [1; 4] };
            let [low, narrow] = [h, w].map(|size| if upsample { size.div_ceil(2) } else { size });
            // What is huge after the activation leaves Winograd's sums nothing else to see.
            let x = KINDS[of_x].numbers(seed, low * narrow * c);
            let x: Vec<f32> = x.into_iter().map(|x| x.clamp(-1e3, 1e3)).collect();
            let numbers = |i: u64, len: usize| Kind::Plain.numbers(seed + i, len);
            let [mean, scale, shift] = [1, 2, 3].map(|i| numbers(i, c));
            let scaled = (of_w as f32).exp2();
            let weight: Vec<f32> = numbers(4, o * c * 9).into_iter().map(|w| w * scaled).collect();
            let (bias, per_picture, residual) =
                (numbers(5, o), numbers(6, o), numbers(7, h * w * o));
            let fusion = Fusion {
                activation: Some(Activation { mean: &mean, scale: &scale, shift: &shift }),
                upsample,
                bias: Some(&bias),
                per_picture: Some(&per_picture),
                residual: Some(&residual),
            };
            let seen: Vec<f32> = (0..h * w * c)
                .map(|i| {
                    let (row, column, e) = (i / c / w, i / c % w, i % c);
                    let halved = |at: usize| if upsample { at / 2 } else { at };
                    let x = x[(halved(row) * narrow + halved(column)) * c + e];
                    math::silu((x - mean[e]) * scale[e] + shift[e])
                })
                .collect();
            let dy = vec![0.0; residual.len()];
            let [mut want, ..] =
                oracle::conv2d(Precision::F32, &s, [&seen, &weight, &dy], Some(&bias));
            let size = largest(&seen) * largest(&weight) * (9 * c) as f64 + 3.0;
            for (i, y) in want.iter_mut().enumerate() {
                y.add(per_picture[i % o].into());
                y.add(residual[i].into());
                y.size = size;
            }
            let run = |what: &str, relative: f64, convolve: &dyn Fn(&mut [f32])| {
                let mut y = vec![f32::NAN; want.len()];
                convolve(&mut y);
                let tolerance = Tolerance { relative, absolute: 1e-37 };
                assert_near(&y, &want, tolerance, format_args!("{what} {isa:?} {s:?} {of_x}"));
            };
            let (n, shape) = (Numbers::F32(&weight), [o, c, 3, 3]);
            for (what, weight, relative) in [
                ("f32", Weight::conv2d(Precision::F32, n, shape), 1e-6),
                ("bf16", Weight::conv2d(Precision::Bf16, n, shape), 4e-3),
                ("same", Weight::conv2d_same(Precision::F32, n, shape), 2e-6),
                ("same bf16", Weight::conv2d_same(Precision::Bf16, n, shape), 2e-2),
                ("fine", Weight::conv2d_same_fine(Precision::Bf16, n, shape), 1e-2),
                ("bytes", Weight::conv2d_same_int8(n, shape), 2e-2),
            ] {
                run(what, relative, &|y| weight.apply_conv2d_fused(&s, &x, &fusion, y));
            }
            for (tile, relative) in [(Tile::F2, 1e-2), (Tile::F4x2, 2e-2), (Tile::F4, 2e-6)] {
                let weight = WinogradWeight::new(tile, &weight, o, c);
                run(tile.name(), relative, &|y| {
                    conv2d_winograd_fused(&weight, &s, &x, &fusion, y);
                });
            }
        });
    });
}
