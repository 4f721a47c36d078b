//! Sums. Every one is a tree whose shape depends on the sizes alone.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::cpu::isa;
use crate::lanes;
use crate::math::per_isa;
use crate::parallel::{self, ELEMENTWISE_CHUNK};

/// Sum of all elements, formed in f64.
pub fn sum(x: &[f32]) -> f32 {
    let isa = isa();
    in_chunks(x.len(), |start, len| sum_slice(isa, &x[start..][..len])) as f32
}

/// `Σ a b`, formed in f64.
#[track_caller]
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "dot: lengths");
    let isa = isa();
    in_chunks(a.len(), |start, len| dot_slice(isa, &a[start..][..len], &b[start..][..len]))
}

/// `Σ x²`, formed in f64: exact enough to clip a gradient by its norm.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    dot(x, x)
}

/// Whether no element is infinite or NaN.
pub fn is_finite(x: &[f32]) -> bool {
    let isa = isa();
    let finite = AtomicBool::new(true);
    parallel::tasks(x.len().div_ceil(ELEMENTWISE_CHUNK), |i| {
        let start = i * ELEMENTWISE_CHUNK;
        let part = &x[start..x.len().min(start + ELEMENTWISE_CHUNK)];
        if finite.load(Ordering::Relaxed) && !is_finite_slice(isa, part) {
            finite.store(false, Ordering::Relaxed);
        }
    });
    finite.into_inner()
}

/// The largest number of each row of x `[R, cols]` and where it first is. NaN is passed over; a
/// row of nothing else has −∞ at 0.
pub fn row_maxima(x: &[f32], cols: usize) -> Vec<(usize, f32)> {
    let isa = isa();
    let maximum = |row: &[f32]| {
        let most = row_maximum(isa, row);
        (row.iter().position(|&x| x == most).unwrap_or(0), most)
    };
    let mut maxima = vec![(0, 0.0); x.len().div_ceil(cols)];
    parallel::chunks(&mut maxima, 16, |i, maxima| {
        for (row, out) in x[i * 16 * cols..].chunks(cols).zip(maxima) {
            *out = maximum(row);
        }
    });
    maxima
}

/// `out[c] = Σ_r x[r, c]`: the gradient of a bias.
#[track_caller]
pub fn sum_rows(x: &[f32], out: &mut [f32], [rows, cols]: [usize; 2]) {
    sum_per_picture(x, out, [1, rows, cols]);
}

/// `out[n, c] = Σ_p x[n, p, c]`: the gradient of a time embedding.
#[track_caller]
pub fn sum_per_picture(x: &[f32], out: &mut [f32], [n, pixels, c]: [usize; 3]) {
    assert_eq!([x.len(), out.len()], [n * pixels * c, n * c], "sum over pixels: lengths");
    if pixels == 0 || out.is_empty() {
        out.fill(0.0);
        return;
    }
    let isa = isa();
    // A picture is cut into runs of pixels, each with its own row of partial sums.
    let run = (ELEMENTWISE_CHUNK / c).max(1);
    let runs = pixels.div_ceil(run);
    let mut partial = vec![0.0; n * runs * c];
    parallel::chunks(&mut partial, c, |task, partial| {
        let (picture, first) = (task / runs, task % runs * run);
        let len = run.min(pixels - first) * c;
        sum_rows_slice(isa, &x[(picture * pixels + first) * c..][..len], partial);
    });
    for (out, partial) in out.chunks_exact_mut(c).zip(partial.chunks_exact(runs * c)) {
        add_up_rows(partial, out);
    }
}

/// `out[c] = Σ_r partial[r, c]` in f64, for the few rows that tasks have left.
pub(crate) fn add_up_rows(partial: &[f32], out: &mut [f32]) {
    let cols = out.len();
    for (c, out) in out.iter_mut().enumerate() {
        *out = partial.iter().skip(c).step_by(cols).map(|&v| f64::from(v)).sum::<f64>() as f32;
    }
}

fn in_chunks(len: usize, work: impl Fn(usize, usize) -> f64 + Sync) -> f64 {
    let part = |i: usize| {
        let start = i * ELEMENTWISE_CHUNK;
        work(start, ELEMENTWISE_CHUNK.min(len - start))
    };
    match len.div_ceil(ELEMENTWISE_CHUNK) {
        0 => 0.0,
        1 => part(0),
        // Collected first and added afterwards, so that the order is always the same.
        parts => parallel::collect(parts, part).into_iter().sum(),
    }
}

/// How many rows or lanes are summed side by side: enough to hide the latency of an addition.
const LANES: usize = 32;

