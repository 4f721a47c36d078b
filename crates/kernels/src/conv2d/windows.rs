//! The rows of a convolution as a product: for every pixel of a grid, what each tap sees.

use super::Isa;
use crate::bf16;
use crate::gemm::rows::LeftRows;
use crate::microkernel::Kernels;
use crate::scratch::{self, Scratch};
use crate::{Precision, gemm::operand::Operand};

/// Up to this many channels a padded copy is cheaper than changing row pointers for every tap.
const FEW_CHANNELS: usize = 16;

/// Words that one task copies.
const CHUNK: usize = 1 << 14;

/// A picture `[n, h, w, c]` to look at, in the form that the micro-kernels read.
pub(super) struct Source<'a> {
    pixels: Operand<'a>,
    h: usize,
    /// Width with padding.
    w: usize,
    /// Zeros before each row, if it is padded.
    left: Option<usize>,
    /// Words of a pixel.
    words: usize,
    /// What taps above and below the picture see.
    zeros: Vec<u32>,
}

impl<'a> Source<'a> {
    /// The picture `x`, at which windows of `width` taps look that reach at most `pads` columns
    /// out of it to the left and to the right.
    pub fn new(
        isa: Isa,
        precision: Precision,
        x: &'a [f32],
        [h, w, c]: [usize; 3],
        pads: [usize; 2],
        width: usize,
    ) -> Self {
        let kernels = Kernels::select(isa, precision);
        let words = kernels.words(c);
        let zeros = vec![0; width * words];
        if !kernels.pairs && c > FEW_CHANNELS {
            let pixels = Operand::rows(isa, precision, x, c);
            return Self { pixels, h, w, left: None, words, zeros };
        }
        let [left, right] = pads;
        let padded = left + w + right;
        let rows = x.len() / (w * c);
        let mut copy = Scratch::take(rows * padded * words);
        let per_task = (CHUNK / (padded * words)).max(1);
        scratch::word_chunks(copy.words_mut(), per_task * padded * words, |task, out| {
            let x = x[task * per_task * w * c..].chunks_exact(w * c);
            for (x, out) in x.zip(out.chunks_exact_mut(padded * words)) {
                let (before, out) = out.split_at_mut(left * words);
                let (out, after) = out.split_at_mut(w * words);
                before.fill(0);
                after.fill(0);
                copy_row(isa, precision, kernels.pairs, x, c, out);
            }
        });
        Self { pixels: Operand::Copied(copy), h, w: padded, left: Some(left), words, zeros }
    }

    /// How many of `width` neighbouring taps one row pointer serves.
    pub fn merged(&self, width: usize) -> usize {
        if self.left.is_some() { width } else { 1 }
    }
}

/// One row of pixels of `c` elements as words.
fn copy_row(isa: Isa, precision: Precision, pairs: bool, x: &[f32], c: usize, out: &mut [u32]) {
    if !pairs {
        let bf16 = precision == Precision::Bf16;
        for (out, &x) in out.iter_mut().zip(x) {
            *out = if bf16 { bf16::round(x) << 16 } else { x.to_bits() };
        }
    } else if c.is_multiple_of(2) {
        bf16::pack(isa, x, out);
    } else {
        for (x, out) in x.chunks_exact(c).zip(out.chunks_exact_mut(c.div_ceil(2))) {
            bf16::pack(isa, x, out);
        }
    }
}

/// A grid of results, each with a window into a source.
pub(super) struct Windows<'a> {
    /// What is looked at.
    pub source: &'a Source<'a>,
    /// Pixels of the grid, down and across, in each picture.
    pub grid: [usize; 2],
    /// Source pixels from one pixel of the grid to the next.
    pub step: usize,
    /// For every tap, the source pixel that grid pixel `[0, 0]` sees, by rows of taps in rising
    /// order across.
    pub taps: Vec<[isize; 2]>,
    /// Taps in a row.
    pub width: usize,
    /// The result of grid pixel `[0, 0]` in the first picture.
    pub out: *mut f32,
    /// Elements from one picture, row, and pixel of the grid to the next in the results.
    pub out_strides: [usize; 3],
}

// SAFETY: only addresses are computed from the pointer; `RowsProduct` writes each row once.
unsafe impl Sync for Windows<'_> {}

impl LeftRows for Windows<'_> {
    fn locate(&self, first: usize, rows: &mut [*const u32], outs: &mut [*mut f32]) {
        let Source { pixels, h, w, left, words, zeros } = self.source;
        let (pixels, zeros) = (pixels.as_ptr(), zeros.as_ptr());
        let [down, across] = self.grid;
        let count = outs.len();
        let merged = self.source.merged(self.width);
        let shift = left.unwrap_or(0) as isize;
        let (mut n, mut i, mut j) =
            (first / (down * across), first / across % down, first % across);
        for r in 0..count {
            let [per_picture, per_row, per_pixel] = self.out_strides;
            outs[r] = self.out.wrapping_add(n * per_picture + i * per_row + j * per_pixel);
            for (group, [y, x]) in self.taps.iter().step_by(merged).enumerate() {
                // An index before the first wraps around to one that is far too large.
                let y = (y + (i * self.step) as isize) as usize;
                let x = (x + shift + (j * self.step) as isize) as usize;
                rows[group * count + r] = if y < *h && x < *w {
                    pixels.wrapping_add(((n * h + y) * w + x) * words)
                } else {
                    zeros
                };
            }
            j += 1;
            if j == across {
                (j, i) = (0, i + 1);
                if i == down {
                    (i, n) = (0, n + 1);
                }
            }
        }
    }
}
