//! Windows of 3×3 pixels, as Inception has them.

use super::{edges, everywhere, pairs};
use crate::pool3::{Pool3, pool3, pool3_grad};

/// The positions in a picture that a window sees.
fn window(kind: Pool3, [row, column]: [usize; 2], [h, w]: [usize; 2]) -> Vec<usize> {
    let reach = |at: usize, len: usize| match kind {
        Pool3::MaxOfEverySecond => 2 * at..2 * at + 3,
        _ => at.max(1) - 1..(at + 2).min(len),
    };
    reach(row, h).flat_map(|y| reach(column, w).map(move |x| y * w + x)).collect()
}

#[test]
fn windows_of_nine() {
    let shapes = pairs(&edges(7, &[]), &edges(9, &[16, 17]));
    everywhere(|place| {
        for [w, c] in shapes.iter().copied().filter(|[w, _]| *w > 2) {
            for kind in [Pool3::MaxOfEverySecond, Pool3::Max, Pool3::Mean] {
                let size @ [n, h, ..] = [1 + c % 2, 3 + c % 4, w, c];
                let [oh, ow] = kind.output([h, w]);
                let x = place.input(1, n * h * w * c);
                let dy = place.input(2, n * oh * ow * c);
                let (mut out, mut dx) = (place.output(dy.len()), place.output(x.len()));
                pool3(kind, &x, &mut out, size);
                pool3_grad(kind, &x, &dy, &mut dx, size);
                let mut want = vec![0.0; x.len()];
                for (i, (out, dy)) in out.iter().zip(&*dy).enumerate() {
                    let (picture, at) = (i / c / ow / oh, [i / c / ow % oh, i / c % ow]);
                    let seen = window(kind, at, [h, w]);
                    let seen = seen.iter().map(|at| (picture * h * w + at) * c + i % c);
                    let seen: Vec<usize> = seen.collect();
                    let expected = if kind == Pool3::Mean {
                        let share = 1.0 / seen.len() as f64;
                        seen.iter().for_each(|&at| want[at] += f64::from(*dy) * share);
                        seen.iter().map(|&at| f64::from(x[at])).sum::<f64>() * share
                    } else {
                        let larger = |a, b| if x[b] > x[a] { b } else { a };
                        let most = seen.into_iter().reduce(larger).expect("there are some");
                        want[most] += f64::from(*dy);
                        f64::from(x[most])
                    };
                    assert!(
                        (f64::from(*out) - expected).abs() < 1e-6,
                        "{place:?} {kind:?} {size:?}"
                    );
                }
                let near = |(got, want): (&f32, &f64)| (f64::from(*got) - want).abs() < 1e-5;
                assert!(dx.iter().zip(&want).all(near), "{place:?} {kind:?} {size:?}");
            }
        }
    });
}
