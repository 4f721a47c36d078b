//! The gradient of a convolution's input: every input pixel is a row, summed over the taps
//! through which an output pixel sees it.
//!
//! With stride `s`, which taps these are depends on the pixel's coordinates modulo `s` alone (but
//! for the border), so the pixels are treated in `s²` classes and no product with a zero between
//! outputs is formed.

use super::windows::{Source, Windows, pictures_at_once};
use super::{Conv2dShape, Isa};
use crate::Precision;
use crate::gemm::rows::{RightPanels, RowsProduct};
use crate::gemm::transpose::transpose;
use crate::parallel;

/// The weight `[o, c, kh, kw]` as panels `[taps of a class, o, c]`.
struct Weight<'a> {
    s: &'a Conv2dShape,
    w: &'a [f32],
    /// For every tap `ky · kw + kx` its place in the class, if it is in it.
    places: Vec<Option<usize>>,
}

impl RightPanels for Weight<'_> {
    fn pack(&self, isa: Isa, first: usize, cols: usize, panel: &mut [f32], stride: usize) {
        let s = self.s;
        let taps = s.taps();
        for o in 0..s.o {
            let w = &self.w[(o * s.c + first) * taps..][..cols * taps];
            if s.stride == 1 {
                let place = |tap: usize| self.places[tap].map_or(0, |tap| tap * s.o + o);
                transpose(isa, w, taps, [cols, taps], panel, stride, place);
                continue;
            }
            for (tap, place) in self.places.iter().enumerate() {
                if let Some(place) = place {
                    let out = &mut panel[(place * s.o + o) * stride..][..cols];
                    for (out, w) in out.iter_mut().zip(w[tap..].iter().step_by(taps)) {
                        *out = *w;
                    }
                }
            }
        }
    }
}

/// The taps of one dimension through which outputs see the input coordinates `at + i · stride`,
/// and which output `at` itself sees, by rising output.
fn seen(at: usize, kernel: usize, padding: usize, stride: usize) -> Vec<(usize, isize)> {
    (0..kernel)
        .rev()
        .filter(|k| (at + padding) % stride == k % stride)
        .map(|k| (k, ((at + padding) as isize - k as isize) / stride as isize))
        .collect()
}

/// The gradient of the input.
pub(super) fn run(
    isa: Isa,
    precision: Precision,
    s: &Conv2dShape,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
) {
    s.check([dx.len(), w.len(), dy.len()]);
    if dy.is_empty() || dx.is_empty() {
        return dx.fill(0.0);
    }
    let [oh, ow] = s.output();
    let at_once = pictures_at_once(isa, precision, s.n, [oh, ow, s.o]);
    if at_once < s.n {
        let (dx_len, dy_len) = (dx.len() / s.n, dy.len() / s.n);
        return parallel::chunks(dx, at_once * dx_len, |i, dx| {
            let part = Conv2dShape { n: dx.len() / dx_len, ..*s };
            let dy = &dy[i * at_once * dy_len..][..part.n * dy_len];
            run(isa, precision, &part, dy, w, dx);
        });
    }
    let [kh, kw] = s.kernel;
    // The outputs that any input would see if the row of outputs went on without end.
    let farthest = (s.w - 1 + s.padding[2]) / s.stride;
    let before = (kw - 1).saturating_sub(s.padding[2]).div_ceil(s.stride);
    let pads = [before, (farthest + 1).saturating_sub(ow)];
    let source = Source::new(isa, precision, dy, [oh, ow, s.o], pads, kw.div_ceil(s.stride));
    for class in 0..s.stride * s.stride {
        let (y, x) = (class / s.stride, class % s.stride);
        let rows = seen(y, kh, s.padding[0], s.stride);
        let columns = seen(x, kw, s.padding[2], s.stride);
        let grid = [s.h.saturating_sub(y), s.w.saturating_sub(x)].map(|n| n.div_ceil(s.stride));
        let mut places = vec![None; kh * kw];
        let mut taps = Vec::new();
        for (ky, oy) in &rows {
            for (kx, ox) in &columns {
                places[ky * kw + kx] = Some(taps.len());
                taps.push([*oy, *ox]);
            }
        }
        let width = columns.len().max(1);
        let product = RowsProduct {
            isa,
            precision,
            rows: s.n * grid[0] * grid[1],
            cols: s.c,
            taps: taps.len(),
            merged: source.merged(width),
            k: s.o,
            bias: None,
        };
        let windows = Windows {
            source: &source,
            grid,
            step: 1,
            taps,
            width,
            out: dx.as_mut_ptr().wrapping_add((y * s.w + x) * s.c),
            out_strides: [s.h * s.w * s.c, s.stride * s.w * s.c, s.stride * s.c],
        };
        // SAFETY: a window stays within the source's padded rows, or sees its zeros; results are
        // pixels of dx, `c` elements each, and every pixel is in one class.
        unsafe { product.run(&windows, &Weight { s, w, places }) };
    }
}