per_isa! {
    fn row_maximum(row: &[f32]) -> f32 {
        lanes::max(row)
    }

    fn sum_slice(x: &[f32]) -> f64 {
        let mut lanes = [0f64; LANES];
        let (whole, rest) = x.as_chunks::<LANES>();
        for x in whole {
            for (lane, &x) in lanes.iter_mut().zip(x) {
                *lane += f64::from(x);
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x)).sum::<f64>()
    }

    fn dot_slice(a: &[f32], b: &[f32]) -> f64 {
        let mut lanes = [0f64; LANES];
        let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
                *lane += f64::from(a) * f64::from(b);
            }
        }
        let rest = rest_a.iter().zip(rest_b).map(|(&a, &b)| f64::from(a) * f64::from(b));
        lanes.iter().sum::<f64>() + rest.sum::<f64>()
    }

    fn is_finite_slice(x: &[f32]) -> bool {
        // No early exit, so that the loop is vector code; a chunk is short.
        x.iter().fold(true, |all, x| all & x.is_finite())
    }

    fn sum_rows_slice(x: &[f32], out: &mut [f32]) {
        let cols = out.len();
        // Narrow rows are summed several side by side, as one wide row, and folded at the end.
        let width = cols * LANES.div_ceil(cols);
        let mut total = vec![0f64; width];
        // Eight rows are added pairwise in f32 before the sum goes on in f64.
        let mut eights = x.chunks_exact(8 * width);
        for rows in &mut eights {
            let (a, b) = rows.split_at(4 * width);
            let (a, c) = a.split_at(2 * width);
            let (b, d) = b.split_at(2 * width);
            let ((a, e), (b, f)) = (a.split_at(width), b.split_at(width));
            let ((c, g), (d, h)) = (c.split_at(width), d.split_at(width));
            for (i, total) in total.iter_mut().enumerate() {
                let sum = ((a[i] + e[i]) + (c[i] + g[i])) + ((b[i] + f[i]) + (d[i] + h[i]));
                *total += f64::from(sum);
            }
        }
        for row in eights.remainder().chunks(width) {
            for (total, &x) in total.iter_mut().zip(row) {
                *total += f64::from(x);
            }
        }
        for (c, out) in out.iter_mut().enumerate() {
            *out = total.iter().skip(c).step_by(cols).sum::<f64>() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Isa, available};
    use crate::testing::{assert_close, assert_same_on_any_number_of_threads, random, wide};

    const SIZES: [usize; 7] = [0, 1, 31, 33, 1000, ELEMENTWISE_CHUNK, 3 * ELEMENTWISE_CHUNK + 17];

    #[test]
    fn sums_equal_those_in_f64() {
        for n in SIZES {
            let (a, b) = (random(1, n), random(2, n));
            let plain: f64 = wide(&a).iter().sum();
            let product: f64 = a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            assert!((f64::from(sum(&a)) - plain).abs() <= 1e-7 * (1.0 + plain.abs()));
            assert!((dot(&a, &b) - product).abs() <= 1e-9);
            assert_eq!(sum_of_squares(&a), dot(&a, &a));
        }
        // In f32 the ones would vanish beside the large number.
        let mut x = vec![1.0; 4096];
        x[0] = 1e9;
        x[4095] = -1e9;
        assert_eq!(sum(&x), 4094.0);
    }

    #[test]
    fn columns_equal_those_in_f64() {
        for (n, pixels, c) in
            [(3, 5, 7), (2, 9000, 16), (1, 40_001, 1), (5, 1, 3), (2, 77, 100), (1, 3, 70_000)]
        {
            let x = random(3, n * pixels * c);
            let mut want = vec![0.0; n * c];
            for (i, &x) in x.iter().enumerate() {
                want[i / (pixels * c) * c + i % c] += f64::from(x);
            }
            let mut got = vec![f32::NAN; n * c];
            sum_per_picture(&x, &mut got, [n, pixels, c]);
            assert_close(&got, &want, 1e-6);
        }
        let mut got = [f32::NAN; 4];
        sum_rows(&[], &mut got, [0, 4]);
        assert_eq!(got, [0.0; 4]);
    }

    #[test]
    fn largest_of_each_row() {
        let rows = [[1.0, 3.0, 3.0], [f32::NAN, -5.0, -4.0], [f32::NAN; 3]].concat();
        let expected = [(1, 3.0), (2, -4.0), (0, f32::NEG_INFINITY)];
        assert_eq!(row_maxima(&rows, 3), expected);
        let x = random(5, 70 * 333);
        for (row, (at, most)) in x.chunks(333).zip(row_maxima(&x, 333)) {
            assert_eq!(row[at], most);
            assert!(row.iter().all(|&x| x <= most));
        }
    }

    #[test]
    fn one_bad_element_is_not_finite() {
        let mut x = random(4, 2 * ELEMENTWISE_CHUNK + 3);
        assert!(is_finite(&x) && is_finite(&[]) && is_finite(&[f32::MAX, f32::MIN]));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 40_000, 2 * ELEMENTWISE_CHUNK + 2] {
                let good = std::mem::replace(&mut x[at], bad);
                assert!(!is_finite(&x), "{bad} at {at}");
                x[at] = good;
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let (a, b) = (random(5, 5003), random(6, 5003));
        let all = |isa| {
            let mut columns = [0.0; 5];
            sum_rows_slice(isa, &a[..5000], &mut columns);
            (sum_slice(isa, &a), dot_slice(isa, &a, &b), is_finite_slice(isa, &a), columns)
        };
        for isa in available() {
            assert_eq!(all(isa), all(Isa::Portable), "{isa:?}");
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let x = random(7, 64 * 5000);
        assert_same_on_any_number_of_threads(|| {
            let mut out = vec![0.0; 65];
            sum_rows(&x, &mut out[..64], [5000, 64]);
            out[64] = sum(&x);
            out
        });
    }
}
