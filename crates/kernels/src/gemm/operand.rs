//! Left operands in the form that the micro-kernels read.

use crate::Precision;
use crate::bf16;
use crate::cpu::Isa;
use crate::microkernel::Kernels;
use crate::parallel;
use crate::scratch::{self, Scratch};

/// Elements that one task converts.
const CHUNK: usize = 1 << 15;

/// Rows of words: the caller's f32, or a rounded copy.
pub(crate) enum Operand<'a> {
    /// f32 as they are.
    Borrowed(&'a [f32]),
    /// bf16 pairs, or f32 rounded to bf16.
    Copied(Scratch),
}

impl<'a> Operand<'a> {
    /// `x`, rows of `row_len`, for the kernels of `isa` and `precision`. In pairs of bf16 a row
    /// takes `Kernels::words(row_len)` words.
    pub fn rows(isa: Isa, precision: Precision, x: &'a [f32], row_len: usize) -> Self {
        if precision == Precision::F32 {
            return Self::Borrowed(x);
        }
        let kernels = Kernels::select(isa, precision);
        if !kernels.pairs {
            let mut copy = Scratch::take(x.len());
            parallel::chunks(copy.floats_mut(), CHUNK, |i, out| {
                bf16::rounded(&x[i * CHUNK..][..out.len()], out);
            });
            return Self::Copied(copy);
        }
        let words = kernels.words(row_len);
        let mut copy = Scratch::take(x.len() / row_len.max(1) * words);
        if row_len.is_multiple_of(2) {
            scratch::word_chunks(copy.words_mut(), CHUNK / 2, |i, out| {
                bf16::pack(isa, &x[i * CHUNK..][..2 * out.len()], out);
            });
        } else {
            let rows = (CHUNK / row_len).max(1);
            scratch::word_chunks(copy.words_mut(), rows * words, |i, out| {
                let x = x[i * rows * row_len..].chunks_exact(row_len);
                for (x, out) in x.zip(out.chunks_exact_mut(words)) {
                    bf16::pack(isa, x, out);
                }
            });
        }
        Self::Copied(copy)
    }

    /// `x`, rows of `row_len`, as the summed dimension of an outer product: in pairs of bf16, words
    /// pair an element with the one below it, and an odd last row with zeros.
    pub fn columns(isa: Isa, precision: Precision, x: &'a [f32], row_len: usize) -> Self {
        if !Kernels::select(isa, precision).pairs {
            return Self::rows(isa, precision, x, row_len);
        }
        let rows = x.len() / row_len.max(1);
        let mut copy = Scratch::take(rows.div_ceil(2) * row_len);
        let step = (CHUNK / row_len.max(1)).max(1);
        scratch::word_chunks(copy.words_mut(), step * row_len, |i, out| {
            let x = &x[i * step * 2 * row_len..];
            for (two, out) in x.chunks(2 * row_len).zip(out.chunks_exact_mut(row_len)) {
                let (low, high) = two.split_at(row_len);
                bf16::interleave(isa, low, (!high.is_empty()).then_some(high), out);
            }
        });
        Self::Copied(copy)
    }

    /// The address of the first word.
    pub fn as_ptr(&self) -> *const u32 {
        match self {
            Self::Borrowed(x) => x.as_ptr().cast(),
            Self::Copied(copy) => copy.words().as_ptr(),
        }
    }
}
