//! Windows of 3×3 pixels of any numbers: the largest to the bit, and NaN is never lost.

use super::{KINDS, for_all};
use crate::pool3::{Pool3, pool3, pool3_grad};
use crate::testing::on_every_isa;

#[test]
fn windows_of_nine() {
    on_every_isa(|isa| {
        let sizes = (1..3_usize, 3..9_usize, 3..9_usize, 1..20_usize);
        let numbers = (0..KINDS.len(), 0..u64::from(u32::MAX));
        for_all(60, (sizes, numbers), |((n, h, w, c), (of_x, seed))| {
            let x = KINDS[of_x].numbers(seed, n * h * w * c);
            for kind in [Pool3::MaxOfEverySecond, Pool3::Max, Pool3::Mean] {
                let [oh, ow] = kind.output([h, w]);
                let dy = vec![1.0; n * oh * ow * c];
                let (mut out, mut dx) = (vec![7.0; dy.len()], vec![7.0; x.len()]);
                pool3(kind, &x, &mut out, [n, h, w, c]);
                pool3_grad(kind, &x, &dy, &mut dx, [n, h, w, c]);
                // All of every gradient goes somewhere, whatever the numbers are.
                let sum: f64 = dx.iter().map(|&dx| f64::from(dx)).sum();
                assert!((sum - dy.len() as f64).abs() < 1e-5 * dy.len() as f64, "{isa:?} {kind:?}");
                for (i, out) in out.iter().enumerate() {
                    let (row, column) = (i / c / ow % oh, i / c % ow);
                    let place =
                        |at: usize| if kind == Pool3::MaxOfEverySecond { 2 * at + 1 } else { at };
                    let (row, column) = (place(row), place(column));
                    let seen = (row.max(1) - 1..(row + 2).min(h)).flat_map(|y| {
                        (column.max(1) - 1..(column + 2).min(w)).map(move |x| y * w + x)
                    });
                    let seen: Vec<f32> =
                        seen.map(|at| x[(i / c / ow / oh * h * w + at) * c + i % c]).collect();
                    if seen.iter().any(|x| x.is_nan()) {
                        assert!(out.is_nan(), "{isa:?} {kind:?}: {seen:?} is not {out}");
                    } else if kind != Pool3::Mean {
                        let largest = seen.contains(out) && seen.iter().all(|x| x <= out);
                        assert!(largest, "{isa:?} {kind:?}: {out} of {seen:?}");
                    }
                }
            }
        });
    });
}
