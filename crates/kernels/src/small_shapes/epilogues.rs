//! Linear layers with what follows them in one pass, with weights of every kind, from and to
//! rounded activations too.

use super::{everywhere, pairs, sizes};
use crate::oracle::{self, Exact, Tolerance, assert_near, operand};
use crate::{
    Activations, ActivationsMut, Epilogue, Nonlinearity, Numbers, Precision, Weight, has_pairs,
    widen,
};

const NONLINEARITIES: [Nonlinearity; 5] = [
    Nonlinearity::None,
    Nonlinearity::Silu,
    Nonlinearity::Gelu,
    Nonlinearity::QuickGelu,
    Nonlinearity::Geglu,
];

/// Rows, inputs and results.
fn shapes() -> Vec<[usize; 3]> {
    let rows: &[usize] = if cfg!(miri) { &[1, 4] } else { &[1, 2, 3, 6, 7, 14, 15] };
    let sides = pairs(rows, &sizes(20, &[31, 32, 33, 64, 66])).into_iter();
    let depths = |m: usize, n: usize| if (m + n).is_multiple_of(2) { [5, 17] } else { [1, 8] };
    sides.flat_map(|[m, n]| depths(m, n).map(|k| [m, k, n])).chain([[2, 0, 3]]).collect()
}

/// What the products of a weight are formed in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    In(Precision),
    Int8,
}

fn prepared(form: Form, gated: bool, w: &[f32], shape: [usize; 2]) -> Weight {
    let w = Numbers::F32(w);
    match (form, gated) {
        (Form::In(precision), false) => Weight::linear(precision, w, shape),
        (Form::In(precision), true) => Weight::geglu(precision, w, shape),
        (Form::Int8, false) => Weight::linear_int8(w, shape),
        (Form::Int8, true) => Weight::geglu_int8(w, shape),
    }
}

#[test]
fn what_follows_a_linear_layer() {
    everywhere(|place| {
        for (i, shape @ [m, k, n]) in shapes().into_iter().enumerate() {
            let forms = [Form::In(Precision::F32), Form::In(Precision::Bf16), Form::Int8];
            let all = NONLINEARITIES.into_iter().flat_map(|f| forms.map(|form| (f, form)));
            // Miri sees every activation and form, if not with every size.
            let (first, step) = if cfg!(miri) { (i % 4, 4) } else { (0, 1) };
            for (nonlinearity, form) in all.skip(first).step_by(step) {
                let gated = nonlinearity == Nonlinearity::Geglu;
                let rows = if gated { 2 * n } else { n };
                let (x, w) = (place.input(1, m * k), place.input(2, rows * k));
                let (bias, residual) = (place.input(3, rows), place.input(4, m * n));
                let epilogue = Epilogue {
                    bias: (i % 5 > 0).then_some(&bias),
                    nonlinearity,
                    residual: (i % 3 > 0).then_some(&residual),
                };
                let rounded = form == Form::In(Precision::Bf16);
                let [wide_x, wide_w] = [&*x, &*w].map(|x| operand(x, rounded));
                let mut sums = oracle::product(
                    [m, k, rows],
                    |i, l| wide_x[i * k + l],
                    |l, j| wide_w[j * k + l],
                    None,
                );
                let mut tolerance = Tolerance::of_sum(k).times(2.0).or(1e-6);
                if form == Form::Int8 {
                    // Half a step of x, of a range of 2, half of one of w, of 127, and what
                    // rounding x before takes.
                    sums.iter_mut().for_each(|sum| *sum = Exact::of_size(sum.value, k as f64));
                    tolerance.relative += 1.0 / 255.0 + 1.0 / 254.0 + 2e-3;
                }
                let want = oracle::epilogue(&sums, &epilogue, n);
                let weight = prepared(form, gated, &w, [rows, k]);
                let what = format_args!("{place:?} {shape:?} {form:?} {nonlinearity:?}");
                let apply =
                    |x: Activations, out: ActivationsMut| weight.apply(x, &epilogue, out, m);

                let mut y = place.output(m * n);
                apply(Activations::F32(&x), ActivationsMut::F32(&mut y));
                assert_near(&y, &want, tolerance, what);
                if weight.reads_pairs() {
                    let x = place.pairs(&x, k);
                    y.fill(f32::NAN);
                    apply(Activations::Bf16(&x), ActivationsMut::F32(&mut y));
                    assert_near(&y, &want, tolerance, format_args!("rounded x: {what}"));
                }
                if has_pairs(Precision::Bf16) {
                    let mut pairs = place.output(m * n.div_ceil(2));
                    apply(Activations::F32(&x), ActivationsMut::Bf16(&mut pairs));
                    widen(&pairs, n, &mut y);
                    // GELU is computed no more exactly than that shows.
                    let absolute = if gated { 2e-4 * (k as f64 + 1.0) } else { 0.0 };
                    let relative = tolerance.relative + 4e-3;
                    let tolerance = Tolerance { relative, ..tolerance }.or(absolute);
                    assert_near(&y, &want, tolerance, format_args!("rounded: {what}"));
                    let ends = pairs.chunks(n.div_ceil(2)).map(|row| row[n / 2 - (n + 1) % 2]);
                    let zero = |end: f32| n % 2 == 0 || end.to_bits() >> 16 == 0;
                    assert!(ends.into_iter().all(zero), "what no number is: {what}");
                }
            }
        }
    });
}
