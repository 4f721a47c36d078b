//! Weights as bytes, made once: one scale for each output channel, packed as the kernels read them.

use super::kernel::PANEL;
use rayon::prelude::*;

/// The largest magnitude of a quantized weight; -128 stays unused so that negation is exact.
const LEVELS: f32 = 127.0;

/// What a weight is stored with added, because `vpdpbusd` wants one operand unsigned.
const OFFSET: i8 = -128;

/// The most elements a sum may run over: `127 · 255` times as many must stay below 2³¹.
pub const LONGEST: usize = 1 << 16;

/// The weight of a linear layer or a convolution in 8 bits.
///
/// Output channel j is `scale[j] · q[j]` with whole `q` in -127..=127 and `scale` the largest
/// magnitude of the channel / 127 (Jacob et al. 2018, symmetric, one scale a channel). A channel
/// with NaN or an infinity has a scale of NaN, and so have its results.
#[derive(Clone, Debug)]
pub struct Int8Weight {
    /// `[panels, taps, words, 32]` words of 4 bytes along the input channels, each `q + 128`.
    panels: Vec<u32>,
    /// `[o]`, padded to whole panels.
    scales: Vec<f32>,
    /// `[o]`: `Σ q`, padded to whole panels.
    sums: Vec<i32>,
    o: usize,
    c: usize,
    kernel: [usize; 2],
}

impl Int8Weight {
    /// From the weight `w[n, k]` of a linear layer.
    ///
    /// # Panics
    /// If `w` has another length, or `k` is more than 65,536.
    #[track_caller]
    pub fn linear(w: &[f32], [n, k]: [usize; 2]) -> Self {
        Self::conv2d(w, [n, k, 1, 1])
    }

    /// From the weight `w[o, c, kh, kw]` of a convolution.
    ///
    /// # Panics
    /// If `w` has another length, or `c · kh · kw` is more than 65,536.
    #[track_caller]
    pub fn conv2d(w: &[f32], shape @ [o, c, kh, kw]: [usize; 4]) -> Self {
        let len = shape.into_iter().try_fold(1, usize::checked_mul);
        assert_eq!(Some(w.len()), len, "elements of a weight {shape:?}");
        let (taps, k, words) = (kh * kw, c * kh * kw, c.div_ceil(4));
        assert!(k <= LONGEST, "sums of {k} products of a weight {shape:?} could overflow");
        let padded = o.next_multiple_of(PANEL);
        let (mut scales, mut sums) = (vec![0.0; padded], vec![0; padded]);
        let panel_len = taps * words * PANEL;
        let mut panels = vec![0; padded / PANEL * panel_len];
        if k == 0 {
            return Self { panels, scales, sums, o, c, kernel: [kh, kw] };
        }
        let parts = panels.par_chunks_exact_mut(panel_len);
        let parts = parts.zip(scales.par_chunks_exact_mut(PANEL));
        let parts = parts.zip(sums.par_chunks_exact_mut(PANEL)).zip(w.par_chunks(PANEL * k));
        parts.for_each(|(((panel, scales), sums), w)| {
            let mut bytes = vec![[OFFSET as u8; 4]; panel_len];
            for (j, w) in w.chunks_exact(k).enumerate() {
                scales[j] = scale(w);
                for (channel, w) in w.chunks_exact(taps).enumerate() {
                    for (tap, &w) in w.iter().enumerate() {
                        let q = quantize(w, scales[j]);
                        sums[j] += i32::from(q);
                        let word = (tap * words + channel / 4) * PANEL + j;
                        bytes[word][channel % 4] = (q ^ OFFSET) as u8;
                    }
                }
            }
            for (word, bytes) in panel.iter_mut().zip(bytes) {
                *word = u32::from_ne_bytes(bytes);
            }
        });
        Self { panels, scales, sums, o, c, kernel: [kh, kw] }
    }

    /// `[o, c, kh, kw]`; for a linear layer `[n, k, 1, 1]`.
    pub fn shape(&self) -> [usize; 4] {
        [self.o, self.c, self.kernel[0], self.kernel[1]]
    }

    /// The scale of each output channel.
    pub fn scales(&self) -> &[f32] {
        &self.scales[..self.o]
    }

    /// Bytes that the weight takes in memory.
    pub fn bytes(&self) -> usize {
        4 * (self.panels.len() + self.scales.len() + self.sums.len())
    }

    /// Panel `p`: the words, scales and sums of 32 output channels.
    pub(super) fn panel(&self, p: usize) -> (&[u32], &[f32], &[i32]) {
        let len = self.panels.len() / (self.scales.len() / PANEL);
        let columns = p * PANEL..(p + 1) * PANEL;
        (&self.panels[p * len..][..len], &self.scales[columns.clone()], &self.sums[columns])
    }
}

/// The scale of one output channel, NaN if an element is not finite.
fn scale(w: &[f32]) -> f32 {
    // The magnitudes of floats are in the order of their bits.
    let largest = w.iter().fold(0, |largest, w| (w.to_bits() & 0x7fff_ffff).max(largest));
    let largest = f32::from_bits(largest);
    if largest.is_finite() { largest / LEVELS } else { f32::NAN }
}

/// The whole number that stands for `w`, ties to even. 0 where `scale` is 0 or NaN.
pub(super) fn quantize(w: f32, scale: f32) -> i8 {
    /// Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    let q = w / scale;
    // A scale below the normal numbers may be so inexact that the quotient exceeds the levels.
    let q = if q.is_nan() { 0.0 } else { q.clamp(-LEVELS, LEVELS) };
    (q + ROUND).to_bits() as i8
}
