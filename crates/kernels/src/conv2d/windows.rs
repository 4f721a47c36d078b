//! The rows of a convolution as a product: for every pixel of a grid, what each tap sees.

use super::Isa;
use crate::Precision;
use crate::gemm::operand::{Operand, copy_row};
use crate::gemm::rows::LeftRows;
use crate::microkernel::Kernels;
use crate::scratch::{self, Scratch};

/// Up to this many channels a padded copy is cheaper than changing row pointers for every tap.
const FEW_CHANNELS: usize = 16;

/// Words that one task copies.
const CHUNK: usize = 1 << 14;

/// Bytes of copied pictures that stay in the L2 cache until they have been multiplied.
const AT_ONCE: usize = 1 << 19;

/// How many of `n` pictures `[h, w, c]` to treat in one product: all, unless their copies would
/// go through memory where those of a few stay in a cache.
pub(super) fn pictures_at_once(
    isa: Isa,
    precision: Precision,
    n: usize,
    [h, w, c]: [usize; 3],
) -> usize {
    let kernels = Kernels::select(isa, precision);
    let bytes = (h * w * kernels.words(c) * 4).max(1);
    // A product of less than a quarter of the pictures would leave threads without work.
    let at_once = (AT_ONCE / bytes).max(1);
    if kernels.pairs && bytes <= 2 * AT_ONCE && n.div_ceil(at_once) >= 4 { at_once } else { n }
}

/// Pictures `[n, h, w, c]` to look at, in the form that the micro-kernels read.
pub(super) struct Source<'a> {
    pixels: Operand<'a>,
    h: usize,
    /// Width with padding.
    w: usize,
    /// Zeros before each row, if it is padded.
    left: Option<usize>,
    /// What taps above and below the picture see.
    zeros: Vec<u32>,
}

impl<'a> Source<'a> {
    /// The pictures `x`, at which windows of `width` taps look that reach at most `pads` columns
    /// out of them to the left and to the right.
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
            return Self { pixels, h, w, left: None, zeros };
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
                copy_row(isa, precision, x, c, out);
            }
        });
        let pixels = Operand::copied(copy, words);
        Self { pixels, h, w: padded, left: Some(left), zeros }
    }

    /// How many of `width` neighbouring taps one row pointer serves.
    pub fn merged(&self, width: usize) -> usize {
        if self.left.is_some() { width } else { 1 }
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
        let Source { pixels, h, w, left, zeros } = self.source;
        let (pixels, stride, zeros) = (pixels.as_ptr(), pixels.stride(), zeros.as_ptr());
        let [down, across] = self.grid;
        let [per_picture, per_row, per_pixel] = self.out_strides;
        let count = outs.len();
        let merged = self.source.merged(self.width);
        let shift = left.unwrap_or(0) as isize;
        let mut done = 0;
        while done < count {
            // Pixels in one row of the grid are treated together.
            let (line, j) = ((first + done) / across, (first + done) % across);
            let (n, i) = (line / down, line % down);
            let run = (across - j).min(count - done);
            let out = self.out.wrapping_add(n * per_picture + i * per_row + j * per_pixel);
            for (r, slot) in outs[done..done + run].iter_mut().enumerate() {
                *slot = out.wrapping_add(r * per_pixel);
            }
            let groups = rows.chunks_exact_mut(count).zip(self.taps.iter().step_by(merged));
            for (group, [y, x]) in groups {
                let group = &mut group[done..done + run];
                // An index before the first wraps around to one that is far too large.
                let y = (y + (i * self.step) as isize) as usize;
                if y >= *h {
                    group.fill(zeros);
                    continue;
                }
                let x = x + shift + (j * self.step) as isize;
                let row = pixels.wrapping_add((n * h + y) * w * stride);
                for (r, slot) in group.iter_mut().enumerate() {
                    let x = (x + (r * self.step) as isize) as usize;
                    *slot = if x < *w { row.wrapping_add(x * stride) } else { zeros };
                }
            }
            done += run;
        }
    }
}
