//! The loop under every product of bytes, for each instruction set.
//!
//! As in `microkernel`, a tile of sums stays in registers over all taps, and the left operand is
//! read through a pointer for each row. A word is 4 bytes along the summed dimension: signed ones
//! of activations, which a kernel broadcasts, and unsigned ones of weights, 128 too large. Sums are
//! whole numbers, so all instruction sets agree to the bit.

use crate::cpu::{self, Isa};

#[macro_use]
mod body;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512_vnni;
#[cfg(target_arch = "x86_64")]
#[macro_use]
mod avx_vnni;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(test)]
mod tests;

/// Columns of a packed panel, and of a tile.
pub(super) const PANEL: usize = 32;

/// What turns the sums of a row into numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RowTerms {
    /// The step of the row's bytes.
    pub scale: f32,
    /// The byte that stands for 0.
    pub zero: i32,
    /// The sum of all bytes of the row.
    pub sum: i32,
}

impl RowTerms {
    /// What to add to every sum of the row, because bytes of weights are 128 too large.
    #[inline(always)]
    fn shift(&self) -> i32 {
        self.sum.wrapping_mul(-128)
    }
}

/// One tile of `out[i, j] = scale_i · scale_j · Σ (a[i, l] - zero_i) · q[l, j] + bias[j]`, where
/// the sum is over `l` and taps, and `b = q + 128`: to the sum of all `a b` are added
/// `-128 Σ a[i, l]` and `-zero_i · Σ q[l, j]`.
///
/// The result stays within an i32 for the 65,536 terms allowed, `65,536 · 255 · 127 < 2³¹`; on the
/// way there, sums may wrap around.
pub(super) struct Tile {
    /// `[taps, mr]` pointers, each to `k` readable words of signed bytes.
    pub rows: *const *const u32,
    /// How many times the row pointers change.
    pub taps: usize,
    /// Words behind one row pointer.
    pub k: usize,
    /// `[taps · k, 32]` words of unsigned bytes.
    pub b: *const u32,
    /// `mr` rows' terms.
    pub terms: *const RowTerms,
    /// 32 columns' scales.
    pub scales: *const f32,
    /// 32 columns' sums of `q`.
    pub sums: *const i32,
    /// `cols` elements to add to each row, or null.
    pub bias: *const f32,
    /// Columns to write, `1..=32`.
    pub cols: usize,
    /// Where the first row of the tile begins, `cols` writable elements in each row.
    pub out: *mut f32,
    /// Elements from one row of the result to the next.
    pub out_stride: usize,
}

type RowsFn = unsafe fn(&Tile);

/// The kernels of one instruction set.
pub(super) struct Kernels {
    /// Most rows of a tile.
    pub mr: usize,
    /// By rows less one.
    rows: &'static [RowsFn],
    /// The sum of the signed bytes in so many words.
    sum: unsafe fn(*const u32, usize) -> i32,
}

impl Kernels {
    /// The kernels for `isa`.
    ///
    /// # Panics
    /// If this machine lacks `isa`, so that whoever holds kernels may call them.
    pub fn select(isa: Isa) -> &'static Self {
        assert!(isa <= cpu::isa(), "this machine lacks {isa:?}");
        #[cfg(target_arch = "x86_64")]
        match isa {
            Isa::Avx512 | Isa::Avx512Bf16 if cpu::has_vnni() => return &avx512_vnni::KERNELS,
            Isa::Avx512 | Isa::Avx512Bf16 | Isa::Avx2 if cpu::has_avx_vnni() => {
                return &avx_vnni::KERNELS;
            }
            Isa::Avx512 | Isa::Avx512Bf16 | Isa::Avx2 => return &avx2::KERNELS,
            Isa::Portable => {}
        }
        #[cfg(target_arch = "aarch64")]
        if isa == Isa::Neon && cpu::has_dotprod() {
            return &neon::KERNELS;
        }
        let _ = isa;
        &portable::KERNELS
    }

    /// Writes the tile of `mr` rows that `tile` describes.
    ///
    /// # Safety
    /// `mr` is at most [`Kernels::mr`], and everything `tile` says of its pointers holds.
    #[inline]
    pub unsafe fn rows(&self, mr: usize, tile: &Tile) {
        // SAFETY: passed on to the caller.
        unsafe { self.rows[mr - 1](tile) }
    }

    /// The sum of the signed bytes in `count` words.
    ///
    /// # Safety
    /// The words are readable.
    #[inline]
    pub unsafe fn sum(&self, words: *const u32, count: usize) -> i32 {
        // SAFETY: passed on to the caller.
        unsafe { (self.sum)(words, count) }
    }
}
