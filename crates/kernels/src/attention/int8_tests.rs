//! Attention whose scores are products of bytes, against that in f32, which has tests of its own.

use super::keys::KeyBlocks;
use super::*;
use crate::testing::{assert_same_on_any_number_of_threads, random};
use crate::{Activations, ActivationsMut, bf16, cpu, has_pairs, scratch};

fn shape(batch: usize, heads: usize, [tq, tk]: [usize; 2], d: usize) -> AttentionShape {
    AttentionShape { batch, heads, tq, tk, d, causal: false }
}

fn numbers(s: &AttentionShape, seed: u64) -> [Vec<f32>; 3] {
    let (q, k) = (s.batch * s.tq * s.width(), s.batch * s.tk * s.width());
    [random(seed, q), random(seed + 1, k), random(seed + 2, k)]
}

fn int8(s: &AttentionShape, scale: f32, [q, k, v]: [&[f32]; 3]) -> Vec<f32> {
    let mut out = vec![f32::NAN; q.len()];
    attention_int8(s, scale, [q, k, v].map(Activations::F32), ActivationsMut::F32(&mut out));
    out
}

/// The largest difference to the result in f32.
fn error(s: &AttentionShape, scale: f32, [q, k, v]: [&[f32]; 3]) -> f32 {
    let mut exact = vec![f32::NAN; q.len()];
    attention(Precision::F32, s, scale, q, k, v, &mut exact);
    let out = int8(s, scale, [q, k, v]);
    out.iter().zip(&exact).fold(0.0, |most, (a, b)| {
        assert!(a.is_finite(), "{s:?}: {a}, not {b}");
        f32::max(most, (a - b).abs())
    })
}

#[test]
fn scores_are_off_by_a_hundredth() {
    for [tq, tk] in [[1, 1], [5, 9], [33, 10], [70, 77], [129, 300]] {
        for d in [1, 3, 4, 8, 40, 41, 64, 160] {
            let s = shape(2, 2, [tq, tk], d);
            let [q, k, v] = numbers(&s, d as u64);
            // Scores of about 1, of numbers within ±1.
            let error = error(&s, 3.0 / (d as f32).sqrt(), [&q, &k, &v]);
            assert!(error < 0.03, "{s:?}: {error}");
        }
    }
}

/// One key that gets as much as all others together takes nothing away from them.
#[test]
fn a_flat_tail_beside_one_sink_is_not_lost() {
    let s = shape(1, 1, [40, 4096], 40);
    for (sink, weight) in [(0, 4095.0f32), (2000, 1000.0), (4095, 1000.0)] {
        let (mut q, mut k) = (vec![0.0; 40 * 40], vec![0.0; 4096 * 40]);
        q.chunks_mut(40).for_each(|q| q[0] = 1.0);
        k[sink * 40] = weight.ln();
        // The tail has 1, the sink -1.
        let mut v = vec![1.0; 4096 * 40];
        v[sink * 40..][..40].fill(-1.0);
        let error = error(&s, 1.0, [&q, &k, &v]);
        assert!(error < 0.02, "sink at {sink}: {error}");
    }
}

#[test]
fn what_all_keys_have_in_common_does_not_matter() {
    let s = shape(1, 2, [40, 130], 40);
    let [q, mut k, v] = numbers(&s, 7);
    k.iter_mut().enumerate().for_each(|(i, k)| *k += if i % 40 == 3 { 60.0 } else { 0.0 });
    let error = error(&s, 0.3, [&q, &k, &v]);
    assert!(error < 0.03, "{error}");
}

/// A peak takes levels away only from the keys near it, and what is lost there is rounded as often
/// up as down.
#[test]
fn many_peaks_leave_the_tail_its_share() {
    let s = shape(1, 1, [40, 4096], 40);
    let (mut q, mut k) = (vec![0.0; 40 * 40], vec![0.0; 4096 * 40]);
    q.chunks_mut(40).for_each(|q| q[0] = 1.0);
    let bumps = random(2, 4096);
    for (i, (k, bump)) in k.chunks_mut(40).zip(bumps).enumerate() {
        k[0] = if i % 97 == 0 { 5.0 } else { 0.8 * bump };
    }
    // The tail has 1, peaks -1.
    let v: Vec<f32> = (0..4096 * 40).map(|i| if i / 40 % 97 == 0 { -1.0 } else { 1.0 }).collect();
    let error = error(&s, 1.0, [&q, &k, &v]);
    assert!(error < 0.02, "{error}");
}

