//! Left operands in the form that the micro-kernels read.

use crate::bf16;
use crate::cpu::Isa;
use crate::microkernel::Kernels;
use crate::scratch::{self, Scratch};
use crate::{Activations, Precision};

/// Words that one task copies.
const CHUNK: usize = 1 << 14;

/// Rows that lie a multiple of this many words apart share so few sets of the L1 cache that the
/// rows of one tile push each other out of it.
const ALIAS: usize = 1024;

/// Rows of words: the caller's f32, or a copy.
pub(crate) struct Operand<'a> {
    words: Words<'a>,
    stride: usize,
}

enum Words<'a> {
    /// f32 as they are.
    Borrowed(&'a [f32]),
    /// bf16 pairs, f32 rounded to bf16, or f32 further apart.
    Copied(Scratch),
}

impl<'a> Operand<'a> {
    /// `x`, rows of `row_len`, for the kernels of `isa` and `precision`.
    pub fn rows(isa: Isa, precision: Precision, x: &'a [f32], row_len: usize) -> Self {
        let kernels = Kernels::select(isa, precision);
        let words = kernels.words(row_len);
        let stride = spread(words);
        if precision == Precision::F32 && stride == row_len {
            return Self { words: Words::Borrowed(x), stride };
        }
        let rows = x.len() / row_len.max(1);
        let mut copy = Scratch::take(rows * stride);
        let per_task = (CHUNK / stride.max(1)).max(1);
        scratch::word_chunks(copy.words_mut(), per_task * stride, |task, out| {
            let x = x[task * per_task * row_len..].chunks_exact(row_len);
            for (x, out) in x.zip(out.chunks_exact_mut(stride)) {
                copy_row(isa, precision, x, row_len, &mut out[..words]);
            }
        });
        Self { words: Words::Copied(copy), stride }
    }

    /// `x`, rows of `row_len` that may be rounded already, for the kernels of `isa` and `precision`.
    ///
    /// # Panics
    /// If there are pairs that the kernels do not read.
    #[track_caller]
    pub fn of(isa: Isa, precision: Precision, x: Activations<'a>, row_len: usize) -> Self {
        let x = match x {
            Activations::F32(x) => return Self::rows(isa, precision, x, row_len),
            Activations::Bf16(x) => x,
        };
        assert!(Kernels::select(isa, precision).pairs, "pairs of bf16 in {precision:?}");
        let words = row_len.div_ceil(2);
        if spread(words) == words {
            return Self { words: Words::Borrowed(x), stride: words };
        }
        // Copied only to lie further apart.
        Self::rows(isa, Precision::F32, x, words)
    }

    /// `x`, rows of `row_len`, as the summed dimension of an outer product: in pairs of bf16, words
    /// pair an element with the one below it, and an odd last row with zeros.
    pub fn columns(isa: Isa, precision: Precision, x: &'a [f32], row_len: usize) -> Self {
        if !Kernels::select(isa, precision).pairs {
            return Self::rows(isa, precision, x, row_len);
        }
        let rows = x.len() / row_len.max(1);
        let stride = spread(row_len);
        let mut copy = Scratch::take(rows.div_ceil(2) * stride);
        let per_task = (CHUNK / stride.max(1)).max(1);
        scratch::word_chunks(copy.words_mut(), per_task * stride, |task, out| {
            let x = &x[task * per_task * 2 * row_len..];
            for (two, out) in x.chunks(2 * row_len).zip(out.chunks_exact_mut(stride)) {
                let (low, high) = two.split_at(row_len);
                let high = (!high.is_empty()).then_some(high);
                bf16::interleave(isa, low, high, &mut out[..row_len]);
            }
        });
        Self { words: Words::Copied(copy), stride }
    }

    /// Rows that the caller has copied, `stride` words apart.
    pub fn copied(words: Scratch, stride: usize) -> Self {
        Self { words: Words::Copied(words), stride }
    }

    /// The address of the first word.
    pub fn as_ptr(&self) -> *const u32 {
        match &self.words {
            Words::Borrowed(x) => x.as_ptr().cast(),
            Words::Copied(copy) => copy.words().as_ptr(),
        }
    }

    /// Words from one row to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }
}

/// A good distance for rows of `words`.
fn spread(words: usize) -> usize {
    if words > 0 && words.is_multiple_of(ALIAS) { words + 16 } else { words }
}

/// Elements, in groups of `c`, as words: pairs of bf16, f32 rounded to bf16, or f32.
pub(crate) fn copy_row(isa: Isa, precision: Precision, x: &[f32], c: usize, out: &mut [u32]) {
    if precision == Precision::F32 {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = x.to_bits();
        }
    } else if !Kernels::select(isa, precision).pairs {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = bf16::round(x) << 16;
        }
    } else if c.is_multiple_of(2) {
        bf16::pack(isa, x, out);
    } else {
        for (x, out) in x.chunks_exact(c).zip(out.chunks_exact_mut(c.div_ceil(2))) {
            bf16::pack(isa, x, out);
        }
    }
}
