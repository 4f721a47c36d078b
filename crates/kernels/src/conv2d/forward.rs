//! Convolution: every output pixel is a row, summed over the taps of the kernel.

use super::windows::{Source, Windows, pictures_at_once};
use super::{Conv2dShape, Isa};
use crate::Precision;
use crate::gemm::rows::{RightPanels, RowsProduct};
use crate::gemm::transpose::transpose;
use crate::parallel;

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
    let [_, len, _] = s.lengths();
    assert_eq!(w.len(), len, "elements of w for {s:?}");
    run_with(isa, precision, s, x, &Weight { w, c: s.c, taps: s.taps() }, bias, y);
}

/// `y = conv2d(x, right) + bias`.
pub(super) fn run_with(
    isa: Isa,
    precision: Precision,
    s: &Conv2dShape,
    x: &[f32],
    right: &dyn RightPanels,
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let [x_len, w_len, y_len] = s.lengths();
    assert_eq!([x.len(), y.len()], [x_len, y_len], "elements of x and y for {s:?}");
    if y.is_empty() || w_len == 0 {
        return y.chunks_exact_mut(s.o.max(1)).for_each(|y| match bias {
            Some(bias) => y.copy_from_slice(bias),
            None => y.fill(0.0),
        });
    }
    let at_once = pictures_at_once(isa, precision, s.n, [s.h, s.w, s.c]);
    if at_once < s.n {
        let (x_len, y_len) = (x.len() / s.n, y.len() / s.n);
        return parallel::chunks(y, at_once * y_len, |i, y| {
            let part = Conv2dShape { n: y.len() / y_len, ..*s };
            let x = &x[i * at_once * x_len..][..part.n * x_len];
            run_with(isa, precision, &part, x, right, bias, y);
        });
    }
    let [oh, ow] = s.output();
    let [kh, kw] = s.kernel;
    let [top, _, left, after] = s.padding;
    let source = Source::new(isa, precision, x, [s.h, s.w, s.c], [left, after], kw);
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
    unsafe { product.run(&windows, right) };
}