#[test]
fn what_all_values_have_in_common_comes_back() {
    let s = shape(1, 2, [40, 130], 40);
    let [q, k, mut v] = numbers(&s, 7);
    v.iter_mut().enumerate().for_each(|(i, v)| *v += if i % 40 == 3 { 60.0 } else { 0.0 });
    // Where there are no products of bytes, it is attention in bf16, which rounds sums of 60.
    let bytes = KeyBlocks::new(cpu::isa(), Precision::Bf16, true, &s, 0.3).bytes;
    let error = error(&s, 0.3, [&q, &k, &v]);
    assert!(error < if bytes { 0.03 } else { 60.0 / 512.0 }, "{error}");
    // And nothing else does: equal values are exact, however many keys there are.
    for tk in [1, 7, 8, 9, 64, 65, 130] {
        let s = shape(1, 1, [3, tk], 5);
        let [q, k, _] = numbers(&s, 8);
        let v = [1.5, -2.0, 0.0, 3e30, 1e-30].repeat(tk);
        let out = int8(&s, 1.0, [&q, &k, &v]);
        let off = if bytes { 0.0 } else { 1.0 / 256.0 };
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= off * b.abs();
        assert!(out.chunks(5).all(|row| row.iter().zip(&v).all(close)), "{tk}: {out:?}");
    }
}

#[test]
fn scores_may_grow_shrink_and_be_huge() {
    let s = shape(1, 1, [40, 700], 40);
    for step in [0.07, -0.07, 16.0, -16.0, 1e10] {
        let [mut q, mut k, v] = numbers(&s, 3);
        q.chunks_mut(40).enumerate().for_each(|(i, q)| {
            q.fill(0.0);
            q[0] = if i % 3 == 0 { -1.0 } else { 1.0 };
        });
        k.chunks_mut(40).enumerate().for_each(|(i, k)| k[0] = i as f32 * step);
        // Steps of bytes are a part of the tile's largest score, so only means of values remain.
        let out = int8(&s, 1.0, [&q, &k, &v]);
        assert!(out.iter().all(|y| y.abs() <= 1.01), "{step}");
    }
}

#[test]
fn not_a_number_stays_where_it_is() {
    let s = shape(1, 2, [70, 300], 8);
    let nan = |which: usize, at: usize| -> Vec<bool> {
        let mut qkv = numbers(&s, 5);
        qkv[which][at] = f32::NAN;
        let [q, k, v] = &qkv;
        int8(&s, 0.5, [q, k, v]).into_iter().map(f32::is_nan).collect()
    };
    let expect = |nan: &dyn Fn(usize, usize, usize) -> bool| -> Vec<bool> {
        (0..70 * 16).map(|i| nan(i / 16, i / 8 % 2, i % 8)).collect()
    };
    let query = nan(0, 33 * 16 + 4);
    assert!(query == expect(&|query, head, _| query == 33 && head == 0));
    let key = nan(1, 299 * 16 + 9);
    assert!(key == expect(&|_, head, _| head == 1));
    let value = nan(2, 202 * 16 + 10);
    assert!(value == expect(&|_, head, e| head == 1 && e == 2));
}

/// Neither other pictures nor threads change a bit, nor what a product rounds anyway.
#[test]
fn the_same_bits_alone_in_a_batch_and_rounded_before() {
    let s = shape(2, 2, [150, 90], 40);
    let [q, k, v] = numbers(&s, 9).map(|mut x| {
        bf16::round_in_place(&mut x);
        x
    });
    let both = int8(&s, 0.2, [&q, &k, &v]);
    let half = |x: &[f32]| x[x.len() / 2..].to_vec();
    let [q2, k2, v2] = [&q, &k, &v].map(|x| half(x));
    let alone = int8(&AttentionShape { batch: 1, ..s }, 0.2, [&q2, &k2, &v2]);
    assert!(alone == half(&both));
    assert_same_on_any_number_of_threads(|| int8(&s, 0.2, [&q, &k, &v]));
    if has_pairs(Precision::Bf16) {
        let pairs = [&q, &k, &v].map(|x| {
            let mut out = vec![0.0; x.len() / 2];
            bf16::pack(cpu::isa(), x, scratch::as_words_mut(&mut out));
            out
        });
        let qkv = std::array::from_fn(|i| Activations::Bf16(&pairs[i]));
        let mut out = vec![f32::NAN; q.len()];
        attention_int8(&s, 0.2, qkv, ActivationsMut::F32(&mut out));
        assert!(out == both);
    }
}
