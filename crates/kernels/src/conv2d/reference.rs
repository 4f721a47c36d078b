//! Plain loops that define the operations.

use super::Conv2dShape;

/// Calls `visit(x index of the pixel, y index of the pixel, tap)` for every product of pixels.
fn pixels(s: &Conv2dShape, mut visit: impl FnMut(usize, usize, usize)) {
    let [oh, ow] = s.output();
    for n in 0..s.n {
        for y in 0..oh {
            for x in 0..ow {
                for ky in 0..s.kernel[0] {
                    for kx in 0..s.kernel[1] {
                        let iy = (y * s.stride + ky).wrapping_sub(s.padding[0]);
                        let ix = (x * s.stride + kx).wrapping_sub(s.padding[2]);
                        if iy < s.h && ix < s.w {
                            visit(
                                (n * s.h + iy) * s.w + ix,
                                (n * oh + y) * ow + x,
                                ky * s.kernel[1] + kx,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// `y = conv2d(x, w) + bias`.
pub fn conv2d(s: &Conv2dShape, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    let taps = s.kernel[0] * s.kernel[1];
    for row in y.chunks_exact_mut(s.o) {
        match bias {
            Some(b) => row.copy_from_slice(b),
            None => row.fill(0.0),
        }
    }
    pixels(s, |xi, yi, tap| {
        for o in 0..s.o {
            for c in 0..s.c {
                y[yi * s.o + o] += x[xi * s.c + c] * w[(o * s.c + c) * taps + tap];
            }
        }
    });
}

/// The gradient of the input.
pub fn conv2d_input_grad(s: &Conv2dShape, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let taps = s.kernel[0] * s.kernel[1];
    dx.fill(0.0);
    pixels(s, |xi, yi, tap| {
        for o in 0..s.o {
            for c in 0..s.c {
                dx[xi * s.c + c] += dy[yi * s.o + o] * w[(o * s.c + c) * taps + tap];
            }
        }
    });
}

/// The gradient of the weight.
pub fn conv2d_weight_grad(s: &Conv2dShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let taps = s.kernel[0] * s.kernel[1];
    dw.fill(0.0);
    pixels(s, |xi, yi, tap| {
        for o in 0..s.o {
            for c in 0..s.c {
                dw[(o * s.c + c) * taps + tap] += dy[yi * s.o + o] * x[xi * s.c + c];
            }
        }
    });
}
