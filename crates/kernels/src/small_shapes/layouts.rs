//! What moves numbers, or chooses among them, to the bit; and sums.

use half::{bf16, f16};

use super::{edges, everywhere, pairs, sizes};
use crate::shuffle::{ChannelOrder, depth_to_space, space_to_depth};
use crate::upsample::{upsample_nearest, upsample_nearest_grad};
use crate::{Numbers, elementwise, reduce, widen};

#[test]
fn channels_to_pixels_and_back() {
    let shapes = pairs(&edges(6, &[]), &edges(9, &[16, 17, 33]));
    everywhere(|place| {
        for ([w, c], s) in shapes.iter().flat_map(|&wc| [1, 2, 3, 4].map(|s| (wc, s))) {
            let size @ [n, h, ..] = [1 + w % 2, 1 + c % 3, w, c];
            let x = place.input(1, n * h * w * c * s * s);
            let [mut out, mut back] = [(); 2].map(|()| place.output(x.len()));
            for order in [ChannelOrder::ByChannel, ChannelOrder::ByPixel] {
                let what = format_args!("{place:?} {size:?} {s} {order:?}");
                depth_to_space(&x, &mut out, size, s, order);
                for (at, got) in out.iter().enumerate() {
                    let (e, column, row) = (at % c, at / c % (w * s), at / c / (w * s));
                    let channel = match order {
                        ChannelOrder::ByChannel => (e * s + row % s) * s + column % s,
                        ChannelOrder::ByPixel => (row % s * s + column % s) * c + e,
                    };
                    let block = row / s * w + column / s;
                    assert!(*got == x[block * s * s * c + channel], "{what}: {at}");
                }
                space_to_depth(&out, &mut back, size, s, order);
                assert!(*back == *x, "{what}");
            }
        }
    });
}

#[test]
fn pixels_to_squares_and_back() {
    let shapes = pairs(&edges(6, &[]), &edges(9, &[16, 17, 33]));
    everywhere(|place| {
        for ([w, c], s) in shapes.iter().flat_map(|&wc| [1, 2, 3, 4].map(|s| (wc, s))) {
            let size @ [n, h, ..] = [1 + w % 2, 1 + c % 3, w, c];
            let what = format_args!("{place:?} {size:?} {s}");
            let x = place.input(1, n * h * w * c);
            let (mut large, mut dx) = (place.output(x.len() * s * s), place.output(x.len()));
            upsample_nearest(&x, &mut large, size, s);
            let from = |at: usize| (at / c / (w * s) / s * w + at / c % (w * s) / s) * c + at % c;
            assert!(large.iter().enumerate().all(|(at, y)| *y == x[from(at)]), "{what}");
            let dy = place.input(2, large.len());
            upsample_nearest_grad(&dy, &mut dx, size, s);
            let mut sums = vec![0.0; x.len()];
            dy.iter().enumerate().for_each(|(at, dy)| sums[from(at)] += f64::from(*dy));
            let near = |(dx, sum): (&f32, &f64)| (f64::from(*dx) - sum).abs() < 1e-5;
            assert!(dx.iter().zip(&sums).all(near), "{what}");
        }
    });
}

#[test]
fn rectifiers() {
    let shapes = pairs(&edges(20, &[]), &sizes(20, &[33, 65]));
    everywhere(|place| {
        for [rows, c] in shapes.iter().copied() {
            let (x, f) = (place.input(1, rows * c), place.input(2, rows * c));
            let (slopes, mut out) = (place.input(3, c), place.output(rows * c));
            let mut check = |run: &dyn Fn(&mut [f32]), want: &dyn Fn(usize) -> f32| {
                run(&mut out);
                assert!((0..rows * c).all(|i| out[i] == want(i)), "{place:?} {rows} {c}");
                out.fill(f32::NAN);
            };
            check(&|out| elementwise::leaky_relu(&x, 0.2, out), &|i| {
                if x[i] > 0.0 { x[i] } else { 0.2 * x[i] }
            });
            check(&|out| elementwise::leaky_relu_grad(&x, 0.2, &f, out), &|i| {
                if x[i] > 0.0 { f[i] } else { 0.2 * f[i] }
            });
            check(&|out| elementwise::prelu(&x, &slopes, &f, out, [rows, c]), &|i| {
                if x[i] > 0.0 { f[i] } else { slopes[i % c] * f[i] }
            });
        }
    });
}

#[test]
fn numbers_of_fewer_bits() {
    everywhere(|place| {
        for len in edges(40, &[63, 64, 65, 129]) {
            let x = place.input(1, len);
            let halves: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
            let uppers: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x)).collect();
            let (first, mut out) = (len / 3, place.output(len - len / 3));
            Numbers::F32(&x).widen(first..len, &mut out);
            assert!(*out == x[first..], "{place:?} {len}");
            Numbers::F16(&halves).widen(first..len, &mut out);
            assert!(out.iter().zip(&halves[first..]).all(|(a, b)| *a == b.to_f32()), "{len}");
            Numbers::Bf16(&uppers).widen(first..len, &mut out);
            assert!(out.iter().zip(&uppers[first..]).all(|(a, b)| *a == b.to_f32()), "{len}");
            let mut all = place.output(len);
            Numbers::F16(&halves).widen_all(&mut all);
            assert!(all.iter().zip(&halves).all(|(a, b)| *a == b.to_f32()), "{len}");
            for row in [1, 2, 3, len] {
                let rows = len / row;
                let (pairs, mut wide) =
                    (place.pairs(&x[..rows * row], row), place.output(rows * row));
                widen(&pairs, row, &mut wide);
                assert!(wide.iter().zip(&uppers).all(|(a, b)| *a == b.to_f32()), "{len} {row}");
            }
        }
    });
}

#[test]
fn sums_and_maxima() {
    let shapes = pairs(&edges(20, &[]), &sizes(20, &[33, 65]));
    everywhere(|place| {
        for [rows, c] in shapes.iter().copied() {
            let what = format_args!("{place:?} {rows} {c}");
            let x = place.input(1, 2 * rows * c);
            let squares: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            assert!((reduce::sum_of_squares(&x) - squares).abs() < 1e-9 * squares, "{what}");
            let maxima = reduce::row_maxima(&x, c);
            assert_eq!(maxima.len(), 2 * rows);
            for (row, (at, most)) in x.chunks(c).zip(maxima) {
                assert!(row[at] == most && row.iter().all(|x| *x <= most), "{what}");
            }
            let mut sums = place.output(2 * c);
            reduce::sum_per_picture(&x, &mut sums, [2, rows, c]);
            for (i, &sum) in sums.iter().enumerate() {
                let column = x[i / c * rows * c + i % c..].iter().step_by(c).take(rows);
                let exact: f64 = column.map(|&x| f64::from(x)).sum();
                assert!((f64::from(sum) - exact).abs() <= 1e-5, "{what}");
            }
        }
    });
}
