//! The two loops that carry every matrix product and convolution, for each instruction set.
//!
//! Both keep a tile of `mr × nr` sums in registers and add rank-one updates to it:
//! `rows` reads its left operand through one pointer a row, so a convolution needs no copy of its
//! input and the sums stay in registers across all taps; `outer` reads both operands row by row,
//! which is the shape of a weight gradient. The loops are written once, in `body.rs`; a file for
//! each instruction set says what a vector is and how it multiplies.
//!
//! Operands are 32-bit words: one f32, or a pair of bf16 along the summed dimension.

use crate::Precision;
use crate::cpu::{self, Isa};

#[macro_use]
mod body;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512_bf16;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

/// One tile of `out[i, j] = scale · Σ_tap Σ_l rows[tap, i][l] · b[tap, l, j] + bias[j]`.
pub(crate) struct RowsTile {
    /// `[taps, mr]` pointers, each to `k` readable words.
    pub rows: *const *const u32,
    /// How many times the row pointers change.
    pub taps: usize,
    /// Words of a row within one tap.
    pub k: usize,
    /// The right operand: `cols` readable words at every `tap · b_tap + l · b_stride`.
    pub b: *const u32,
    /// Words from one `l` to the next.
    pub b_stride: usize,
    /// Words from one tap to the next.
    pub b_tap: usize,
    /// Columns of the tile, `1..=nr`.
    pub cols: usize,
    /// `mr` pointers to the rows of the result.
    pub outs: *const *mut f32,
    /// Where in these rows the `cols` writable elements of the tile begin.
    pub out_col: usize,
    /// `cols` elements to add to each row, or null.
    pub bias: *const f32,
    /// What the sum of products is multiplied with.
    pub scale: f32,
    /// Whether the result is added to what `outs` holds.
    pub accumulate: bool,
}

/// A stretch of the summed dimension that `outer` walks with constant strides.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// The first row of the left operand.
    pub a: *const u32,
    /// The first row of the right operand.
    pub b: *const u32,
    /// Rows in the stretch.
    pub len: usize,
}

/// One tile of `out[i, j] = scale · Σ_run Σ_l a[l, a_col + i] · b[l, b_col + j]`.
pub(crate) struct OuterTile {
    /// The first of `run_count` runs.
    pub runs: *const Run,
    /// How many runs.
    pub run_count: usize,
    /// Words from one row of the left operand to the next.
    pub a_stride: usize,
    /// Words from one row of the right operand to the next.
    pub b_stride: usize,
    /// The first column of the left operand; `mr` words from there are readable in every row.
    pub a_col: usize,
    /// The first column of the right operand; `cols` words from there are readable in every row.
    pub b_col: usize,
    /// Columns of the tile, `1..=nr`.
    pub cols: usize,
    /// The first element of the tile in the result.
    pub out: *mut f32,
    /// Elements from one row of the result to the next.
    pub out_stride: usize,
    /// What the sum of products is multiplied with.
    pub scale: f32,
    /// Whether the result is added to what `out` holds.
    pub accumulate: bool,
}

type RowsFn = unsafe fn(&RowsTile);
type OuterFn = unsafe fn(&OuterTile);

/// The micro-kernels of one instruction set and operand type.
pub(crate) struct Kernels {
    /// Most rows of a tile.
    pub mr: usize,
    /// Most columns of a tile: two vectors.
    pub nr: usize,
    /// Whether a word is a pair of bf16 rather than one f32.
    pub pairs: bool,
    /// By rows less one, and by vectors less one.
    rows: &'static [[RowsFn; 2]],
    outer: &'static [[OuterFn; 2]],
}

impl Kernels {
    /// The kernels for `isa`. Those for `Precision::Bf16` are the f32 ones where the instruction
    /// set has no bf16 product; their callers then round the operands.
    ///
    /// # Panics
    /// If this machine lacks `isa`, so that whoever holds kernels may call them.
    pub fn select(isa: Isa, precision: Precision) -> &'static Self {
        assert!(isa <= cpu::isa(), "this machine lacks {isa:?}");
        #[cfg(target_arch = "x86_64")]
        match (isa, precision) {
            (Isa::Avx512Bf16, Precision::Bf16) => return &avx512_bf16::KERNELS,
            (Isa::Avx512Bf16 | Isa::Avx512, _) => return &avx512::KERNELS,
            (Isa::Avx2, _) => return &avx2::KERNELS,
            (Isa::Portable, _) => {}
        }
        #[cfg(target_arch = "aarch64")]
        if isa == Isa::Neon {
            return &neon::KERNELS;
        }
        let _ = (isa, precision);
        &portable::KERNELS
    }

    /// How many words `k` elements of the summed dimension take.
    pub fn words(&self, k: usize) -> usize {
        if self.pairs { k.div_ceil(2) } else { k }
    }

    /// Writes the tile of `mr` rows that `tile` describes.
    ///
    /// # Safety
    /// `mr` is at most [`Kernels::mr`], and everything `tile` says of its pointers holds.
    #[inline]
    pub unsafe fn rows(&self, mr: usize, tile: &RowsTile) {
        let kernel = self.rows[mr - 1][(tile.cols - 1) / (self.nr / 2)];
        // SAFETY: passed on to the caller.
        unsafe { kernel(tile) }
    }

    /// Writes the tile of `mr` rows that `tile` describes.
    ///
    /// # Safety
    /// As for [`Kernels::rows`].
    #[inline]
    pub unsafe fn outer(&self, mr: usize, tile: &OuterTile) {
        let kernel = self.outer[mr - 1][(tile.cols - 1) / (self.nr / 2)];
        // SAFETY: passed on to the caller.
        unsafe { kernel(tile) }
    }
}
