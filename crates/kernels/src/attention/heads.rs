//! One head's part of an activation, taken out and put back.
//!
//! In `[batch, t, heads · d]` the rows of one head lie `heads · d` apart, often a power of two,
//! which makes them compete for the same few cache lines; so heads are worked on as copies.

use super::AttentionShape;
use crate::parallel;

/// Distance of rows of `len` elements in scratch memory: whole cache lines, one more than needed
/// so that the rows spread over the cache.
pub fn padded(len: usize) -> usize {
    (len.div_ceil(16) + 1) * 16
}

/// Copies the rows of one head, which begin at `x[0]`, `stride` apart, into `[rows, d]`.
pub fn take(x: &[f32], stride: usize, d: usize, out: &mut [f32]) {
    for (out, x) in out.chunks_exact_mut(d).zip(x.chunks(stride)) {
        out.copy_from_slice(&x[..d]);
    }
}

/// Brings heads together: `out` `[batch, t, heads · d]` from `heads`, which has a run of
/// `head_len` elements for each head of each sequence, with `[t, d]` at `offset` in each run.
pub fn join(
    s: &AttentionShape,
    heads: &[f32],
    head_len: usize,
    offset: usize,
    out: &mut [f32],
    t: usize,
) {
    let (d, width) = (s.d, s.width());
    if out.is_empty() {
        return;
    }
    let rows = (parallel::ELEMENTWISE_CHUNK / width).max(1);
    parallel::chunks(out, rows * width, |task, out| {
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            let (sequence, row) = ((task * rows + i) / t, (task * rows + i) % t);
            for (head, out) in out.chunks_exact_mut(d).enumerate() {
                let from = (sequence * s.heads + head) * head_len + offset + row * d;
                out.copy_from_slice(&heads[from..][..d]);
            }
        }
    });
}
