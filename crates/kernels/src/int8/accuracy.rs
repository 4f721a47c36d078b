//! How far the results are from those of exact arithmetic: within a derived bound, and typically.

use super::tests::{check, conv, lengths, rows, weight};
use super::{levels, run};
use crate::conv2d::Conv2dShape;
use crate::cpu;
use crate::testing::random;

/// Elements are at most half a step off, so a result is off by at most
/// `Σ s_x/2 · |w| + (|x| + s_x/2) · s_w/2`.
#[test]
fn results_are_within_the_bound_of_f64() {
    for (s, shift) in [
        (conv(1, [10, 7], [9, 5]), 0.0),
        (conv(2, [4, 4], [40, 3]), 0.9),
        (rows([9, 300, 20]), 0.0),
        (rows([5, 33, 2]), -1.5),
    ] {
        let [x, w, _] = lengths(&s);
        let (x, w) = (random(1, x).iter().map(|x| x + shift).collect::<Vec<_>>(), random(2, w));
        let got = check(&s, &x, &w, None);
        let k = w.len() / s.o;
        // No row's step is larger than that of all x together.
        let step = f64::from(levels::Levels::of(cpu::isa(), &x).scale);
        let ([oh, ow], [kh, kw]) = (s.output(), s.kernel);
        for (index, &got) in got.iter().enumerate() {
            let (pixel, o) = (index / s.o, index % s.o);
            let (n, i, j) = (pixel / ow / oh, pixel / ow % oh, pixel % ow);
            let w_step = f64::from(weight(&s, &w).scales()[o]);
            let (mut exact, mut bound) = (0.0, 1e-5);
            for at in 0..k {
                let (channel, ky, kx) = (at / (kh * kw), at / kw % kh, at % kw);
                let line = (i * s.stride + ky).wrapping_sub(s.padding[0]);
                let column = (j * s.stride + kx).wrapping_sub(s.padding[2]);
                if line < s.h && column < s.w {
                    let x = f64::from(x[((n * s.h + line) * s.w + column) * s.c + channel]);
                    let w = f64::from(w[o * k + at]);
                    exact += x * w;
                    bound += step / 2.0 * w.abs() + (x.abs() + step / 2.0) * w_step / 2.0;
                }
            }
            let error = (f64::from(got) - exact).abs();
            assert!(error <= bound, "{s:?} {index}: {got}, not {exact}: {error} > {bound}");
        }
    }
}

#[test]
fn the_error_on_normal_noise_is_about_one_per_cent() {
    // Box and Muller 1958.
    let normal = |seed, len: usize| -> Vec<f32> {
        let pairs = random(seed, len).into_iter().zip(random(seed + 100, len));
        let angle = std::f32::consts::PI;
        pairs.map(|(a, b)| (-2.0 * (0.5 - 0.5 * a).ln()).sqrt() * (angle * b).cos()).collect()
    };
    let relative = |s: &Conv2dShape, x: &[f32]| {
        let [_, w, y] = lengths(s);
        let (w, mut want, mut got) = (normal(2, w), vec![0.0; y], vec![0.0; y]);
        crate::conv2d::conv2d(crate::Precision::F32, s, x, &w, None, &mut want);
        run(cpu::isa(), &weight(s, &w), s, x, None, &mut got);
        let square = |x: f64| x * x;
        let pairs = || got.iter().zip(&want);
        let error: f64 = pairs().map(|(&g, &w)| square(f64::from(g) - f64::from(w))).sum();
        let size: f64 = want.iter().map(|&w| square(w.into())).sum();
        (error / size).sqrt()
    };
    for (s, limit, with_outlier) in
        [(rows([64, 320, 64]), 0.0105, 0.022), (conv(1, [32, 32], [64, 32]), 0.013, 0.06)]
    {
        let mut x = normal(1, lengths(&s)[0]);
        let plain = relative(&s, &x);
        x.iter_mut().skip(7).step_by(s.c).for_each(|x| *x *= 30.0);
        let outlier = relative(&s, &x);
        assert!(plain < limit && outlier < with_outlier, "{s:?}: {plain}, {outlier}");
    }
}
