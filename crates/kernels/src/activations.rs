//! Activations as products read them: f32, or rounded to bf16 already.
//!
//! Where the machine multiplies pairs of bf16, whatever goes into a product is rounded first.
//! What makes an activation for products alone can leave it rounded: in half the memory, and the
//! products have the same bits.

use crate::Precision;
use crate::cpu;
use crate::microkernel::Kernels;

/// Rows of numbers that products read.
#[derive(Clone, Copy, Debug)]
pub enum Activations<'a> {
    /// One number in each element.
    F32(&'a [f32]),
    /// The bits of two neighbouring bf16 in each element, the first in the lower half; rows of an
    /// odd number end with one zero.
    Bf16(&'a [f32]),
}

/// Where rows of numbers are written: see [`Activations`].
#[derive(Debug)]
pub enum ActivationsMut<'a> {
    /// One number in each element.
    F32(&'a mut [f32]),
    /// Two bf16 in each element.
    Bf16(&'a mut [f32]),
}

/// Whether products in `precision` read [`Activations::Bf16`] on this machine. Elsewhere there
/// must be none.
pub fn has_pairs(precision: Precision) -> bool {
    Kernels::select(cpu::isa(), precision).pairs
}

impl<'a> Activations<'a> {
    /// The elements of the slice, whatever is in them.
    pub fn elements(self) -> &'a [f32] {
        match self {
            Self::F32(x) | Self::Bf16(x) => x,
        }
    }

    /// How many elements hold `numbers`, if that many are in each row.
    pub fn held(self, numbers: usize) -> usize {
        match self {
            Self::F32(_) => numbers,
            Self::Bf16(_) => numbers.div_ceil(2),
        }
    }

    /// From number `first` on, which must not be the second of a pair.
    pub(crate) fn skip(self, first: usize) -> Self {
        match self {
            Self::F32(x) => Self::F32(x.get(first..).unwrap_or_default()),
            Self::Bf16(x) => {
                debug_assert!(first.is_multiple_of(2), "the middle of a pair");
                Self::Bf16(x.get(first / 2..).unwrap_or_default())
            }
        }
    }
}

impl<'a> ActivationsMut<'a> {
    /// The elements of the slice.
    pub fn elements(self) -> &'a mut [f32] {
        match self {
            Self::F32(x) | Self::Bf16(x) => x,
        }
    }

    /// How many elements hold `numbers`, if that many are in each row.
    pub fn held(&self, numbers: usize) -> usize {
        match self {
            Self::F32(_) => numbers,
            Self::Bf16(_) => numbers.div_ceil(2),
        }
    }
}

/// The numbers of pairs, rows of `row_len`, as f32.
///
/// # Panics
/// If the lengths do not fit.
#[track_caller]
pub fn widen(pairs: &[f32], row_len: usize, out: &mut [f32]) {
    let held = row_len.div_ceil(2);
    let fits = out.len().checked_div(row_len).unwrap_or(0) * held == pairs.len();
    assert!(fits, "{} pairs for {} numbers in rows of {row_len}", pairs.len(), out.len());
    if row_len == 0 {
        return;
    }
    for (pairs, out) in pairs.chunks_exact(held).zip(out.chunks_exact_mut(row_len)) {
        for (pair, out) in pairs.iter().zip(out.chunks_mut(2)) {
            let bits = pair.to_bits();
            out[0] = f32::from_bits(bits << 16);
            if let Some(second) = out.get_mut(1) {
                *second = f32::from_bits(bits & 0xffff_0000);
            }
        }
    }
}
