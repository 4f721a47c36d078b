//! Against plain loops in f64, which also give the gradients by differences.

use super::*;
use crate::cpu::available;
use crate::testing::{
    assert_close, assert_gradient, assert_same_on_any_number_of_threads, random, wide,
};

/// Group normalisation in f64, one group after the other.
fn reference(s: &GroupNormShape, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut out = vec![f64::NAN; x.len()];
    let per_group = s.c / s.groups;
    for n in 0..s.n {
        for first in (0..s.c).step_by(per_group) {
            let places: Vec<usize> = (0..s.pixels)
                .flat_map(|p| (0..per_group).map(move |c| (n * s.pixels + p) * s.c + first + c))
                .collect();
            let count = places.len() as f64;
            let mean = places.iter().map(|&i| x[i]).sum::<f64>() / count;
            let variance = places.iter().map(|&i| (x[i] - mean).powi(2)).sum::<f64>() / count;
            for i in places {
                let c = i % s.c;
                let y = (x[i] - mean) / (variance + f64::from(s.eps)).sqrt() * weight[c] + bias[c];
                out[i] = if s.silu { y / (1.0 + (-y).exp()) } else { y };
            }
        }
    }
    out
}

/// Shapes with one block and several, wide rows and narrow, odd sizes, one channel a group.
fn shapes() -> Vec<GroupNormShape> {
    let sizes = [
        (2, 35, 6, 3),
        (1, 1, 8, 2),
        (3, 64, 32, 32),
        (2, 2500, 16, 8),
        (1, 301, 320, 32),
        (1, 3, 20_000, 4),
        (1, 17_000, 1, 1),
        (5, 7, 130, 1),
    ];
    let shape =
        |(n, pixels, c, groups), silu| GroupNormShape { n, pixels, c, groups, eps: 1e-5, silu };
    sizes.into_iter().flat_map(|size| [false, true].map(|silu| shape(size, silu))).collect()
}

struct Case {
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    dy: Vec<f32>,
}

fn case(s: &GroupNormShape) -> Case {
    let len = s.n * s.pixels * s.c;
    Case { x: random(1, len), weight: random(2, s.c), bias: random(3, s.c), dy: random(4, len) }
}

/// out, stats, dx, dweight, dbias on one instruction set.
fn run(isa: Isa, s: &GroupNormShape, case: &Case) -> [Vec<f32>; 5] {
    let nan = |len| vec![f32::NAN; len];
    let (mut out, mut stats) = (nan(case.x.len()), nan(2 * s.n * s.groups));
    let (mut dx, mut dweight, mut dbias) = (nan(case.x.len()), nan(s.c), nan(s.c));
    group_norm_on(isa, s, &case.x, &case.weight, &case.bias, &mut out, &mut stats);
    grad::group_norm_grad_on(
        isa,
        s,
        &case.x,
        &case.weight,
        &case.bias,
        &stats,
        &case.dy,
        &mut dx,
        &mut dweight,
        &mut dbias,
    );
    [out, stats, dx, dweight, dbias]
}

#[test]
fn result_equals_the_reference() {
    for s in shapes() {
        let case = case(&s);
        let [out, ..] = run(isa(), &s, &case);
        let want = reference(&s, &wide(&case.x), &wide(&case.weight), &wide(&case.bias));
        assert_close(&out, &want, 2e-6);
    }
}

#[test]
fn gradients_equal_differences_of_the_reference() {
    for s in shapes().into_iter().filter(|s| s.n * s.pixels * s.c < 3000) {
        let case = case(&s);
        let [_, _, dx, dweight, dbias] = run(isa(), &s, &case);
        let (x, weight, bias) = (wide(&case.x), wide(&case.weight), wide(&case.bias));
        let objective = |x: &[f64], weight: &[f64], bias: &[f64]| -> f64 {
            let out = reference(&s, x, weight, bias);
            out.iter().zip(&case.dy).map(|(out, &dy)| out * f64::from(dy)).sum()
        };
        // A group of few elements is steep, so that differences are less exact there.
        let tolerance = if s.pixels == 1 { 1e-3 } else { 1e-4 };
        assert_gradient(&x, &dx, tolerance, |x| objective(x, &weight, &bias));
        assert_gradient(&weight, &dweight, 1e-5, |weight| objective(&x, weight, &bias));
        assert_gradient(&bias, &dbias, 1e-5, |bias| objective(&x, &weight, bias));
    }
}

