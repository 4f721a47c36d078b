//! The gradients of attention. The probabilities are formed again, a block of queries at a time.
//!
//! With p the probabilities and ds the gradient of the scores:
//! `dv = pᵀ dout`, `dp = dout vᵀ`, `ds = p · (dp - rowsum(dout · out))`, `dq = scale · ds k` and
//! `dk = scale · dsᵀ q` (Dao et al. 2022, appendix B.2, for why the row sum is that).

use super::heads::Tokens;
use super::{AttentionShape, heads, softmax};
use crate::cpu::{Isa, isa};
use crate::gemm::transpose::transpose;
use crate::gemm::{MatRef, matmul_single};
use crate::parallel;
use crate::scratch::Scratch;

/// The gradients of [`attention`](super::attention). `out` is its result and `dout` the gradient
/// of that; dq has the shape of q, dk and dv that of k.
///
/// # Panics
/// If a slice has another length than its shape, or there is no key.
#[track_caller]
pub fn attention_grad(
    s: &AttentionShape,
    scale: f32,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    out: &[f32],
    dout: &[f32],
    dq: &mut [f32],
    dk: &mut [f32],
    dv: &mut [f32],
) {
    let like_k = [k.len(), v.len(), dk.len(), dv.len()];
    s.check(&[q.len(), out.len(), dout.len(), dq.len()], &like_k);
    let isa = isa();
    let width = s.width();
    let (q_len, k_len) = (s.tq * s.d, s.tk * s.d);
    if k_len == 0 {
        return;
    }
    let [dq, dk, dv] = [dq, dk, dv].map(Tokens::new);
    parallel::tasks(s.batch * s.heads, |i| {
        let (sequence, first) = (i / s.heads, i % s.heads * s.d);
        let (from_q, from_k) = (sequence * s.tq * width + first, sequence * s.tk * width + first);
        let head = Head {
            isa,
            s,
            scale,
            q: q.get(from_q..).unwrap_or_default(),
            k: &k[from_k..],
            v: &v[from_k..],
            out: out.get(from_q..).unwrap_or_default(),
            dout: dout.get(from_q..).unwrap_or_default(),
        };
        let mut grads = Scratch::take(q_len + 2 * k_len);
        let (of_q, rest) = grads.floats_mut().split_at_mut(q_len);
        let (of_k, of_v) = rest.split_at_mut(k_len);
        head.grads(of_q, of_k, of_v);
        // SAFETY: the lengths have been checked, and no other task has this head.
        unsafe {
            dq.put(of_q, s.d, from_q, width);
            dk.put(of_k, s.d, from_k, width);
            dv.put(of_v, s.d, from_k, width);
        }
    });
}

/// One head of one sequence; the slices begin with its first element.
struct Head<'a> {
    isa: Isa,
    s: &'a AttentionShape,
    scale: f32,
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    out: &'a [f32],
    dout: &'a [f32],
}

impl Head<'_> {
    /// dq `[tq, d]`, dk and dv `[tk, d]`.
    fn grads(&self, dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]) {
        let &Self { isa, s, .. } = self;
        let (d, tk, width) = (s.d, s.tk, s.width());
        let key_stride = heads::padded(tk);
        let rows = s.block();
        let lengths = [tk * d, d * key_stride, d * key_stride, rows * d, rows * d];
        let mut space = Scratch::take(lengths.iter().sum::<usize>() + 2 * rows * key_stride);
        let [keys, keys_t, values_t, q, dout, scores] = split(space.floats_mut(), lengths);
        let (p, dp) = scores.split_at_mut(rows * key_stride);
        heads::take(self.k, width, d, keys);
        transpose(isa, self.k, width, [tk, d], keys_t, key_stride, |l| l);
        transpose(isa, self.v, width, [tk, d], values_t, key_stride, |l| l);
        dk.fill(0.0);
        dv.fill(0.0);
        for (block, dq) in dq.chunks_mut(rows * d).enumerate() {
            let (first, rows) = (block * rows, dq.len() / d);
            let seen = s.seen(first + rows - 1);
            let (q, dout) = (&mut q[..rows * d], &mut dout[..rows * d]);
            heads::take(&self.q[first * width..], width, d, q);
            heads::take(&self.dout[first * width..], width, d, dout);
            let matrix = |data, [rows, cols]: [usize; 2], row_stride| MatRef {
                data,
                rows,
                cols,
                row_stride,
                transposed: false,
            };
            let (q, dout) = (matrix(q, [rows, d], d), matrix(dout, [rows, d], d));
            let (keys_t, values_t) =
                (matrix(keys_t, [d, seen], key_stride), matrix(values_t, [d, seen], key_stride));
            matmul_single(q, keys_t, p, key_stride, false, self.scale);
            matmul_single(dout, values_t, dp, key_stride, false, 1.0);
            for i in 0..rows {
                let (p, hidden) = p[i * key_stride..][..seen].split_at_mut(s.seen(first + i));
                let (dp, dhidden) = dp[i * key_stride..][..seen].split_at_mut(s.seen(first + i));
                let out = &self.out[(first + i) * width..][..d];
                let delta = softmax::row_dot(isa, &dout.data[i * d..][..d], out);
                let share = 1.0 / softmax::exponentials(isa, p);
                softmax::score_grad(isa, p, share, dp, delta);
                hidden.fill(0.0);
                dhidden.fill(0.0);
            }
            let keys = matrix(keys, [seen, d], d);
            let ds = matrix(dp, [rows, seen], key_stride);
            matmul_single(ds, keys, dq, d, false, self.scale);
            let transposed =
                |data| MatRef { transposed: true, ..matrix(data, [seen, rows], key_stride) };
            matmul_single(transposed(dp), q, dk, d, true, self.scale);
            matmul_single(transposed(p), dout, dv, d, true, 1.0);
        }
    }
}

/// Cuts pieces of the given lengths off, and the rest.
fn split(mut x: &mut [f32], lengths: [usize; 5]) -> [&mut [f32]; 6] {
    let pieces = lengths.map(|len| {
        let (piece, rest) = std::mem::take(&mut x).split_at_mut(len);
        x = rest;
        piece
    });
    let [a, b, c, d, e] = pieces;
    [a, b, c, d, e, x]
}
