//! Scores, their powers, and values times these.

use crate::attention::keys::KeyBlocks;
use crate::attention::online::{self, QUERIES, Running};
#[cfg(target_arch = "x86_64")]
use crate::attention::online_bf16;
use crate::microkernel::{Kernels, OuterTile, Run};

/// Adds `pairs` rows of values `[pairs, d]`, each times its powers `[pairs, nr]`, to the sums `outs`
/// `[d, nr]`, or begins them.
pub(super) fn add_values(
    kernels: &Kernels,
    values: &[u32],
    powers: &[u32],
    d: usize,
    pairs: usize,
    lanes: usize,
    accumulate: bool,
    outs: &mut [f32],
) {
    let tallest = d.div_ceil(d.div_ceil(kernels.mr));
    for (tile, out) in outs.chunks_mut(tallest * kernels.nr).enumerate() {
        let left = Panel { words: values, stride: d, first: tile * tallest };
        product(kernels, left, powers, pairs, lanes, 1.0, accumulate, out);
    }
}

/// Softmax's part of a step: scores become what multiplies the values. Whether the sums so far
/// must be scaled.
pub(super) fn powers(blocks: &KeyBlocks, scores: &mut [f32], running: &mut [Running]) -> bool {
    let nr = blocks.kernels.nr;
    let mut raised = false;
    for (i, running) in running.iter_mut().enumerate() {
        let scores = &mut scores[i * QUERIES..];
        #[cfg(target_arch = "x86_64")]
        if blocks.kernels.pairs {
            // SAFETY: kernels of pairs are those of AVX-512 BF16, and `Kernels::select` has
            // ascertained that this machine has it.
            raised |= unsafe { online_bf16::advance(scores, nr, running) };
            continue;
        }
        raised |= online::advance(blocks.isa, scores, nr, running);
    }
    if !blocks.kernels.pairs {
        blocks.round(scores);
    }
    raised
}

/// A left operand: `a[l, i]` is `words[l · stride + first + i]`.
pub(super) struct Panel<'a> {
    pub words: &'a [u32],
    pub stride: usize,
    pub first: usize,
}

/// `out[i, j] = scale · Σ_l a[l, i] · b[l, j]` for one tile, `len` rows of both operands and `lanes`
/// columns; rows of `b` and `out` are nr long.
pub(super) fn product(
    kernels: &Kernels,
    a: Panel,
    b: &[u32],
    len: usize,
    lanes: usize,
    scale: f32,
    accumulate: bool,
    out: &mut [f32],
) {
    let nr = kernels.nr;
    let rows = out.len() / nr;
    assert!((1..=kernels.mr).contains(&rows) && (1..=nr).contains(&lanes) && len > 0);
    assert!(a.words.len() >= (len - 1) * a.stride + a.first + rows && b.len() >= len * nr);
    let run = Run { a: a.words.as_ptr(), b: b.as_ptr(), len };
    let tile = OuterTile {
        runs: &run,
        run_count: 1,
        a_stride: a.stride,
        b_stride: nr,
        a_col: a.first,
        b_col: 0,
        cols: lanes,
        out: out.as_mut_ptr(),
        out_stride: nr,
        scale,
        accumulate,
    };
    // SAFETY: the assertions: `len` rows of both operands reach as far as the tile does, and `out`
    // has `rows` rows.
    unsafe { kernels.outer(rows, &tile) };
}
