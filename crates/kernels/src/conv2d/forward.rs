//! Convolution: every output pixel is a row, summed over the taps of the kernel.

use super::windows::{Source, Windows, pictures_at_once};
use super::{Conv2dShape, Isa};
use crate::Precision;
use crate::gemm::rows::{RightPanels, RowsProduct};
use crate::gemm::transpose::transpose;
use rayon::prelude::*;

/// The weight `[o, c, taps]` as panels `[taps, c, o]`.
struct Weight<'a> {
    w: &'a [f32],
    c: usize,
    taps: usize,
}

impl RightPanels for Weight<'_> {
    fn pack(&self, isa: Isa, first: usize, cols: usize, panel: &mut [f32], stride: usize) {
        let row = self.c * self.taps;
        let place = |l: usize| {
            // Division of 32 bits is much cheaper.
            let (l, taps) = (l as u32, self.taps as u32);
            (l % taps) as usize * self.c + (l / taps) as usize
        };
        transpose(isa, &self.w[first * row..], row, [cols, row], panel, stride, place);
    }
}

/// `y = conv2d(x, w) + bias`.
pub(super) fn run(
    isa: Isa,
    precision: Precision,
    s: &Conv2dShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    s.check([x.len(), w.len(), y.len()]);
    if y.is_empty() || w.is_empty() {
        return y.chunks_exact_mut(s.o.max(1)).for_each(|y| match bias {
            Some(bias) => y.copy_from_slice(bias),
            None => y.fill(0.0),
        });
    }
    let at_once = pictures_at_once(isa, precision, s.n, [s.h, s.w, s.c]);
    if at_once < s.n {
        let (x_len, y_len) = (x.len() / s.n, y.len() / s.n);
        let parts = y.par_chunks_mut(at_once * y_len).zip(x.par_chunks(at_once * x_len));
        return parts.with_max_len(1).for_each(|(y, x)| {
            let part = Conv2dShape { n: y.len() / y_len, ..*s };
            run(isa, precision, &part, x, w, bias, y);
        });
    }
    let [oh, ow] = s.output();
    let [kh, kw] = s.kernel;
    let [top, _, left, right] = s.padding;
    let source = Source::new(isa, precision, x, [s.h, s.w, s.c], [left, right], kw);
    let tap = |t: usize| [t / kw, t % kw].map(|k| k as isize);
    let windows = Windows {
        source: &source,
        grid: [oh, ow],
        step: s.stride,
        taps: (0..kh * kw).map(|t| [tap(t)[0] - top as isize, tap(t)[1] - left as isize]).collect(),
        width: kw,
        out: y.as_mut_ptr(),
        out_strides: [oh * ow * s.o, ow * s.o, s.o],
    };
    let product = RowsProduct {
        isa,
        precision,
        rows: s.n * oh * ow,
        cols: s.o,
        taps: kh * kw,
        merged: source.merged(kw),
        k: s.c,
        bias,
    };
    // SAFETY: a window stays within the source's padded rows, or sees its zeros; results are the
    // pixels of y, `o` elements each.
    unsafe { product.run(&windows, &Weight { w, c: s.c, taps: kh * kw }) };
}
