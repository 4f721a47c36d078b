//! Packed right operands of matrix products, and operands as pairs of bf16.

use super::rows::RightPanels;
use super::transpose::transpose;
use crate::cpu::Isa;
use crate::microkernel::Kernels;
use crate::scratch::{Scratch, as_floats};
use crate::{Precision, bf16};

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

/// A panel `[taps, k, stride]` of f32, which `fill` writes, as the micro-kernels read it: f32, f32
/// rounded to bf16, or pairs of bf16.
pub(crate) fn words(
    isa: Isa,
    precision: Precision,
    [taps, k, stride]: [usize; 3],
    panel: &mut [u32],
    fill: impl FnOnce(&mut [f32]),
) {
    if Kernels::select(isa, precision).pairs {
        let mut plain = Scratch::take(taps * k * stride);
        fill(plain.floats_mut());
        return pairs(isa, plain.floats_mut(), k, stride, panel);
    }
    let panel = as_floats(panel);
    fill(panel);
    if precision == Precision::Bf16 {
        bf16::round_in_place(panel);
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
