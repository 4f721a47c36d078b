//! Convolution.

use super::{Exact, operand};
use crate::Precision;
use crate::conv2d::Conv2dShape;

/// `[y, dx, dw]`. Taps outside the picture have no term, so a kernel that multiplies zeros there
/// differs where a weight is not finite.
pub fn conv2d(
    precision: Precision,
    s: &Conv2dShape,
    [x, w, dy]: [&[f32]; 3],
    bias: Option<&[f32]>,
) -> [Vec<Exact>; 3] {
    let [x, w, dy] = [x, w, dy].map(|x| operand(x, precision == Precision::Bf16));
    let ([oh, ow], [kh, kw]) = (s.output(), s.kernel);
    let [mut y, mut dx, mut dw] = [&dy, &x, &w].map(|x| vec![Exact::default(); x.len()]);
    for pixel in 0..s.n * oh * ow {
        let (n, row, column) = (pixel / ow / oh, pixel / ow % oh, pixel % ow);
        for o in 0..s.o {
            let at_y = pixel * s.o + o;
            y[at_y].add(bias.map_or(0.0, |bias| bias[o].into()));
            for tap in 0..kh * kw {
                let line = (row * s.stride + tap / kw).wrapping_sub(s.padding[0]);
                let across = (column * s.stride + tap % kw).wrapping_sub(s.padding[2]);
                if line >= s.h || across >= s.w {
                    continue;
                }
                for c in 0..s.c {
                    let at_x = ((n * s.h + line) * s.w + across) * s.c + c;
                    let at_w = (o * s.c + c) * kh * kw + tap;
                    y[at_y].add(x[at_x] * w[at_w]);
                    dx[at_x].add(dy[at_y] * w[at_w]);
                    dw[at_w].add(dy[at_y] * x[at_x]);
                }
            }
        }
    }
    [y, dx, dw]
}
