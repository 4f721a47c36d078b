//! `softmax(scale · q kᵀ) v`.

use super::AttentionShape;
#[cfg(target_arch = "x86_64")]
use super::bytes;
use super::keys::KeyBlocks;
use super::stream::Stream;
use crate::Activations::F32;
use crate::cpu::{Isa, isa};
use crate::scratch::{Scratch, word_chunks};
use crate::{Activations, ActivationsMut, Precision, has_pairs, parallel, watch};

/// `out = softmax(scale · q kᵀ) v`, each head by itself. q and out are `[batch, tq, heads · d]`,
/// k and v `[batch, tk, heads · d]`; `scale` is usually `1 / √d`.
///
/// In [`Precision::Bf16`] q, k, v and the probabilities are rounded to bf16; scores and all sums
/// are f32.
///
/// # Panics
/// If a slice has another length than its shape, or there is no key.
#[track_caller]
pub fn attention(
    precision: Precision,
    s: &AttentionShape,
    scale: f32,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    out: &mut [f32],
) {
    s.check(&[q.len(), out.len()], &[k.len(), v.len()]);
    let _call = watch::call(|| s.call(precision));
    with_isa(isa(), precision, false, s, scale, [q, k, v].map(F32), ActivationsMut::F32(out));
}

/// [`attention`] of q, k and v that may be rounded already, to a result that may be.
///
/// # Panics
/// If a slice has another length than its shape, or there is no key; if there are pairs of bf16
/// although products in `precision` do not read them, or heads have an odd number of elements.
#[track_caller]
pub fn attention_with(
    precision: Precision,
    s: &AttentionShape,
    scale: f32,
    qkv: [Activations; 3],
    out: ActivationsMut,
) {
    checked(precision, false, s, scale, qkv, out);
}

/// [`attention_with`] in [`Precision::Bf16`], for inference in 8 bits: where that is faster, all
/// products are of bytes, with a scale for each query, for each stretch of up to 64 keys, for each
/// element of values, and for the probabilities of each stretch. On normal noise a score is off by
/// 1 % of the usual size of scores, and a value by as much. The mean of all keys is taken from them
/// before they are rounded, which changes no probability.
///
/// A query, key or value with NaN or an infinity then gives NaN wherever it is looked at.
///
/// # Panics
/// As [`attention_with`].
#[track_caller]
pub fn attention_int8(s: &AttentionShape, scale: f32, qkv: [Activations; 3], out: ActivationsMut) {
    checked(Precision::Bf16, true, s, scale, qkv, out);
}

#[track_caller]
fn checked(
    precision: Precision,
    bytes: bool,
    s: &AttentionShape,
    scale: f32,
    qkv: [Activations; 3],
    out: ActivationsMut,
) {
    let pairs = qkv.iter().any(|x| matches!(x, Activations::Bf16(_)))
        || matches!(out, ActivationsMut::Bf16(_));
    assert!(!pairs || has_pairs(precision) && s.d.is_multiple_of(2), "pairs of bf16 for {s:?}");
    let [q, k, v] = qkv.map(|x| x.elements().len() * s.width() / x.held(s.width()).max(1));
    let len = match &out {
        ActivationsMut::F32(out) => out.len(),
        ActivationsMut::Bf16(out) => 2 * out.len(),
    };
    s.check(&[q, len], &[k, v]);
    let _call = watch::call(|| s.call(precision));
    with_isa(isa(), precision, bytes, s, scale, qkv, out);
}

/// [`attention`] after the sizes have been checked.
pub(super) fn with_isa(
    isa: Isa,
    precision: Precision,
    bytes: bool,
    s: &AttentionShape,
    scale: f32,
    [q, k, v]: [Activations; 3],
    out: ActivationsMut,
) {
    let (width, rounded) = (out.held(s.width()), matches!(out, ActivationsMut::Bf16(_)));
    let out = out.elements();
    if out.is_empty() {
        return;
    }
    let blocks = KeyBlocks::new(isa, precision, bytes, s, scale);
    #[cfg(target_arch = "x86_64")]
    let facts = blocks.bytes.then(|| bytes::Facts::new(isa, s, k, v));
    let per_head = s.tk.div_ceil(blocks.keys);
    let mut packed = Scratch::take(s.batch * s.heads * per_head * blocks.len());
    word_chunks(packed.words_mut(), blocks.len(), |i, block| {
        let (head, first) = (i / per_head, i % per_head * blocks.keys);
        let start = (head / s.heads * s.tk + first) * s.width() + head % s.heads * s.d;
        let count = blocks.keys.min(s.tk - first);
        let (k, v) = (k.skip(start), v.skip(start));
        #[cfg(target_arch = "x86_64")]
        if let Some(facts) = &facts {
            return blocks.pack_bytes(k, v, &facts.head(head), s.width(), count, block);
        }
        blocks.pack(k, v, s.width(), count, block);
    });
    let packed = packed.words();
    let head_len = per_head * blocks.len();
    // A few sequences of few queries still give each of several threads a task.
    let lanes = blocks.kernels.nr;
    let rows = (s.batch * s.tq / 32).clamp(lanes, MOST_ROWS).next_multiple_of(lanes);
    parallel::chunks(out, s.tq * width, |sequence, out| {
        let packed = &packed[sequence * s.heads * head_len..][..s.heads * head_len];
        parallel::chunks(out, rows * width, |task, out| {
            let first = task * rows;
            let mut stream = Stream::new(&blocks, s, first, out.len() / width);
            for (head, packed) in packed.chunks_exact(head_len).enumerate() {
                let q = q.skip((sequence * s.tq + first) * s.width() + head * s.d);
                #[cfg(target_arch = "x86_64")]
                stream.know(facts.as_ref().map(|facts| facts.head(sequence * s.heads + head)));
                if rounded {
                    let out = ActivationsMut::Bf16(&mut out[head * s.d / 2..]);
                    stream.head(scale, q, packed, out);
                } else {
                    let out = ActivationsMut::F32(&mut out[head * s.d..]);
                    stream.head(scale, q, packed, out);
                }
            }
        });
    });
}

/// Most queries of a task: enough that what the task does with a block of keys outweighs bringing
/// it into the cache.
const MOST_ROWS: usize = 256;
