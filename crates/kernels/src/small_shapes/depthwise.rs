//! What perceptual networks have besides: depthwise convolutions and poolings.

use super::{edges, everywhere, pairs};
use crate::conv2d::Conv2dShape;
use crate::depthwise::{depthwise, depthwise_input_grad, depthwise_weight_grad};
use crate::max_pool::{max_pool2, max_pool2_grad};

/// Calls `f` with the places in y, x and w of every product.
fn products(s: &Conv2dShape, mut f: impl FnMut(usize, usize, usize)) {
    let ([oh, ow], [kh, kw], c) = (s.output(), s.kernel, s.c);
    for y in 0..s.n * oh * ow * c {
        let (n, row, column) = (y / c / ow / oh, y / c / ow % oh, y / c % ow);
        for tap in 0..kh * kw {
            let at = [(row, tap / kw, s.padding[0]), (column, tap % kw, s.padding[2])];
            let [h, w] = at.map(|(o, k, before)| (o * s.stride + k).checked_sub(before));
            if let (Some(h), Some(w)) = (h.filter(|h| *h < s.h), w.filter(|w| *w < s.w)) {
                f(y, ((n * s.h + h) * s.w + w) * c + y % c, y % c * kh * kw + tap);
            }
        }
    }
}

#[test]
fn channels_by_themselves() {
    let shapes = pairs(&edges(7, &[]), &edges(9, &[16, 17, 33]));
    everywhere(|place| {
        for ([w, c], (kernel, stride)) in shapes
            .iter()
            .flat_map(|&wc| [([1, 1], 1), ([3, 3], 1), ([3, 2], 2), ([5, 5], 3)].map(|k| (wc, k)))
        {
            let [kh, kw] = kernel;
            let padding = [kh / 2, (kh - 1) / 2, kw / 2, kw / 2];
            let s = Conv2dShape { n: 1 + c % 2, h: 1 + w % 4, w, c, o: c, kernel, stride, padding };
            let [oh, ow] = s.output();
            let what = format_args!("{place:?} {s:?}");
            let (x, weight) = (place.input(1, s.n * s.h * w * c), place.input(2, c * kh * kw));
            let (bias, dy) = (place.input(3, c), place.input(4, s.n * oh * ow * c));
            let (mut y, mut dx) = (place.output(dy.len()), place.output(x.len()));
            let mut dw = place.output(weight.len());
            depthwise(&s, &x, &weight, Some(&bias), &mut y);
            depthwise_input_grad(&s, &dy, &weight, &mut dx);
            depthwise_weight_grad(&s, &x, &dy, &mut dw);
            let mut want = [dy.len(), x.len(), weight.len()].map(|len| vec![0.0; len]);
            want[0].iter_mut().enumerate().for_each(|(i, y)| *y = f64::from(bias[i % c]));
            products(&s, |iy, ix, iw| {
                want[0][iy] += f64::from(x[ix]) * f64::from(weight[iw]);
                want[1][ix] += f64::from(dy[iy]) * f64::from(weight[iw]);
                want[2][iw] += f64::from(dy[iy]) * f64::from(x[ix]);
            });
            for (got, want) in [&*y, &*dx, &*dw].into_iter().zip(&want) {
                let near = |(got, want): (&f32, &f64)| (f64::from(*got) - want).abs() < 2e-5;
                assert!(got.iter().zip(want).all(near), "{what}");
            }
        }
    });
}

#[test]
fn the_largest_of_four() {
    let shapes = pairs(&edges(7, &[]), &edges(9, &[16, 17, 33]));
    everywhere(|place| {
        for [w, c] in shapes.iter().copied() {
            let size @ [n, h, ..] = [1 + c % 2, 1 + c % 5, w, c];
            let x = place.input(1, n * h * w * c);
            let dy = place.input(2, n * (h / 2) * (w / 2) * c);
            let (mut out, mut dx) = (place.output(dy.len()), place.output(x.len()));
            max_pool2(&x, &mut out, size);
            max_pool2_grad(&x, &dy, &mut dx, size);
            let mut want = vec![0.0; x.len()];
            for (i, (out, dy)) in out.iter().zip(&*dy).enumerate() {
                let (row, column) = (i / c / (w / 2), i / c % (w / 2));
                let (n, row) = (row / (h / 2), row % (h / 2));
                let at =
                    |k: usize| ((n * h + 2 * row + k / 2) * w + 2 * column + k % 2) * c + i % c;
                let most = (0..4).map(at).reduce(|a, b| if x[b] > x[a] { b } else { a });
                let most = most.expect("there are four");
                assert!(*out == x[most], "{place:?} {size:?}");
                want[most] += dy;
            }
            assert!(*dx == *want, "{place:?} {size:?}");
        }
    });
}
