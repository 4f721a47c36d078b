//! Weights, transformed and packed once.

use super::{Tile, algebra};
use crate::Precision;
use crate::bf16;
use crate::cpu::{self, Isa};
use crate::gemm::panels;
use crate::gemm::transpose::transpose;
use crate::math::per_isa;
use crate::microkernel::Kernels;
use crate::scratch::Scratch;
use rayon::prelude::*;

/// Input channels that are transformed together: even, and few enough for the L2 cache.
const CHANNELS: usize = 64;

/// Words of a cache line.
const LINE: usize = 16;

/// A weight `[o, c, 3, 3]` as `U = G g Gᵀ`: for every panel of as many outputs as a micro-kernel
/// computes at once, `[positions, c, outputs]`, as the words that it reads.
pub struct WinogradWeight {
    isa: Isa,
    tile: Tile,
    o: usize,
    c: usize,
    /// The panels, from the first cache line on.
    words: Vec<u32>,
    start: usize,
}

impl WinogradWeight {
    /// The transform of `w`, `[o, c, 3, 3]`, for this machine.
    ///
    /// # Panics
    /// If `w` has another length.
    #[track_caller]
    pub fn new(tile: Tile, w: &[f32], o: usize, c: usize) -> Self {
        Self::with_isa(cpu::isa(), tile, w, o, c)
    }

    /// The transform of `w` for the micro-kernels of `isa`.
    #[track_caller]
    pub(crate) fn with_isa(isa: Isa, tile: Tile, w: &[f32], o: usize, c: usize) -> Self {
        assert_eq!(w.len(), o * c * 9, "elements of a weight [{o}, {c}, 3, 3]");
        let nr = Kernels::select(isa, tile.precision()).nr;
        let mut weight = Self { isa, tile, o, c, words: Vec::new(), start: 0 };
        let (panel, panels) = (weight.panel_len(), o.div_ceil(nr));
        weight.words = vec![0; panels * panel + LINE];
        weight.start = weight.words.as_ptr().align_offset(4 * LINE).min(LINE);
        if panel > 0 {
            let words = &mut weight.words[weight.start..][..panels * panel];
            let panels = words.par_chunks_mut(panel).zip(w.par_chunks(nr * c * 9));
            panels.for_each(|(panel, w)| pack(isa, tile, w, c, panel));
        }
        weight
    }

    /// The instruction set that it is packed for.
    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    /// The tile that it is transformed for.
    pub fn tile(&self) -> Tile {
        self.tile
    }

    /// Outputs and inputs, `[o, c]`.
    pub fn channels(&self) -> [usize; 2] {
        [self.o, self.c]
    }

    /// The bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        std::mem::size_of_val(&self.words[..])
    }

    /// Words of one panel, `[positions, words of c, nr]`.
    fn panel_len(&self) -> usize {
        let kernels = Kernels::select(self.isa, self.tile.precision());
        self.tile.positions() * kernels.words(self.c) * kernels.nr
    }

    /// Panel `p`.
    pub(super) fn panel(&self, p: usize) -> &[u32] {
        let len = self.panel_len();
        &self.words[self.start + p * len..][..len]
    }
}

/// Packs the outputs of one panel, `w` = `[outputs, c, 9]`.
fn pack(isa: Isa, tile: Tile, w: &[f32], c: usize, panel: &mut [u32]) {
    let kernels = Kernels::select(isa, tile.precision());
    let nr = kernels.nr;
    let cols = w.len() / (c * 9);
    let mut taps = Scratch::take(CHANNELS * 9 * nr);
    let mut plain = Scratch::take(CHANNELS * tile.positions() * nr);
    if cols < nr {
        taps.floats_mut().fill(0.0);
    }
    for first in (0..c).step_by(CHANNELS) {
        let count = CHANNELS.min(c - first);
        let taps = &mut taps.floats_mut()[..count * 9 * nr];
        transpose(isa, &w[first * 9..], c * 9, [cols, count * 9], taps, nr, |l| l);
        let plain = &mut plain.floats_mut()[..count * tile.positions() * nr];
        match tile {
            Tile::F2 => transform_2x2(isa, taps, nr, plain),
            Tile::F4x2 => transform_4x2(isa, taps, nr, plain),
            Tile::F4 => transform_4x4(isa, taps, nr, plain),
        }
        if tile.precision() == Precision::Bf16 && !kernels.pairs {
            bf16::round_in_place(plain);
        }
        for (position, plain) in plain.chunks_exact(count * nr).enumerate() {
            let at = position * kernels.words(c) + kernels.words(first);
            let out = &mut panel[at * nr..][..kernels.words(count) * nr];
            if kernels.pairs {
                panels::pairs(isa, plain, count, nr, out);
            } else {
                for (word, x) in out.iter_mut().zip(plain) {
                    *word = x.to_bits();
                }
            }
        }
    }
}

per_isa! {
    /// `G g Gᵀ` of `taps` = `[c, 9, nr]`, as `[positions, c, nr]`.
    fn transform_2x2(taps: &[f32], nr: usize, out: &mut [f32]) {
        transform(taps, nr, out, algebra::G2, algebra::G2);
    }

    /// As [`transform_2x2`].
    fn transform_4x2(taps: &[f32], nr: usize, out: &mut [f32]) {
        transform(taps, nr, out, algebra::G4, algebra::G2);
    }

    /// As [`transform_2x2`].
    fn transform_4x4(taps: &[f32], nr: usize, out: &mut [f32]) {
        transform(taps, nr, out, algebra::G4, algebra::G4);
    }
}

/// Outputs that are transformed together.
const LANES: usize = 16;

/// Both transforms in f64, so that the only rounding is that of the result.
#[inline(always)]
fn transform<const DOWN: usize, const ACROSS: usize>(
    taps: &[f32],
    nr: usize,
    out: &mut [f32],
    down: [[f64; 3]; DOWN],
    across: [[f64; 3]; ACROSS],
) {
    let position = out.len() / (DOWN * ACROSS);
    for (i, g) in taps.chunks_exact(9 * nr).enumerate() {
        for lane in (0..nr).step_by(LANES) {
            for y in 0..DOWN {
                let mut line = [[0.0; LANES]; 3];
                for (x, sums) in line.iter_mut().enumerate() {
                    for k in 0..3 {
                        let g: &[f32] = &g[(3 * k + x) * nr + lane..][..LANES];
                        for (sum, g) in sums.iter_mut().zip(g) {
                            *sum += down[y][k] * f64::from(*g);
                        }
                    }
                }
                for x in 0..ACROSS {
                    let out = &mut out[(y * ACROSS + x) * position + i * nr + lane..][..LANES];
                    for (l, out) in out.iter_mut().enumerate() {
                        let [a, b, c] = across[x];
                        *out = (a * line[0][l] + b * line[1][l] + c * line[2][l]) as f32;
                    }
                }
            }
        }
    }
}
