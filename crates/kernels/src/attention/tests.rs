//! Against plain loops in f64, which also give the gradients by differences.

use super::*;
use crate::bf16;
use crate::cpu::{Isa, available, isa};
use crate::scratch::{as_words, as_words_mut};
use crate::testing::{
    assert_close, assert_gradient, assert_same_on_any_number_of_threads, random, wide,
};
use crate::{Activations, ActivationsMut, Precision, has_pairs};

/// Attention in f64, one query after the other.
fn reference(s: &AttentionShape, scale: f64, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
    let (d, width) = (s.d, s.heads * s.d);
    let mut out = vec![0.0; q.len()];
    for (i, out) in out.chunks_exact_mut(d).enumerate() {
        let (token, head) = (i / s.heads, i % s.heads);
        let (sequence, query) = (token / s.tq, token % s.tq);
        let keys = if s.causal { s.tk.min(query + 1) } else { s.tk };
        let of_key =
            |x: &[f64], j: usize, e: usize| x[(sequence * s.tk + j) * width + head * d + e];
        let weights: Vec<f64> = (0..keys)
            .map(|j| (0..d).map(|e| q[i * d + e] * of_key(k, j, e)).sum::<f64>() * scale)
            .collect();
        let max = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = weights.iter().map(|w| (w - max).exp()).sum();
        for (j, w) in weights.iter().enumerate() {
            for e in 0..d {
                out[e] += (w - max).exp() / total * of_key(v, j, e);
            }
        }
    }
    out
}

/// One block of queries and several, odd sizes, cross-attention, one key, causal.
fn shapes() -> Vec<AttentionShape> {
    let sizes = [
        (1, 1, 1, 1, 1),
        (2, 3, 5, 7, 4),
        (2, 2, 17, 1, 3),
        (1, 2, 70, 77, 20),
        (2, 2, 19, 130, 5),
        (1, 1, 130, 130, 9),
        (2, 4, 16, 16, 32),
    ];
    let shape =
        |(batch, heads, tq, tk, d), causal| AttentionShape { batch, heads, tq, tk, d, causal };
    sizes.into_iter().flat_map(|size| [false, true].map(|causal| shape(size, causal))).collect()
}

struct Case {
    scale: f32,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    dout: Vec<f32>,
}

fn case(s: &AttentionShape) -> Case {
    let (q, k) = (s.batch * s.tq * s.heads * s.d, s.batch * s.tk * s.heads * s.d);
    // A scale larger than usual makes the probabilities differ.
    let scale = 3.0 / (s.d as f32).sqrt();
    Case { scale, q: random(1, q), k: random(2, k), v: random(3, k), dout: random(4, q) }
}

/// out, dq, dk, dv.
fn run(s: &AttentionShape, c: &Case) -> [Vec<f32>; 4] {
    let nan = |len| vec![f32::NAN; len];
    let (mut out, mut dq) = (nan(c.q.len()), nan(c.q.len()));
    let (mut dk, mut dv) = (nan(c.k.len()), nan(c.k.len()));
    attention(Precision::F32, s, c.scale, &c.q, &c.k, &c.v, &mut out);
    attention_grad(s, c.scale, &c.q, &c.k, &c.v, &out, &c.dout, &mut dq, &mut dk, &mut dv);
    [out, dq, dk, dv]
}

#[test]
fn result_and_gradients_equal_the_reference() {
    for s in shapes() {
        let c = case(&s);
        let [out, dq, dk, dv] = run(&s, &c);
        let (scale, q, k, v) = (f64::from(c.scale), wide(&c.q), wide(&c.k), wide(&c.v));
        assert_close(&out, &reference(&s, scale, &q, &k, &v), 2e-6);
        let objective = |q: &[f64], k: &[f64], v: &[f64]| -> f64 {
            let out = reference(&s, scale, q, k, v);
            out.iter().zip(&c.dout).map(|(out, &dout)| out * f64::from(dout)).sum()
        };
        assert_gradient(&q, &dq, 1e-5, |q| objective(q, &k, &v));
        assert_gradient(&k, &dk, 1e-5, |k| objective(&q, k, &v));
        assert_gradient(&v, &dv, 1e-5, |v| objective(&q, &k, v));
    }
}

