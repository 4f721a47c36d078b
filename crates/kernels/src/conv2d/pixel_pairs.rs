//! Pictures as pairs of neighbouring pixels in bf16, for the weight gradient: `vdpbf16ps` sums
//! over pairs, and there the sum is over pixels.
//!
//! A pair of output pixels `2 j, 2 j + 1` sees, through tap `kx`, input pixels that pair up
//! differently for every `kx` below twice the stride; from there on the pairs repeat, one later.
//! So the input is copied once for each such phase, `⌈kw / 2⌉` times at most 2 with stride 1.

use super::weight_grad::swapped;
use super::{Conv2dShape, Isa};
use crate::bf16;
use crate::gemm::outer::Runs;
use crate::microkernel::Run;
use crate::scratch::{self, Scratch};

/// Pairs of pixels of the input and of the output's gradient.
pub(super) struct PixelPairs<'a> {
    s: &'a Conv2dShape,
    /// For each phase `[n, h, pairs, c]`.
    x: Vec<(Scratch, usize)>,
    /// `[n, oh, pairs, o]`.
    dy: Scratch,
}

impl<'a> PixelPairs<'a> {
    /// Pairs of `x` and `dy`.
    pub fn new(isa: Isa, s: &'a Conv2dShape, x: &[f32], dy: &[f32]) -> Self {
        let [_, ow] = s.output();
        let across = ow.div_ceil(2);
        let phases = s.kernel[1].min(2 * s.stride);
        let x = (0..phases)
            .map(|phase| {
                let pairs = across + (s.kernel[1] - 1 - phase) / (2 * s.stride);
                let first = phase as isize - s.padding[2] as isize;
                (copy(isa, x, [s.w, s.c], pairs, first, s.stride), pairs)
            })
            .collect();
        Self { s, x, dy: copy(isa, dy, [ow, s.o], across, 0, 1) }
    }

    /// Pairs in a row of output pixels.
    pub fn across(&self) -> usize {
        self.s.output()[1].div_ceil(2)
    }
}

/// For every row of `width` pixels, `pairs` pairs of pixels `first + (2 j, 2 j + 1) · step`; pixels
/// outside are zeros.
fn copy(
    isa: Isa,
    x: &[f32],
    [width, c]: [usize; 2],
    pairs: usize,
    first: isize,
    step: usize,
) -> Scratch {
    let rows = x.len() / (width * c);
    let mut out = Scratch::take(rows * pairs * c);
    let per_task = ((1 << 14) / (pairs * c)).max(1);
    scratch::word_chunks(out.words_mut(), per_task * pairs * c, |task, out| {
        let x = x[task * per_task * width * c..].chunks_exact(width * c);
        for (x, out) in x.zip(out.chunks_exact_mut(pairs * c)) {
            bf16::pair_pixels(isa, x, c, first, step, out);
        }
    });
    out
}

impl Runs for PixelPairs<'_> {
    fn runs(&self, tap: usize, first: usize, end: usize, runs: &mut Vec<Run>) {
        let s = self.s;
        let oh = s.output()[0];
        let across = self.across();
        let (ky, kx) = (tap / s.kernel[1], tap % s.kernel[1]);
        let (later, phase) = (kx / (2 * s.stride), kx % (2 * s.stride));
        let (x, pairs) = &self.x[phase];
        for unit in first..end {
            let (picture, oy) = (unit / oh, unit % oh);
            let iy = (oy * s.stride + ky).wrapping_sub(s.padding[0]);
            if iy >= s.h {
                continue;
            }
            let x = x.words()[((picture * s.h + iy) * pairs + later) * s.c..].as_ptr();
            let dy = self.dy.words()[unit * across * s.o..].as_ptr();
            let (a, b) = if swapped(s) { (x, dy) } else { (dy, x) };
            runs.push(Run { a, b, len: across });
        }
    }
}
