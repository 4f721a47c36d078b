//! Activations as bytes, with levels of their own for each band of output rows.
//!
//! A sum over taps can have only one scale, so all that the pixels of a band look at shares one: a
//! band is some rows of output pixels, and holds its own copy of the input rows they see, padding
//! included. Bands of few rows follow the picture's contrast, and nothing waits for a pass over the
//! whole picture. Of a linear layer every row is a picture of one pixel, hence a band.

use super::kernel::{Kernels, RowTerms};
use super::levels::{Levels, widen};
use crate::Activations;
use crate::conv2d::Conv2dShape;
use crate::cpu::Isa;
use crate::parallel;
use crate::scratch::Scratch;

/// Output rows of a band. Each band of a 3 × 3 convolution copies two input rows more, here a
/// quarter. Half as many rows would lower the error on normal noise by only 0.2 dB.
const BAND: usize = 8;

/// Words that one task writes.
const TASK: usize = 1 << 13;

/// Bands that lie an even number of cache lines apart share sets of the L1 cache.
const LINE: usize = 16;

/// The input of a convolution in bytes.
pub(super) struct Quantized {
    words: Scratch,
    levels: Vec<Levels>,
    /// The sums of the bytes, where a band is a pixel.
    sums: Vec<i32>,
    bands: Bands,
}

/// Where the bands lie.
struct Bands {
    shape: Conv2dShape,
    output: [usize; 2],
    /// Bands of a picture.
    count: usize,
    /// Pixels of a padded row.
    width: usize,
    /// Words of a pixel: 4 channels each, the last filled up with zeros.
    pixel: usize,
    /// Words from one band to the next.
    stride: usize,
}

impl Quantized {
    /// Quantizes x `[n, h, w, c]`.
    ///
    /// # Panics
    /// If x is rounded and not the rows of a linear layer.
    pub fn new(isa: Isa, s: &Conv2dShape, x: Activations) -> Self {
        let bands = Bands::new(s);
        assert!(matches!(x, Activations::F32(_)) || bands.are_pixels(), "rounded pixels of {s:?}");
        let (count, stride) = (s.n * bands.count, bands.stride);
        let mut words = Scratch::take(count * stride);
        let (mut levels, mut sums) = (vec![Levels::default(); count], vec![0; count]);
        let per_task = (TASK / stride).max(1);
        let cut = (words.words_mut(), per_task * stride);
        let (level_cut, sum_cut) = ((&mut levels[..], per_task), (&mut sums[..], per_task));
        parallel::chunks3(cut, level_cut, sum_cut, |task, words, levels, sums| {
            let mut row = Scratch::take(s.c.next_multiple_of(2));
            let parts = words.chunks_exact_mut(stride).zip(levels).zip(sums).enumerate();
            for (i, ((words, levels), sum)) in parts {
                let band = task * per_task + i;
                (*levels, *sum) = match x {
                    Activations::F32(x) => bands.fill(isa, x, band, words),
                    Activations::Bf16(x) => {
                        let pairs = &x[band * s.c.div_ceil(2)..][..s.c.div_ceil(2)];
                        widen(isa, pairs, row.floats_mut());
                        bands.fill_pixel(isa, &row.floats_mut()[..s.c], words)
                    }
                };
            }
        });
        Self { words, levels, sums, bands }
    }

    /// Output pixels.
    pub fn rows(&self) -> usize {
        self.bands.shape.n * self.bands.output[0] * self.bands.output[1]
    }

    /// Words behind each row pointer: the taps of one kernel row lie one behind the other.
    pub fn run(&self) -> usize {
        self.bands.shape.kernel[1] * self.bands.pixel
    }

    /// For the output pixels from `first` on, as many as `terms` is long: `rows[ky · len + i]` gets
    /// what pixel `first + i` sees in kernel row `ky`, `terms[i]` the levels and the sum of it.
    pub fn locate(
        &self,
        kernels: &Kernels,
        first: usize,
        rows: &mut [*const u32],
        terms: &mut [RowTerms],
    ) {
        let words = self.words.words().as_ptr();
        let Bands { output: [down, across], count: bands, width, pixel, stride, .. } = self.bands;
        let (count, step) = (terms.len(), self.bands.shape.stride);
        if self.bands.are_pixels() {
            for (i, (row, terms)) in rows.iter_mut().zip(terms).enumerate() {
                let Levels { scale, zero } = self.levels[first + i];
                *terms = RowTerms { scale, zero: zero.into(), sum: self.sums[first + i] };
                *row = words.wrapping_add((first + i) * stride);
            }
            return;
        }
        let mut done = 0;
        while done < count {
            // Pixels in one row of the output are treated together.
            let (line, j) = divide(first + done, across);
            let (picture, i) = divide(line, down);
            let run = (across - j).min(count - done);
            let band = picture * bands + i / BAND;
            let Levels { scale, zero } = self.levels[band];
            terms[done..done + run].fill(RowTerms { scale, zero: zero.into(), sum: 0 });
            for (ky, group) in rows.chunks_exact_mut(count).enumerate() {
                let at = (i % BAND * step + ky) * width + j * step;
                let at = words.wrapping_add(band * stride + at * pixel);
                for (r, slot) in group[done..done + run].iter_mut().enumerate() {
                    *slot = at.wrapping_add(r * step * pixel);
                }
            }
            done += run;
        }
        for group in rows.chunks_exact(count) {
            for (terms, &row) in terms.iter_mut().zip(group) {
                // SAFETY: the words of a kernel row lie one behind the other within the band.
                terms.sum += unsafe { kernels.sum(row, self.run()) };
            }
        }
    }
}