/// Odd numbers of queries, keys and elements, one and several blocks of each, and what the networks
/// have: heads of 40, 64, 80, 160 and 512 elements, a prompt of 77 words.
fn forward_shapes() -> Vec<AttentionShape> {
    let sizes = [
        (1, 1, 1, 300, 5),
        (1, 2, 3, 1, 1),
        (2, 1, 33, 3, 64),
        (2, 3, 129, 77, 40),
        (1, 2, 50, 129, 80),
        (1, 1, 77, 77, 160),
        (1, 1, 40, 200, 512),
        (1, 1, 300, 501, 41),
    ];
    let shape =
        |(batch, heads, tq, tk, d), causal| AttentionShape { batch, heads, tq, tk, d, causal };
    let more = sizes.into_iter().flat_map(|size| [false, true].map(|causal| shape(size, causal)));
    shapes().into_iter().chain(more).collect()
}

/// The result of one variant.
fn forward(isa: Isa, precision: Precision, s: &AttentionShape, c: &Case) -> Vec<f32> {
    let mut out = vec![f32::NAN; c.q.len()];
    let qkv = [&c.q, &c.k, &c.v].map(|x| Activations::F32(x));
    forward::with_isa(isa, precision, false, s, c.scale, qkv, ActivationsMut::F32(&mut out));
    out
}

/// Rounding what goes into a product anyway does not change it.
#[test]
fn rounded_activations_give_the_same_bits() {
    if !has_pairs(Precision::Bf16) {
        return;
    }
    let pairs = |x: &[f32]| {
        let mut out = vec![f32::NAN; x.len() / 2];
        bf16::pack(isa(), x, as_words_mut(&mut out));
        out
    };
    for s in forward_shapes().into_iter().filter(|s| s.d % 2 == 0) {
        let c = case(&s);
        let expected = forward(isa(), Precision::Bf16, &s, &c);
        let rounded = [&c.q, &c.k, &c.v].map(|x| pairs(x));
        for (i, bits) in [7, 1, 6].into_iter().enumerate() {
            let qkv = std::array::from_fn(|i| match (bits >> i & 1, [&c.q, &c.k, &c.v][i]) {
                (0, x) => Activations::F32(x),
                _ => Activations::Bf16(&rounded[i]),
            });
            let (mut out, mut narrow) = (vec![7.0; c.q.len()], vec![7.0; c.q.len() / 2]);
            attention_with(Precision::Bf16, &s, c.scale, qkv, ActivationsMut::F32(&mut out));
            assert!(out == expected, "{s:?} {i}");
            attention_with(Precision::Bf16, &s, c.scale, qkv, ActivationsMut::Bf16(&mut narrow));
            assert!(as_words(&narrow) == as_words(&pairs(&expected)), "{s:?} {i}");
        }
    }
}

/// Every variant against the reference, which in bf16 gets rounded operands.
fn assert_forward(s: &AttentionShape, c: &Case, tolerance: f64) {
    for precision in [Precision::F32, Precision::Bf16] {
        let [q, k, v] = [&c.q, &c.k, &c.v].map(|x| {
            let mut x = x.clone();
            if precision == Precision::Bf16 {
                bf16::round_in_place(&mut x);
            }
            wide(&x)
        });
        let expected = reference(s, f64::from(c.scale), &q, &k, &v);
        // Probabilities are rounded too: each by at most 2⁻⁹ of itself, and values are at most 1.
        let tolerance = if precision == Precision::Bf16 { 2.2e-3 } else { tolerance };
        for isa in available() {
            assert_close(&forward(isa, precision, s, c), &expected, tolerance);
        }
    }
}

#[test]
fn every_variant_equals_the_reference() {
    for s in forward_shapes() {
        assert_forward(&s, &case(&s), 1e-6);
    }
}

#[test]
fn scores_may_grow_shrink_and_be_huge() {
    let s = AttentionShape { batch: 1, heads: 1, tq: 40, tk: 700, d: 40, causal: false };
    for (step, tolerance) in
        [(0.07, 1e-5), (-0.07, 1e-5), (16.0, 1e-4), (-16.0, 1e-4), (4096.0, 1e-6), (1e30, 1e-6)]
    {
        // Some queries see scores that fall by `step` every fourth key, others ones that grow. A
        // score is as exact as an f32 of its size, and so, relatively, are the probabilities.
        let mut c = case(&s);
        c.scale = 1.0;
        for (i, q) in c.q.chunks_mut(s.d).enumerate() {
            q.fill(0.0);
            q[0] = if i % 3 == 0 { -1.0 } else { 1.0 };
            q[1] = 1.0;
        }
        for (j, k) in c.k.chunks_mut(s.d).enumerate() {
            // Numbers that bf16 represents and whose scores differ enough.
            k[0] = (j / 4) as f32 * step;
            k[1] = if step.abs() < 1.0 { k[1] } else { (j % 4) as f32 * step.abs() / 8.0 };
        }
        assert_forward(&s, &c, tolerance);
    }
}

