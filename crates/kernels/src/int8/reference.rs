//! Plain loops that define the products: the same bytes, summed as they come, to the same bits.

use super::levels::Levels;
use super::weight::quantize;
use crate::conv2d::Conv2dShape;
use crate::cpu::Isa;

/// `y = conv2d(x, w) + bias` in whole numbers, with levels for each picture and 8 output rows.
pub fn conv2d(s: &Conv2dShape, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
    let [oh, ow] = s.output();
    let [kh, kw] = s.kernel;
    let k = s.c * kh * kw;
    let scales: Vec<f32> = w.chunks(k.max(1)).map(scale).collect();
    for n in 0..s.n {
        for first in (0..oh).step_by(8) {
            let rows = first..oh.min(first + 8);
            let seen = rows.start * s.stride..(rows.end - 1) * s.stride + kh;
            let seen: Vec<f32> = seen
                .filter_map(|line| line.checked_sub(s.padding[0]).filter(|&line| line < s.h))
                .flat_map(|line| &x[(n * s.h + line) * s.w * s.c..][..s.w * s.c])
                .copied()
                .collect();
            let levels = Levels::of(Isa::Portable, &seen);
            for (i, j, o) in
                rows.flat_map(|i| (0..ow * s.o).map(move |rest| (i, rest / s.o, rest % s.o)))
            {
                let mut sum = 0_i64;
                for at in 0..k {
                    let (channel, ky, kx) = (at / (kh * kw), at / kw % kh, at % kw);
                    let line = (i * s.stride + ky).wrapping_sub(s.padding[0]);
                    let column = (j * s.stride + kx).wrapping_sub(s.padding[2]);
                    if line < s.h && column < s.w {
                        let x = x[((n * s.h + line) * s.w + column) * s.c + channel];
                        let mut byte = [0];
                        levels.bytes(Isa::Portable, &[x], &mut byte);
                        let difference = i64::from(byte[0]) - i64::from(levels.zero);
                        sum += difference * i64::from(quantize(w[o * k + at], scales[o]));
                    }
                }
                let sum = i32::try_from(sum).expect("sums of so few products fit");
                let scale = scales.get(o).copied().unwrap_or(0.0);
                let result = sum as f32 * levels.scale * scale;
                y[((n * oh + i) * ow + j) * s.o + o] = result + bias.map_or(0.0, |bias| bias[o]);
            }
        }
    }
}

fn scale(w: &[f32]) -> f32 {
    let largest =
        w.iter().fold(0.0, |largest, w| if w.abs() > largest { w.abs() } else { largest });
    // 0 · ∞ is NaN.
    largest / 127.0 + w.iter().map(|w| 0.0 * w).sum::<f32>().abs()
}
