//! Depthwise convolutions near sums in f64, poolings to the bit.

use super::products::tolerance;
use super::{FINITE, KINDS, for_all};
use crate::Precision;
use crate::conv2d::Conv2dShape;
use crate::depthwise::{depthwise, depthwise_input_grad, depthwise_weight_grad};
use crate::max_pool::{max_pool2, max_pool2_grad};
use crate::oracle::{Exact, assert_near};
use crate::testing::on_every_isa;

#[test]
fn depthwise_convolutions() {
    on_every_isa(|isa| {
        let sizes = (1..3_usize, 1..9_usize, 1..9_usize, 1..40_usize);
        let kinds = (0..KINDS.len(), 0..FINITE, 1..4_usize, 1..3_usize, 0..u64::from(u32::MAX));
        for_all(100, (sizes, kinds), |((n, h, w, c), (of_x, of_w, kernel, stride, seed))| {
            let padding = [kernel / 2; 4];
            let s = Conv2dShape { n, h, w, c, o: c, kernel: [kernel; 2], stride, padding };
            let [oh, ow] = s.output();
            let (of_x, of_w, taps) = (KINDS[of_x], KINDS[of_w], kernel * kernel);
            let x = of_x.numbers(seed, n * h * w * c);
            let weight = of_w.numbers(seed + 1, c * taps);
            let dy = of_x.numbers(seed + 2, n * oh * ow * c);
            let [mut y, mut dx, mut dw] = [&dy, &x, &weight].map(|like| vec![f32::NAN; like.len()]);
            depthwise(&s, &x, &weight, None, &mut y);
            depthwise_input_grad(&s, &dy, &weight, &mut dx);
            depthwise_weight_grad(&s, &x, &dy, &mut dw);
            let mut want = [&dy, &x, &weight].map(|like| vec![Exact::default(); like.len()]);
            for iy in 0..dy.len() {
                let (row, column) = (iy / c / ow % oh, iy / c % ow);
                for tap in 0..taps {
                    let at = [(row, tap / kernel, h), (column, tap % kernel, w)];
                    let [h, w] = at.map(|(o, k, size)| {
                        (o * stride + k).checked_sub(kernel / 2).filter(|at| *at < size)
                    });
                    let (Some(row), Some(column)) = (h, w) else { continue };
                    let picture = iy / c / ow / oh;
                    let ix = ((picture * s.h + row) * s.w + column) * c + iy % c;
                    let iw = iy % c * taps + tap;
                    want[0][iy].add(f64::from(x[ix]) * f64::from(weight[iw]));
                    want[1][ix].add(f64::from(dy[iy]) * f64::from(weight[iw]));
                    want[2][iw].add(f64::from(dy[iy]) * f64::from(x[ix]));
                }
            }
            let what = format_args!("{isa:?} {s:?} {of_x:?} {of_w:?}");
            let near = tolerance(Precision::F32, taps, &x, &weight);
            assert_near(&y, &want[0], near, format_args!("y: {what}"));
            let near = tolerance(Precision::F32, taps, &dy, &weight);
            assert_near(&dx, &want[1], near, format_args!("dx: {what}"));
            let near = tolerance(Precision::F32, n * oh * ow, &dy, &x);
            assert_near(&dw, &want[2], near, format_args!("dw: {what}"));
        });
    });
}

#[test]
fn the_largest_of_four() {
    on_every_isa(|_| {
        let sizes = (1..3_usize, 1..9_usize, 1..9_usize, 1..40_usize);
        for_all(
            60,
            (sizes, 0..KINDS.len(), 0..u64::from(u32::MAX)),
            |((n, h, w, c), of_x, seed)| {
                let x = KINDS[of_x].numbers(seed, n * h * w * c);
                let len = n * (h / 2) * (w / 2) * c;
                let (dy, mut out) = (vec![1.0; len], vec![7.0; len]);
                let mut dx = vec![7.0; x.len()];
                max_pool2(&x, &mut out, [n, h, w, c]);
                max_pool2_grad(&x, &dy, &mut dx, [n, h, w, c]);
                // Each gradient goes to one number, which is the largest, or beside a NaN.
                assert_eq!(dx.iter().sum::<f32>(), len as f32);
                for (i, out) in out.iter().enumerate() {
                    let (row, column) = (i / c / (w / 2), i / c % (w / 2));
                    let (n, row) = (row / (h / 2), row % (h / 2));
                    let at =
                        |k: usize| ((n * h + 2 * row + k / 2) * w + 2 * column + k % 2) * c + i % c;
                    let four = [0, 1, 2, 3].map(|k| x[at(k)]);
                    if four.iter().any(|x| x.is_nan()) {
                        assert!(out.is_nan());
                        continue;
                    }
                    assert!(four.contains(out) && four.iter().all(|x| x <= out), "{four:?}: {out}");
                    assert!((0..4).any(|k| dx[at(k)] == 1.0 && x[at(k)] == *out));
                }
            },
        );
    });
}
