//! Products of bytes, to the bit: sums are whole numbers.

use super::{edges, everywhere, pairs, sizes};
use crate::Numbers;
use crate::conv2d::Conv2dShape;
use crate::int8::{Int8Weight, conv2d, linear};
use crate::testing::random;

/// The result on plain memory with plain Rust.
fn plain(weight: &Int8Weight, s: &Conv2dShape, x: &[f32], bias: &[f32], len: usize) -> Vec<f32> {
    let mut y = vec![f32::NAN; len];
    conv2d(crate::cpu::Isa::Portable, weight, s, x, Some(bias), &mut y);
    y
}

#[test]
fn linear_layers_in_bytes() {
    let depths: &[usize] = if cfg!(miri) { &[5] } else { &[1, 2, 3, 4, 5, 8, 17, 64, 67] };
    let sides = pairs(&edges(20, &[29]), &sizes(20, &[31, 32, 33, 49]));
    everywhere(|place| {
        for [m, n] in sides.iter().copied() {
            for &k in depths {
                let (x, bias) = (place.input(1, m * k), place.input(3, n));
                let weight = Int8Weight::linear(Numbers::F32(&random(2, n * k)), [n, k]);
                let mut y = place.output(m * n);
                linear(place.isa, &weight, &x, Some(&bias), &mut y);
                let s = Conv2dShape {
                    n: m,
                    h: 1,
                    w: 1,
                    c: k,
                    o: n,
                    kernel: [1, 1],
                    stride: 1,
                    padding: [0; 4],
                };
                assert!(*y == *plain(&weight, &s, &x, &bias, m * n), "{place:?} {m} {k} {n}");
            }
        }
    });
}

#[test]
fn convolutions_in_bytes() {
    let edges = edges(10, &[17, 20]);
    let shapes = pairs(&edges, &edges).into_iter().map(|hw| (hw, [2, 3]));
    let shapes: Vec<_> =
        shapes.chain(pairs(&edges, &edges).into_iter().map(|co| ([3, 4], co))).collect();
    everywhere(|place| {
        for ([h, w], [c, o]) in shapes.iter().copied() {
            for (stride, padding) in [(1, [1; 4]), (2, [0, 1, 0, 1])] {
                let s = Conv2dShape { n: 2, h, w, c, o, kernel: [3, 3], stride, padding };
                if h + padding[0] + padding[1] < 3 || w + padding[2] + padding[3] < 3 {
                    continue;
                }
                let [oh, ow] = s.output();
                let (x, bias) = (place.input(1, 2 * h * w * c), place.input(3, o));
                let weight = Int8Weight::conv2d(Numbers::F32(&random(2, o * c * 9)), [o, c, 3, 3]);
                let mut y = place.output(2 * oh * ow * o);
                conv2d(place.isa, &weight, &s, &x, Some(&bias), &mut y);
                assert!(*y == *plain(&weight, &s, &x, &bias, y.len()), "{place:?} {s:?}");
            }
        }
    });
}
