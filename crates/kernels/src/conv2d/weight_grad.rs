//! The gradient of a convolution's weight: for every tap, a sum over output pixels of outer
//! products of the output's gradient and the input pixel that the tap sees.

use super::pixel_pairs::PixelPairs;
use super::{Conv2dShape, Isa};
use crate::gemm::operand::Operand;
use crate::gemm::outer::{OuterProduct, Runs};
use crate::microkernel::{Kernels, Run};
use crate::scratch::Scratch;
use crate::{Precision, parallel};

/// Elements of a weight of which many sums are cheap.
const SMALL: usize = 1 << 14;

/// Words of copied pairs that stay in the L2 cache.
const BAND: usize = 1 << 16;

/// Rows of output pixels and of the input pixels that a tap sees; padding is left out.
struct PixelRows<'a> {
    s: &'a Conv2dShape,
    x: Operand<'a>,
    dy: Operand<'a>,
    swapped: bool,
}

impl Runs for PixelRows<'_> {
    fn runs(&self, tap: usize, first: usize, end: usize, runs: &mut Vec<Run>) {
        let s = self.s;
        let [oh, ow] = s.output();
        let (ky, kx) = (tap / s.kernel[1], tap % s.kernel[1]);
        // The output columns for which the tap is inside the picture.
        let from = s.padding[2].saturating_sub(kx).div_ceil(s.stride);
        let to = (s.w + s.padding[2]).saturating_sub(kx).div_ceil(s.stride).min(ow);
        if from >= to {
            return;
        }
        for unit in first..end {
            let (picture, oy) = (unit / oh, unit % oh);
            let iy = (oy * s.stride + ky).wrapping_sub(s.padding[0]);
            if iy >= s.h {
                continue;
            }
            let ix = from * s.stride + kx - s.padding[2];
            let x = ((picture * s.h + iy) * s.w + ix) * self.x.stride();
            let x = self.x.as_ptr().wrapping_add(x);
            let dy = self.dy.as_ptr().wrapping_add((unit * ow + from) * self.dy.stride());
            let (a, b) = if self.swapped { (x, dy) } else { (dy, x) };
            runs.push(Run { a, b, len: to - from });
        }
    }
}

/// Whether the input is the better left operand: the right one is padded to whole vectors.
pub(super) fn swapped(s: &Conv2dShape) -> bool {
    s.c * s.o.next_multiple_of(16) < s.o * s.c.next_multiple_of(16)
}

/// The gradient of the weight.
pub(super) fn run(
    isa: Isa,
    precision: Precision,
    s: &Conv2dShape,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    s.check([x.len(), dw.len(), dy.len()]);
    if dw.is_empty() {
        return;
    }
    let mut sums = Scratch::take(dw.len());
    let sums = sums.floats_mut();
    if Kernels::select(isa, precision).pairs && dw.len() <= SMALL {
        by_bands(isa, precision, s, x, dy, sums);
    } else {
        whole(isa, precision, s, x, dy, sums);
    }
    let (sums, swapped, [c, taps]) = (&*sums, swapped(s), [s.c, s.taps()]);
    parallel::chunks(dw, c * taps, |o, dw| {
        for tap in 0..taps {
            for channel in 0..c {
                dw[channel * taps + tap] = if swapped {
                    sums[(tap * c + channel) * s.o + o]
                } else {
                    sums[(tap * s.o + o) * c + channel]
                };
            }
        }
    });
}

/// The sums `[taps, a, b]` over all pixels at once.
fn whole(isa: Isa, precision: Precision, s: &Conv2dShape, x: &[f32], dy: &[f32], sums: &mut [f32]) {
    if Kernels::select(isa, precision).pairs {
        let pairs = PixelPairs::new(isa, s, x, dy);
        // SAFETY: a run is part of a row of pairs of pixels, from x and from dy.
        unsafe { product(isa, precision, s, [s.c, s.o], pairs.across()).run(&pairs, sums) };
    } else {
        let x = Operand::rows(isa, precision, x, s.c);
        let dy = Operand::rows(isa, precision, dy, s.o);
        let across = s.output()[1];
        let strides = [s.stride * x.stride(), dy.stride()];
        let rows = PixelRows { s, x, dy, swapped: swapped(s) };
        // SAFETY: a run is part of a row of pixels in x and in dy.
        unsafe { product(isa, precision, s, strides, across).run(&rows, sums) };
    }
}

/// The same sums by bands of output rows, each with its own copy of pairs, which stays in a cache.
fn by_bands(
    isa: Isa,
    precision: Precision,
    s: &Conv2dShape,
    x: &[f32],
    dy: &[f32],
    sums: &mut [f32],
) {
    let [oh, ow] = s.output();
    // Two phases of pairs of the input, and pairs of the output's gradient, take as many words.
    let height = (BAND / (s.w * s.c + ow * s.o / 2)).max(s.kernel[0]);
    let bands = oh.div_ceil(height);
    let [top, bottom, left, right] = s.padding;
    if s.n * bands == 1 || top >= s.kernel[0] || bottom >= s.kernel[0] {
        return whole(isa, precision, s, x, dy, sums);
    }
    let mut partial = Scratch::take(s.n * bands * sums.len());
    parallel::chunks(partial.floats_mut(), sums.len(), |i, out| {
        let (picture, band) = (i / bands, i % bands);
        let (first, end) = (band * oh / bands, (band + 1) * oh / bands);
        // The input rows that these outputs see, and the padding that they still see.
        let (from, to) = (first * s.stride, (end - 1) * s.stride + s.kernel[0]);
        let (low, high) = (from.saturating_sub(top), (to - top).min(s.h));
        let padding = [low + top - from, to - top - high, left, right];
        let part = Conv2dShape { n: 1, h: high - low, padding, ..*s };
        let x = &x[(picture * s.h + low) * s.w * s.c..(picture * s.h + high) * s.w * s.c];
        let dy = &dy[(picture * oh + first) * ow * s.o..(picture * oh + end) * ow * s.o];
        whole(isa, precision, &part, x, dy, out);
    });
    let len = sums.len();
    let partial = &*partial.floats_mut();
    parallel::chunks(sums, SMALL / 8, |i, out| {
        out.fill(0.0);
        for part in partial.chunks_exact(len) {
            for (sum, x) in out.iter_mut().zip(&part[i * (SMALL / 8)..]) {
                *sum += x;
            }
        }
    });
}

/// The product over rows of `across` pixels, or pairs, that lie so far apart in x and dy.
fn product(
    isa: Isa,
    precision: Precision,
    s: &Conv2dShape,
    [x_stride, dy_stride]: [usize; 2],
    across: usize,
) -> OuterProduct {
    let swapped = swapped(s);
    OuterProduct {
        isa,
        precision,
        taps: s.taps(),
        a_cols: if swapped { s.c } else { s.o },
        b_cols: if swapped { s.o } else { s.c },
        a_stride: if swapped { x_stride } else { dy_stride },
        b_stride: if swapped { dy_stride } else { x_stride },
        units: s.n * s.output()[0],
        unit_rows: across,
    }
}
