//! Attention: no size of the scores makes softmax overflow.

use super::{FINITE, KINDS, Kind, for_all};
use crate::Precision;
use crate::attention::{AttentionShape, attention, attention_grad, attention_int8, attention_with};
use crate::oracle::{self, Tolerance, assert_near};
use crate::testing::on_every_isa;
use crate::{Activations, ActivationsMut};

/// Each result is a mean of values, so it lies among them, however large the scores are.
#[test]
fn results_lie_among_the_values() {
    on_every_isa(|isa| {
        let sizes = (1..40_usize, 1..60_usize, 1..24_usize, proptest::bool::ANY);
        let kinds = (0..FINITE, 0..FINITE, -20..20_i32, 0..u64::from(u32::MAX));
        for_all(120, (sizes, kinds), |((tq, tk, d, causal), (of_q, of_k, scale, seed))| {
            let s = AttentionShape { batch: 1, heads: 2, tq, tk, d, causal };
            let (of_q, of_k) = (KINDS[of_q], KINDS[of_k]);
            let q = of_q.numbers(seed, tq * 2 * d);
            let k = of_k.numbers(seed + 1, tk * 2 * d);
            let v = Kind::Plain.numbers(seed + 2, tk * 2 * d);
            // The huge times the huge is as large as a score can be.
            let scale = (scale as f32).exp2().min(if d > 1 { 1.0 } else { 8.0 });
            let qkv = [&q, &k, &v].map(|x| Activations::F32(x));
            for (precision, bytes) in
                [(Precision::F32, false), (Precision::Bf16, false), (Precision::Bf16, true)]
            {
                let mut out = vec![f32::NAN; q.len()];
                let to = ActivationsMut::F32(&mut out);
                if bytes {
                    attention_int8(&s, scale, qkv, to);
                } else {
                    attention_with(precision, &s, scale, qkv, to);
                }
                for (i, &y) in out.iter().enumerate() {
                    let (query, column) = (i / (2 * d), i % (2 * d));
                    let seen = if causal { tk.min(query + 1) } else { tk };
                    let values = (0..seen).map(|key| v[key * 2 * d + column]);
                    let (low, high) = values
                        .fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
                    let slack = if precision == Precision::Bf16 { 8e-3 } else { 1e-5 };
                    assert!(
                        y >= low - slack && y <= high + slack,
                        "{isa:?} {precision:?} {bytes} {s:?} {of_q:?} {of_k:?} {scale}: {y} not in \
                         {low}..{high}"
                    );
                }
            }
        });
    });
}

#[test]
fn results_and_gradients_are_near_those_in_f64() {
    on_every_isa(|isa| {
        let sizes = (1..30_usize, 1..40_usize, 1..24_usize, proptest::bool::ANY);
        // Scores of about 1, or all nearly 0, or spread over several hundred.
        for_all(
            60,
            (sizes, 0..3_usize, 0..u64::from(u32::MAX)),
            |((tq, tk, d, causal), at, seed)| {
                let s = AttentionShape { batch: 1, heads: 2, tq, tk, d, causal };
                let scale = [1.0, 1e-42, 200.0][at] / (d as f32).sqrt();
                let numbers = |i: u64, tokens: usize| Kind::Plain.numbers(seed + i, tokens * 2 * d);
                let (q, k, v, dout) =
                    (numbers(0, tq), numbers(1, tk), numbers(2, tk), numbers(3, tq));
                let want = oracle::attention(Precision::F32, &s, scale, [&q, &k, &v, &dout]);
                let mut out = vec![f32::NAN; q.len()];
                attention(Precision::F32, &s, scale, &q, &k, &v, &mut out);
                let [mut dq, mut dk, mut dv] = [&q, &k, &k].map(|x| vec![f32::NAN; x.len()]);
                attention_grad(&s, scale, &q, &k, &v, &out, &dout, &mut dq, &mut dk, &mut dv);
                let tolerance =
                    Tolerance::of_sum(d + tk).times(4.0).or(1e-6 * (1.0 + f64::from(scale)));
                for (got, want) in [out, dq, dk, dv].iter().zip(&want) {
                    assert_near(got, want, tolerance, format_args!("{isa:?} {s:?} {scale}"));
                }
            },
        );
    });
}

/// A query or key that is not finite gives scores of which exp(∞ - ∞) makes NaN, as in f64; it
/// reaches nothing else.
#[test]
fn what_is_not_finite_is_nan_where_it_is_in_f64() {
    on_every_isa(|isa| {
        let sizes = (1..30_usize, 1..40_usize, 1..12_usize);
        let kinds = (0..3_usize, proptest::bool::ANY, 0..u64::from(u32::MAX));
        for_all(100, (sizes, kinds), |((tq, tk, d), (which, infinite, seed))| {
            let s = AttentionShape { batch: 1, heads: 2, tq, tk, d, causal: false };
            let kind = |i| match (i == which, infinite) {
                (false, _) => Kind::Plain,
                (true, false) => Kind::Nan,
                (true, true) => Kind::Infinite,
            };
            let numbers =
                |i: usize, tokens: usize| kind(i).numbers(seed + i as u64, tokens * 2 * d);
            let (q, k, v) = (numbers(0, tq), numbers(1, tk), numbers(2, tk));
            let dout = vec![0.0; q.len()];
            for precision in [Precision::F32, Precision::Bf16] {
                let [want, ..] = oracle::attention(precision, &s, 1.0, [&q, &k, &v, &dout]);
                let mut out = vec![f32::NAN; q.len()];
                attention(precision, &s, 1.0, &q, &k, &v, &mut out);
                for (i, (got, want)) in out.iter().zip(want).enumerate() {
                    let what = format_args!("{isa:?} {precision:?} {s:?} {which} {infinite} {i}");
                    assert_eq!(got.is_finite(), want.value.is_finite(), "{what}: {got} {want:?}");
                    assert_eq!(got.is_nan(), want.value.is_nan(), "{what}: {got} {want:?}");
                }
            }
            // In bytes the infinite has no scale either.
            let bad = |x: &[f32], token: usize, head: usize| {
                x[(2 * token + head) * d..][..d].iter().any(|x| !x.is_finite())
            };
            let qkv = [&q, &k, &v].map(|x| Activations::F32(x));
            let mut out = vec![7.0; q.len()];
            attention_int8(&s, 1.0, qkv, ActivationsMut::F32(&mut out));
            for (i, got) in out.iter().enumerate() {
                let (query, head, e) = (i / d / 2, i / d % 2, i % d);
                let value = |key: usize| v[(2 * key + head) * d + e];
                let reached = bad(&q, query, head)
                    || (0..tk).any(|key| bad(&k, key, head) || !value(key).is_finite());
                let what = format_args!("{isa:?} in bytes, {s:?} {which} {infinite} {i}");
                // Of a query and key in bf16 the infinite may be the key that nothing looks at.
                assert!(reached || got.is_finite(), "{what}: {got}");
                assert!(infinite || !reached || got.is_nan(), "{what}: {got}");
            }
        });
    });
}
