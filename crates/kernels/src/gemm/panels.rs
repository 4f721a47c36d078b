//! Packed right operands of matrix products, and operands as pairs of bf16.

use super::rows::RightPanels;
use super::transpose::transpose;
use crate::bf16;
use crate::cpu::Isa;

/// `right[l, j] = w[j, l]` of a matrix with rows of `k`.
pub(crate) struct Transposed<'a> {
    /// The matrix.
    pub w: &'a [f32],
    /// The length of its rows.
    pub k: usize,
}

impl RightPanels for Transposed<'_> {
    fn pack(&self, isa: Isa, first: usize, cols: usize, panel: &mut [f32], stride: usize) {
        let w = &self.w[first * self.k..];
        transpose(isa, w, self.k, [cols, self.k], panel, stride, |l| l);
    }
}

/// `right[l, j] = w[l, j]` of a matrix with rows of `n`.
pub(crate) struct Straight<'a> {
    /// The matrix.
    pub w: &'a [f32],
    /// The length of its rows.
    pub n: usize,
}

impl RightPanels for Straight<'_> {
    fn pack(&self, _: Isa, first: usize, cols: usize, panel: &mut [f32], stride: usize) {
        for (row, out) in self.w.chunks_exact(self.n).zip(panel.chunks_exact_mut(stride)) {
            out[..cols].copy_from_slice(&row[first..first + cols]);
        }
    }
}

/// Turns a panel `[taps, k, stride]` of f32 into one `[taps, k / 2, stride]` of pairs of bf16 from
/// neighbouring rows; an odd last row is paired with zeros.
pub(crate) fn pairs(isa: Isa, plain: &[f32], k: usize, stride: usize, panel: &mut [u32]) {
    if k == 0 {
        return;
    }
    let taps = plain.chunks_exact(k * stride).zip(panel.chunks_exact_mut(k.div_ceil(2) * stride));
    for (plain, panel) in taps {
        for (two, out) in plain.chunks(2 * stride).zip(panel.chunks_exact_mut(stride)) {
            let (low, high) = two.split_at(stride);
            bf16::interleave(isa, low, (!high.is_empty()).then_some(high), out);
        }
    }
}
