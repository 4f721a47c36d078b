//! The gradient of a convolution's weight: for every tap, a sum over output pixels of outer
//! products of the output's gradient and the input pixel that the tap sees.

use super::pixel_pairs::PixelPairs;
use super::{Conv2dShape, Isa};
use crate::gemm::operand::Operand;
use crate::gemm::outer::{OuterProduct, Runs};
use crate::microkernel::{Kernels, Run};
use crate::scratch::Scratch;
use crate::{Precision, parallel};

/// Rows of output pixels and of the input pixels that a tap sees; padding is left out.
struct PixelRows<'a> {
    s: &'a Conv2dShape,
    x: *const u32,
    dy: *const u32,
    swapped: bool,
}

// SAFETY: the pointers are only read through.
unsafe impl Sync for PixelRows<'_> {}

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
            let x = self.x.wrapping_add(((picture * s.h + iy) * s.w + ix) * s.c);
            let dy = self.dy.wrapping_add((unit * ow + from) * s.o);
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
    if Kernels::select(isa, precision).pairs {
        let pairs = PixelPairs::new(isa, s, x, dy);
        // SAFETY: a run is part of a row of pairs of pixels, from x and from dy.
        unsafe { product(isa, precision, s, s.c, pairs.across()).run(&pairs, sums) };
    } else {
        let x = Operand::rows(isa, precision, x, s.c);
        let dy = Operand::rows(isa, precision, dy, s.o);
        let rows = PixelRows { s, x: x.as_ptr(), dy: dy.as_ptr(), swapped: swapped(s) };
        let across = s.output()[1];
        // SAFETY: a run is part of a row of pixels in x and in dy.
        unsafe { product(isa, precision, s, s.stride * s.c, across).run(&rows, sums) };
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

/// The product over rows of `across` pixels, or pairs, that lie `x_stride` apart in x.
fn product(
    isa: Isa,
    precision: Precision,
    s: &Conv2dShape,
    x_stride: usize,
    across: usize,
) -> OuterProduct {
    let swapped = swapped(s);
    OuterProduct {
        isa,
        precision,
        taps: s.taps(),
        a_cols: if swapped { s.c } else { s.o },
        b_cols: if swapped { s.o } else { s.c },
        a_stride: if swapped { x_stride } else { s.o },
        b_stride: if swapped { s.o } else { x_stride },
        units: s.n * s.output()[0],
        unit_rows: across,
    }
}