/// Large shapes are too slow for differences: the closed form in f64 instead.
#[test]
fn gradients_of_many_blocks_equal_the_closed_form() {
    let s = GroupNormShape { n: 2, pixels: 2500, c: 16, groups: 8, eps: 1e-5, silu: false };
    let case = case(&s);
    let [_, _, dx, dweight, dbias] = run(isa(), &s, &case);
    let hat = reference(&s, &wide(&case.x), &[1.0; 16], &[0.0; 16]);
    let (mut want_weight, mut want_bias) = (vec![0.0; 16], vec![0.0; 16]);
    let (mut sum, mut sum_hat) = (vec![0.0; 16], vec![0.0; 16]);
    for (i, &dy) in case.dy.iter().enumerate() {
        let (dy, group) = (f64::from(dy), i / (2500 * 16) * 8 + i % 16 / 2);
        want_weight[i % 16] += dy * hat[i];
        want_bias[i % 16] += dy;
        sum[group] += dy * f64::from(case.weight[i % 16]) / 5000.0;
        sum_hat[group] += dy * f64::from(case.weight[i % 16]) * hat[i] / 5000.0;
    }
    assert_close(&dweight, &want_weight, 1e-5);
    assert_close(&dbias, &want_bias, 1e-5);
    let want: Vec<f64> = (0..dx.len())
        .map(|i| {
            let group = i / (2500 * 16) * 8 + i % 16 / 2;
            // 1 / deviation is not among the reference's results: it is d x̂ / d x.
            let first = i - i % 16 + i % 16 / 2 * 2;
            let rstd = (hat[first + 1] - hat[first]) / f64::from(case.x[first + 1] - case.x[first]);
            let d = f64::from(case.dy[i]) * f64::from(case.weight[i % 16]);
            rstd * (d - sum[group] - hat[i] * sum_hat[group])
        })
        .collect();
    assert_close(&dx, &want, 1e-5);
}

#[test]
fn a_mean_of_a_thousand_deviations_does_no_harm() {
    let mut s = GroupNormShape { n: 2, pixels: 4000, c: 16, groups: 4, eps: 1e-5, silu: false };
    let mut case = case(&s);
    case.x.iter_mut().for_each(|x| *x = 1000.0 + 1.7 * *x);
    for silu in [false, true] {
        s.silu = silu;
        let [out, ..] = run(isa(), &s, &case);
        let want = reference(&s, &wide(&case.x), &wide(&case.weight), &wide(&case.bias));
        assert_close(&out, &want, 2e-6);
    }
}

#[test]
fn equal_elements_become_the_bias() {
    let s = GroupNormShape { n: 1, pixels: 50, c: 4, groups: 2, eps: 1e-5, silu: false };
    let case =
        Case { x: vec![3.25e7; 200], bias: vec![0.5; 4], weight: vec![2.0; 4], dy: vec![1.0; 200] };
    let [out, stats, dx, ..] = run(isa(), &s, &case);
    assert_eq!(out, [0.5; 200]);
    assert_eq!(stats[0], 3.25e7);
    assert!(dx.iter().all(|d| d.abs() < 1e-3), "{dx:?}");
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    for s in shapes() {
        let case = case(&s);
        let want = run(Isa::Portable, &s, &case);
        assert!(available().all(|isa| run(isa, &s, &case) == want), "{s:?}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for s in shapes().into_iter().filter(|s| s.pixels > 300) {
        let case = case(&s);
        assert_same_on_any_number_of_threads(|| run(isa(), &s, &case).concat());
    }
}

#[test]
#[should_panic(expected = "3 groups of 8 channels")]
fn groups_that_do_not_divide_are_refused() {
    let s = GroupNormShape { n: 1, pixels: 1, c: 8, groups: 3, eps: 1e-5, silu: false };
    group_norm(&s, &[0.0; 8], &[0.0; 8], &[0.0; 8], &mut [0.0; 8], &mut [0.0; 6]);
}