impl Bands {
    fn new(s: &Conv2dShape) -> Self {
        let output = s.output();
        let pixels = s.n * output[0] * output[1];
        assert!(u32::try_from(pixels).is_ok(), "too many pixels: {s:?}");
        let [_, _, left, right] = s.padding;
        let (width, pixel) = (left + s.w + right, s.c.div_ceil(4));
        let lines = (BAND.min(output[0]) - 1) * s.stride + s.kernel[0];
        let stride = ((lines * width * pixel).div_ceil(LINE) | 1) * LINE;
        Self { shape: *s, output, count: output[0].div_ceil(BAND), width, pixel, stride }
    }

    /// Whether every band is one pixel and nothing else, as those of a linear layer are.
    fn are_pixels(&self) -> bool {
        let s = &self.shape;
        [s.h, s.w] == [1, 1] && s.kernel == [1, 1] && s.padding == [0; 4]
    }

    /// Writes a band. Returns its levels and, of a pixel, the sum of its bytes.
    fn fill(&self, isa: Isa, x: &[f32], band: usize, words: &mut [u32]) -> (Levels, i32) {
        let s = &self.shape;
        if self.are_pixels() {
            return self.fill_pixel(isa, &x[band * s.c..][..s.c], words);
        }
        let (picture, first) = (band / self.count, band % self.count * BAND);
        let rows = BAND.min(self.output[0] - first);
        // Lines of the padded picture, and those of them that are the picture's own.
        let (start, lines) = (first * s.stride, (rows - 1) * s.stride + s.kernel[0]);
        let inside = |line: usize| line.saturating_sub(s.padding[0]).min(s.h);
        let x = &x[picture * s.h * s.w * s.c..][..s.h * s.w * s.c];
        let x = &x[inside(start) * s.w * s.c..inside(start + lines) * s.w * s.c];
        let levels = Levels::of(isa, x);
        let mut own = x.chunks_exact((s.w * s.c).max(1));
        let line_len = (4 * self.pixel * self.width).max(1);
        let bytes = bytes_of(words).chunks_exact_mut(line_len);
        for (line, out) in (start..start + lines).zip(bytes) {
            let is_own = (s.padding[0]..s.padding[0] + s.h).contains(&line);
            match if is_own { own.next() } else { None } {
                None => self.zeros(levels, out),
                Some(x) => {
                    let (before, out) = out.split_at_mut(4 * self.pixel * s.padding[2]);
                    let (out, after) = out.split_at_mut(4 * self.pixel * s.w);
                    self.zeros(levels, before);
                    self.zeros(levels, after);
                    if s.c.is_multiple_of(4) {
                        levels.bytes(isa, x, out);
                        continue;
                    }
                    for (x, out) in x.chunks_exact(s.c).zip(out.chunks_exact_mut(4 * self.pixel)) {
                        levels.bytes(isa, x, &mut out[..s.c]);
                        out[s.c..].fill(0);
                    }
                }
            }
        }
        (levels, 0)
    }

    /// Writes a band that is the pixel x.
    fn fill_pixel(&self, isa: Isa, x: &[f32], words: &mut [u32]) -> (Levels, i32) {
        let levels = Levels::of(isa, x);
        let (bytes, rest) = bytes_of(words).split_at_mut(x.len());
        rest[..4 * self.pixel - x.len()].fill(0);
        (levels, levels.bytes(isa, x, bytes))
    }

    /// Writes pixels that stand for 0. What fills up the last word of a pixel is 0 in bytes: it is
    /// in no sum.
    fn zeros(&self, levels: Levels, out: &mut [i8]) {
        out.fill(levels.zero);
        if !self.shape.c.is_multiple_of(4) {
            for pixel in out.chunks_exact_mut(4 * self.pixel) {
                pixel[self.shape.c..].fill(0);
            }
        }
    }
}

/// Quotient and remainder of numbers that are checked to be below 2³².
fn divide(a: usize, b: usize) -> (usize, usize) {
    let (a, b) = (a as u32, b as u32);
    ((a / b) as usize, (a % b) as usize)
}

/// The same memory as bytes.
pub(crate) fn bytes_of(words: &mut [u32]) -> &mut [i8] {
    // SAFETY: a word is 4 bytes, with less alignment, and every bit pattern is an i8.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), 4 * words.len()) }
}
