//! A number or a row for each picture.

use super::{assert_lengths, map_slice};
use crate::cpu::isa;
use crate::math::per_isa;
use crate::parallel::{self, ELEMENTWISE_CHUNK};
use crate::watch;

/// `out[r, c] = x[r, c] + row[c]`.
#[track_caller]
pub fn add_rows(x: &[f32], row: &[f32], out: &mut [f32], [rows, cols]: [usize; 2]) {
    assert_lengths("add_rows", [x.len(), row.len(), out.len()], [rows * cols, cols, rows * cols]);
    add_to_blocks(x, row, out, rows, cols);
}

/// `out[n, p, c] = x[n, p, c] + e[n, c]`, as the time embedding enters a ResNet block.
#[track_caller]
pub fn add_per_picture(x: &[f32], e: &[f32], out: &mut [f32], [n, pixels, c]: [usize; 3]) {
    let all = n * pixels * c;
    assert_lengths("add_per_picture", [x.len(), e.len(), out.len()], [all, n * c, all]);
    let _call = watch::elements("add per picture", [n, pixels, c], 2 * all);
    add_to_blocks(x, e, out, pixels, c);
}

/// `out[n, i] = x[n, i] · s[n]`.
#[track_caller]
pub fn scale_per_picture(x: &[f32], s: &[f32], out: &mut [f32], [n, len]: [usize; 2]) {
    assert_lengths("scale_per_picture", [x.len(), s.len(), out.len()], [n * len, n, n * len]);
    let isa = isa();
    blocks(out, len, ELEMENTWISE_CHUNK, |picture, start, out| {
        let x = &x[picture * len + start..][..out.len()];
        let s = s[picture];
        map_slice(isa, x, out, |x| x * s);
    });
}

/// `out = x + e[block]` on blocks of `rows × cols`, each with its own row of `e`.
fn add_to_blocks(x: &[f32], e: &[f32], out: &mut [f32], rows: usize, cols: usize) {
    let isa = isa();
    let rows_in_task = (ELEMENTWISE_CHUNK / cols.max(1)).max(1);
    blocks(out, rows * cols, rows_in_task * cols, |block, start, out| {
        let x = &x[block * rows * cols + start..][..out.len()];
        add_row_slice(isa, x, &e[block * cols..][..cols], out);
    });
}

/// Cuts `out` into blocks of `block` elements and those into runs of at most `run`, and calls
/// `work(block index, start within the block, run)` for each. Small blocks share a task.
pub(super) fn blocks(
    out: &mut [f32],
    block: usize,
    run: usize,
    work: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    if block <= run {
        let together = (ELEMENTWISE_CHUNK / block).max(1);
        parallel::chunks(out, together * block, |task, out| {
            for (i, out) in out.chunks_exact_mut(block).enumerate() {
                work(task * together + i, 0, out);
            }
        });
    } else {
        parallel::chunks(out, block, |i, out| {
            parallel::chunks(out, run, |part, out| work(i, part * run, out));
        });
    }
}

per_isa! {
    fn add_row_slice(x: &[f32], row: &[f32], out: &mut [f32]) {
        for (out, x) in out.chunks_exact_mut(row.len()).zip(x.chunks_exact(row.len())) {
            for ((out, &x), &row) in out.iter_mut().zip(x).zip(row) {
                *out = x + row;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random;

    #[test]
    fn rows_and_pictures() {
        // Small blocks, blocks longer than a task, rows longer than a task.
        for [n, pixels, c] in [[3, 5, 7], [2, 9001, 16], [1, 2, 40_000], [70, 1000, 1], [0, 4, 4]] {
            let all = n * pixels * c;
            let (x, e) = (random(6, all), random(7, n * c));
            let mut out = vec![f32::NAN; all];
            add_per_picture(&x, &e, &mut out, [n, pixels, c]);
            assert!((0..all).all(|i| out[i] == x[i] + e[i / (pixels * c) * c + i % c]));
            let row = random(8, c);
            add_rows(&x, &row, &mut out, [n * pixels, c]);
            assert!((0..all).all(|i| out[i] == x[i] + row[i % c]));
            let s = random(9, n);
            scale_per_picture(&x, &s, &mut out, [n, pixels * c]);
            assert!((0..all).all(|i| out[i] == x[i] * s[i / (pixels * c)]));
        }
    }
}