#[test]
fn not_a_number_stays_one_and_stays_where_it_is() {
    let s = AttentionShape { batch: 1, heads: 2, tq: 70, tk: 300, d: 9, causal: false };
    for precision in [Precision::F32, Precision::Bf16] {
        for isa in available() {
            let nan_at = |spoil: &dyn Fn(&mut Case)| -> Vec<bool> {
                let mut c = case(&s);
                spoil(&mut c);
                forward(isa, precision, &s, &c).into_iter().map(f32::is_nan).collect()
            };
            let expect = |nan: &dyn Fn(usize, usize, usize) -> bool| -> Vec<bool> {
                (0..70 * 18).map(|i| nan(i / 18, i / 9 % 2, i % 9)).collect()
            };
            assert!(nan_at(&|_| ()) == expect(&|_, _, _| false));
            let query = nan_at(&|c| c.q[33 * 18 + 4] = f32::NAN);
            assert!(query == expect(&|query, head, _| query == 33 && head == 0), "{isa:?}");
            let key = nan_at(&|c| c.k[299 * 18 + 9] = f32::NAN);
            assert!(key == expect(&|_, head, _| head == 1), "{isa:?}");
            let value = nan_at(&|c| c.v[202 * 18 + 10] = f32::NAN);
            assert!(value == expect(&|_, head, e| head == 1 && e == 1), "{isa:?}");
        }
    }
}

#[test]
fn large_scores_do_not_overflow() {
    let s = AttentionShape { batch: 1, heads: 1, tq: 2, tk: 3, d: 1, causal: false };
    let (q, k, v) = ([1.0, -1.0], [3e37, 2e37, -3e37], [1.0, 2.0, 3.0]);
    let mut out = [f32::NAN; 2];
    attention(Precision::F32, &s, 1.0, &q, &k, &v, &mut out);
    assert_eq!(out, [1.0, 3.0]);
}

#[test]
fn later_keys_do_not_reach_a_causal_query() {
    let s = AttentionShape { batch: 1, heads: 2, tq: 77, tk: 77, d: 8, causal: true };
    let mut c = case(&s);
    let [before, ..] = run(&s, &c);
    let token_40 = 40 * 16;
    c.k[token_40..].iter_mut().for_each(|k| *k *= -5.0);
    c.v[token_40..].iter_mut().for_each(|v| *v += 7.0);
    let [after, ..] = run(&s, &c);
    assert_eq!(before[..token_40], after[..token_40]);
    assert_ne!(before[token_40..], after[token_40..]);
}

#[test]
fn no_query_gives_keys_no_gradient() {
    let s = AttentionShape { batch: 2, heads: 1, tq: 0, tk: 2, d: 2, causal: false };
    let [out, dq, dk, dv] = run(&s, &case(&s));
    assert!(out.is_empty() && dq.is_empty());
    assert_eq!([dk, dv], [[0.0; 8], [0.0; 8]]);
}

#[test]
fn every_instruction_set_gives_the_same_rows() {
    for n in [1, 33, 1000] {
        let run = |isa| {
            let (mut p, mut dp) = (random(5, n), random(6, n));
            let total = softmax::exponentials(isa, &mut p);
            softmax::score_grad(isa, &mut p, 1.0 / total, &mut dp, 0.25);
            let dot = softmax::row_dot(isa, &p, &dp);
            let mut scores = random(7, 32 * n);
            let mut running = online::Running::START;
            let (first, second) = scores.split_at_mut(n.div_ceil(2) * 32);
            online::advance(isa, first, 32, &mut running);
            second.iter_mut().for_each(|x| *x += 100.0);
            if !second.is_empty() {
                assert!(online::advance(isa, second, 32, &mut running));
                online::scale(isa, first, 32, &running.factor);
            }
            (p, dp, total, dot, scores, running.sum, running.max)
        };
        assert!(available().all(|isa| run(isa) == run(Isa::Portable)));
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for s in shapes() {
        let c = case(&s);
        assert_same_on_any_number_of_threads(|| run(&s, &c).concat());
    }
    for s in forward_shapes() {
        let c = case(&s);
        assert_same_on_any_number_of_threads(|| forward(isa(), Precision::Bf16, &s, &c));
        assert_same_on_any_number_of_threads(|| forward(isa(), Precision::F32, &s, &c));
    }
}

#[test]
#[should_panic(expected = "queries [2, 2] and keys [3, 4]")]
fn lengths_that_differ_are_refused() {
    let s = AttentionShape { batch: 1, heads: 1, tq: 2, tk: 3, d: 1, causal: false };
    attention(Precision::F32, &s, 1.0, &[0.0; 2], &[0.0; 3], &[0.0; 4], &mut [0.0; 2]);
}
