//! Weights, transformed and packed once.

use super::fast::Fast;
use super::{Tile, algebra, lanes};
use crate::Precision;
use crate::bf16;
use crate::cpu::{self, Isa};
use crate::gemm::panels;
use crate::gemm::transpose::transpose;
use crate::math::per_isa;
use crate::microkernel::Kernels;
use crate::scratch::{Lines, Scratch, word_chunks};
use std::ops::{Deref, Range};

/// Input channels that are transformed together: even, and few enough for the L2 cache.
const CHANNELS: usize = 64;

/// A weight `[o, c, 3, 3]` as `U = G g Gᵀ`: for every panel of as many outputs as a micro-kernel
/// computes at once, `[positions, c, outputs]`, as the words that it reads.
pub struct WinogradWeight {
    isa: Isa,
    tile: Tile,
    o: usize,
    c: usize,
    /// The panels.
    words: Words,
}

/// Memory for panels.
enum Words {
    /// For as long as there is a model.
    Kept(Lines),
    /// For a step of training.
    Lent(Scratch),
}

impl Deref for Words {
    type Target = Lines;
    fn deref(&self) -> &Lines {
        match self {
            Self::Kept(words) => words,
            Self::Lent(words) => words,
        }
    }
}

/// Where the kernels of a weight `[o, c, 3, 3]` lie.
#[derive(Clone, Copy)]
enum Order {
    /// As they are.
    Straight,
    /// Turned by half, with inputs for outputs: the convolution with these is the gradient of the
    /// input. The weight has so many of its own inputs, the outputs here.
    Turned(usize),
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
        let words = |len| Words::Kept(Lines::zeros(len));
        Self { isa, tile, o, c, words: words(0) }.filled(w, Order::Straight, words)
    }

    /// The transform of `w` that is needed once.
    #[track_caller]
    pub(super) fn lent(isa: Isa, tile: Tile, w: &[f32], o: usize, c: usize) -> Self {
        let words = |len| Words::Lent(Scratch::take(len));
        Self { isa, tile, o, c, words: words(0) }.filled(w, Order::Straight, words)
    }

    /// The transform, needed once, of the weight that makes the gradient of the input of the
    /// convolution with `w`, `[o, c, 3, 3]`, of that of its output: from `o` channels to `c`.
    #[track_caller]
    pub(super) fn turned(isa: Isa, tile: Tile, w: &[f32], o: usize, c: usize) -> Self {
        let words = |len| Words::Lent(Scratch::take(len));
        Self { isa, tile, o: c, c: o, words: words(0) }.filled(w, Order::Turned(c), words)
    }

    #[track_caller]
    fn filled(mut self, w: &[f32], order: Order, words: impl Fn(usize) -> Words) -> Self {
        let Self { isa, tile, o, c, .. } = self;
        assert_eq!(w.len(), o * c * 9, "elements of a weight of {o} × {c} kernels");
        let nr = Kernels::select(isa, tile.precision()).nr;
        let (panel, panels) = (self.panel_len(), o.div_ceil(nr));
        self.words = words(panels * panel);
        if panel > 0 {
            let (words, lent) = match &mut self.words {
                Words::Kept(words) => (words.words_mut(), false),
                Words::Lent(words) => (words.words_mut(), true),
            };
            word_chunks(words, panel, |p, panel| {
                let outputs = p * nr..((p + 1) * nr).min(o);
                pack(isa, tile, w, (order, lent), c, outputs, panel);
            });
        }
        self
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
        4 * self.words.words().len()
    }

    /// Words of one panel, `[positions, words of c, nr]`.
    fn panel_len(&self) -> usize {
        let kernels = Kernels::select(self.isa, self.tile.precision());
        self.tile.positions() * kernels.words(self.c) * kernels.nr
    }

    /// Panel `p`.
    pub(super) fn panel(&self, p: usize) -> &[u32] {
        let len = self.panel_len();
        &self.words.words()[p * len..][..len]
    }
}

/// Packs the outputs of one panel, which have `c` inputs each; `fast` if it is not for long.
fn pack(
    isa: Isa,
    tile: Tile,
    w: &[f32],
    (order, fast): (Order, bool),
    c: usize,
    outputs: Range<usize>,
    panel: &mut [u32],
) {
    let kernels = Kernels::select(isa, tile.precision());
    let (nr, cols) = (kernels.nr, outputs.len());
    let mut taps = Scratch::take(CHANNELS * 9 * nr);
    let mut plain = Scratch::take(CHANNELS * tile.positions() * nr);
    if cols < nr {
        taps.floats_mut().fill(0.0);
    }
    for first in (0..c).step_by(CHANNELS) {
        let count = CHANNELS.min(c - first);
        let taps = &mut taps.floats_mut()[..count * 9 * nr];
        match order {
            Order::Straight => {
                let w = &w[(outputs.start * c + first) * 9..];
                transpose(isa, w, c * 9, [cols, count * 9], taps, nr, |l| l);
            }
            Order::Turned(all) => {
                for (i, taps) in taps.chunks_exact_mut(9 * nr).enumerate() {
                    let w = &w[((first + i) * all + outputs.start) * 9..];
                    transpose(isa, w, 9, [cols, 9], taps, nr, |tap| 8 - tap);
                }
            }
        }
        let plain = &mut plain.floats_mut()[..count * tile.positions() * nr];
        match tile {
            _ if fast => lanes::run(isa, &Fast { tile, taps, nr, out: plain.as_mut_ptr() }),
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
