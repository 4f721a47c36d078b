//! Weights as bytes, made once: one scale for each output channel, packed as the kernels read them.

use super::kernel::PANEL;
use crate::cpu;
use crate::math::per_isa;
use crate::numbers::Numbers;
use crate::parallel;
use crate::scratch::{Lines, Scratch};

/// The largest magnitude of a quantized weight; -128 stays unused so that negation is exact.
const LEVELS: f32 = 127.0;

/// What four weights are stored with added, because `vpdpbusd` wants one operand unsigned.
const OFFSETS: u32 = 0x8080_8080;

/// The most elements a sum may run over: `127 · 255` times as many must stay below 2³¹.
pub const LONGEST: usize = 1 << 16;

/// The weight of a linear layer or a convolution in 8 bits.
///
/// Output channel j is `scale[j] · q[j]` with whole `q` in -127..=127 and `scale` the largest
/// magnitude of the channel / 127 (Jacob et al. 2018, symmetric, one scale a channel). A channel
/// with NaN or an infinity has a scale of NaN, and so have its results.
pub struct Int8Weight {
    /// `[panels, taps, words, 32]` words of 4 bytes along the input channels, each `q + 128`.
    panels: Lines,
    /// `[o]`, padded to whole panels.
    scales: Vec<f32>,
    /// `[o]`: `Σ q`, padded to whole panels.
    sums: Vec<i32>,
    o: usize,
    c: usize,
    kernel: [usize; 2],
    /// Whether each panel has as many of the first half of the channels, then of the second.
    gated: bool,
}

impl Int8Weight {
    /// From the weight `w[n, k]` of a linear layer.
    ///
    /// # Panics
    /// If `w` has another length, or `k` is more than [`LONGEST`].
    #[track_caller]
    pub fn linear(w: Numbers, [n, k]: [usize; 2]) -> Self {
        Self::conv2d(w, [n, k, 1, 1])
    }

    /// From the weight `w[o, c, kh, kw]` of a convolution. Never more than a row at a time is in
    /// f32.
    ///
    /// # Panics
    /// If `w` has another length, or `c · kh · kw` is more than [`LONGEST`].
    #[track_caller]
    pub fn conv2d(w: Numbers, shape: [usize; 4]) -> Self {
        Self::in_order(w, shape, false)
    }

    /// From the weight `w[n, k]` of a linear layer before a GEGLU: what belongs together of both
    /// halves of the rows comes into one panel.
    ///
    /// # Panics
    /// If `w` has another length, `k` is more than [`LONGEST`], or n is odd.
    #[track_caller]
    pub fn gated(w: Numbers, [n, k]: [usize; 2]) -> Self {
        assert!(n.is_multiple_of(2), "two halves of {n} rows");
        Self::in_order(w, [n, k, 1, 1], true)
    }

    #[track_caller]
    fn in_order(w: Numbers, shape @ [o, c, kh, kw]: [usize; 4], gated: bool) -> Self {
        let len = shape.into_iter().try_fold(1, usize::checked_mul);
        assert_eq!(Some(w.len()), len, "elements of a weight {shape:?}");
        let (taps, k, words) = (kh * kw, c * kh * kw, c.div_ceil(4));
        assert!(k <= LONGEST, "sums of {k} products of a weight {shape:?} could overflow");
        let halves = if gated { 2 } else { 1 };
        let padded = (o / halves).next_multiple_of(PANEL / halves) * halves;
        let (mut scales, mut sums) = (vec![0.0; padded], vec![0; padded]);
        let panel_len = taps * words * PANEL;
        let mut panels = Lines::zeros(padded / PANEL * panel_len);
        if k > 0 {
            let (panels, scales) = ((panels.words_mut(), panel_len), (&mut scales[..], PANEL));
            parallel::chunks3(panels, scales, (&mut sums, PANEL), |p, panel, scales, sums| {
                let (mut row, mut bytes) = (Scratch::take(k), vec![0; k]);
                let row = row.floats_mut();
                for j in 0..PANEL {
                    let (half, at) = (j / (PANEL / halves), j % (PANEL / halves));
                    let at = p * (PANEL / halves) + at;
                    if at >= o / halves {
                        continue;
                    }
                    let first = (half * (o / halves) + at) * k;
                    w.widen(first..first + k, row);
                    scales[j] = scale(row);
                    quantize_row(cpu::isa(), row, scales[j], &mut bytes);
                    sums[j] = bytes.iter().map(|&q| i32::from(q)).sum();
                    place(&bytes, [taps, words], &mut panel[j..]);
                }
            });
        }
        Self { panels, scales, sums, o, c, kernel: [kh, kw], gated }
    }

    /// Whether it is one before a GEGLU.
    pub fn is_gated(&self) -> bool {
        self.gated
    }

    /// `[o, c, kh, kw]`; for a linear layer `[n, k, 1, 1]`.
    pub fn shape(&self) -> [usize; 4] {
        [self.o, self.c, self.kernel[0], self.kernel[1]]
    }

    /// The scale of each output channel; before a GEGLU in the order of the panels.
    pub fn scales(&self) -> &[f32] {
        &self.scales[..self.o]
    }

    /// Columns of whole and partial panels: see [`Int8Weight::gated`].
    pub(super) fn columns(&self) -> usize {
        if self.gated { self.scales.len() } else { self.o }
    }

    /// Bytes that the weight takes in memory.
    pub fn bytes(&self) -> usize {
        4 * (self.panels.words().len() + self.scales.len() + self.sums.len())
    }

    /// Panel `p`: the words, scales and sums of 32 output channels.
    pub(super) fn panel(&self, p: usize) -> (&[u32], &[f32], &[i32]) {
        let panels = self.panels.words();
        let len = panels.len() / (self.scales.len() / PANEL);
        let columns = p * PANEL..(p + 1) * PANEL;
        (&panels[p * len..][..len], &self.scales[columns.clone()], &self.sums[columns])
    }
}

/// The scale of one output channel, NaN if an element is not finite.
fn scale(w: &[f32]) -> f32 {
    // The magnitudes of floats are in the order of their bits.
    let largest = w.iter().fold(0, |largest, w| (w.to_bits() & 0x7fff_ffff).max(largest));
    let largest = f32::from_bits(largest);
    if largest.is_finite() { largest / LEVELS } else { f32::NAN }
}

/// Writes the bytes `[channels, taps]` of one output channel to its column of a panel, which has
/// `[taps, words]` rows.
fn place(bytes: &[i8], [taps, words]: [usize; 2], column: &mut [u32]) {
    for (word, group) in bytes.chunks(4 * taps).enumerate() {
        for tap in 0..taps {
            let mut four = [0; 4];
            for (byte, channel) in four.iter_mut().zip(group.chunks_exact(taps)) {
                *byte = channel[tap] as u8;
            }
            column[(tap * words + word) * PANEL] = u32::from_ne_bytes(four) ^ OFFSETS;
        }
    }
}

per_isa! {
    /// [`quantize`] of every element.
    fn quantize_row(w: &[f32], scale: f32, out: &mut [i8]) {
        for (out, &w) in out.iter_mut().zip(w) {
            *out = quantize(w, scale);
        }
    }
}

/// The whole number that stands for `w`, ties to even. 0 where `scale` is 0 or NaN.
#[inline(always)]
pub(super) fn quantize(w: f32, scale: f32) -> i8 {
    /// Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    let q = w / scale;
    // A scale below the normal numbers may be so inexact that the quotient exceeds the levels.
    let q = if q.is_nan() { 0.0 } else { q.clamp(-LEVELS, LEVELS) };
    (q + ROUND).to_bits() as i8
}
