//! `softmax(scale · q kᵀ) v`.

use super::{AttentionShape, heads, softmax};
use crate::cpu::{Isa, isa};
use crate::gemm::transpose::transpose;
use crate::gemm::{MatRef, matmul_single};
use crate::parallel;
use crate::scratch::Scratch;
use rayon::prelude::*;

/// `out = softmax(scale · q kᵀ) v`, each head by itself. q and out are `[batch, tq, heads · d]`,
/// k and v `[batch, tk, heads · d]`; `scale` is usually `1 / √d`.
///
/// # Panics
/// If a slice has another length than its shape, or there is no key.
#[track_caller]
pub fn attention(s: &AttentionShape, scale: f32, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
    s.check(&[q.len(), out.len()], &[k.len(), v.len()]);
    if out.is_empty() {
        return;
    }
    let isa = isa();
    // Of each head of each sequence: the keys transposed, then the values.
    let (width, key_stride) = (s.width(), heads::padded(s.tk));
    let head_len = s.d * key_stride + s.tk * s.d;
    let mut packed = Scratch::take(s.batch * s.heads * head_len);
    parallel::chunks(packed.floats_mut(), head_len, |i, packed| {
        let start = i / s.heads * s.tk * width + i % s.heads * s.d;
        let (keys, values) = packed.split_at_mut(s.d * key_stride);
        transpose(isa, &k[start..], width, [s.tk, s.d], keys, key_stride, |l| l);
        heads::take(&v[start..], width, s.d, values);
    });
    let packed: &[f32] = packed.floats_mut();
    // A few sequences of few queries still give each of several threads a task.
    let rows = s.block().min((s.batch * s.tq).div_ceil(32)).max(16);
    out.par_chunks_mut(s.tq * width).enumerate().for_each(|(sequence, out)| {
        let q = &q[sequence * s.tq * width..][..s.tq * width];
        let packed = &packed[sequence * s.heads * head_len..][..s.heads * head_len];
        parallel::chunks(out, rows * width, |block, out| {
            let first = block * rows;
            forward_block(isa, s, scale, first, &q[first * width..][..out.len()], packed, out);
        });
    });
}

/// The rows of `out` that belong to the queries from `first` on, all heads.
fn forward_block(
    isa: Isa,
    s: &AttentionShape,
    scale: f32,
    first: usize,
    q: &[f32],
    packed: &[f32],
    out: &mut [f32],
) {
    let (d, width, key_stride) = (s.d, s.width(), heads::padded(s.tk));
    let rows = out.len() / width;
    let seen = s.seen(first + rows - 1);
    let stride = heads::padded(seen);
    let mut scores = Scratch::take(rows * stride);
    let scores = scores.floats_mut();
    for (head, packed) in packed.chunks_exact(packed.len() / s.heads).enumerate() {
        let (keys, values) = packed.split_at(d * key_stride);
        let plain = |data, rows, cols, row_stride| MatRef {
            data,
            rows,
            cols,
            row_stride,
            transposed: false,
        };
        let q = plain(&q[head * d..], rows, d, width);
        matmul_single(q, plain(keys, d, seen, key_stride), scores, stride, false, scale);
        let mut shares = [0.0; 64];
        for (i, row) in scores.chunks_exact_mut(stride).enumerate() {
            let (row, hidden) = row[..seen].split_at_mut(s.seen(first + i));
            shares[i] = 1.0 / softmax::exponentials(isa, row);
            hidden.fill(0.0);
        }
        let values = plain(values, seen, d, d);
        let p = plain(scores, rows, seen, stride);
        matmul_single(p, values, &mut out[head * d..], width, false, 1.0);
        // Dividing here instead of in the scores is less work: d is smaller than tk.
        for (row, share) in out.chunks_exact_mut(width).zip(shares) {
            row[head * d..][..d].iter_mut().for_each(|o| *o *= share);
        }
    }
}
