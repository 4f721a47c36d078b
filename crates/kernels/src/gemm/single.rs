//! A strided product on one thread, for loops that are parallel already (attention).

use super::transpose::transpose;
use crate::Precision;
use crate::cpu::{self, Isa};
use crate::microkernel::{Kernels, OuterTile, RowsTile, Run};
use crate::scratch::Scratch;

/// A matrix `[rows, cols]` inside a slice.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a> {
    /// The elements, from the first of the matrix on.
    pub data: &'a [f32],
    /// Rows of the matrix as it is multiplied.
    pub rows: usize,
    /// Columns of the matrix as it is multiplied.
    pub cols: usize,
    /// Elements from one stored row to the next.
    pub row_stride: usize,
    /// Whether the slice stores the transpose: element `(i, j)` at `j · row_stride + i`.
    pub transposed: bool,
}

impl MatRef<'_> {
    /// The element in row `i`, column `j`.
    pub fn at(&self, i: usize, j: usize) -> f32 {
        let (i, j) = if self.transposed { (j, i) } else { (i, j) };
        self.data[i * self.row_stride + j]
    }

    /// Panics if the matrix reaches beyond its slice.
    #[track_caller]
    fn check(&self) {
        let [rows, cols] =
            if self.transposed { [self.cols, self.rows] } else { [self.rows, self.cols] };
        assert!(
            end_of(rows, cols, self.row_stride).is_some_and(|end| end <= self.data.len()),
            "{} elements for {rows} rows of {cols}, stride {}",
            self.data.len(),
            self.row_stride
        );
    }
}

/// Elements up to the end of `rows` of `cols`, or none if there are more than can be counted.
fn end_of(rows: usize, cols: usize, row_stride: usize) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    (rows - 1).checked_mul(row_stride)?.checked_add(cols)
}

/// `out = scale · a · b`, added to what `out` holds if `accumulate`, on the calling thread.
///
/// Element `(i, j)` of the result is at `out[i · out_row_stride + j]`.
///
/// # Panics
/// If the sizes do not fit together, or a slice is too short.
#[track_caller]
pub fn matmul_single(
    a: MatRef,
    b: MatRef,
    out: &mut [f32],
    out_row_stride: usize,
    accumulate: bool,
    scale: f32,
) {
    assert_eq!(a.cols, b.rows, "product of [{}, {}] and [{}, {}]", a.rows, a.cols, b.rows, b.cols);
    a.check();
    b.check();
    let [m, n] = [a.rows, b.cols];
    if m == 0 || n == 0 {
        return;
    }
    let fits = end_of(m, n, out_row_stride).is_some_and(|end| end <= out.len());
    assert!(fits && (m == 1 || out_row_stride >= n), "[{m}, {n}] to {}", out.len());
    with_isa(cpu::isa(), a, b, out, out_row_stride, accumulate, scale);
}

/// `matmul_single` after the sizes have been checked.
fn with_isa(
    isa: Isa,
    a: MatRef,
    b: MatRef,
    out: &mut [f32],
    out_stride: usize,
    accumulate: bool,
    scale: f32,
) {
    let kernels = Kernels::select(isa, Precision::F32);
    let [m, k, n] = [a.rows, a.cols, b.cols];
    // The micro-kernels want rows of b; a is read by rows or by columns, by one kernel or the other.
    let mut packed = Scratch::take(if b.transposed { k * n } else { 0 });
    let (b_first, b_stride) = if b.transposed {
        transpose(isa, b.data, b.row_stride, [n, k], packed.floats_mut(), n, |l| l);
        (packed.words().as_ptr(), n)
    } else {
        (b.data.as_ptr().cast(), b.row_stride)
    };
    let out = out.as_mut_ptr();
    let tallest = m.div_ceil(m.div_ceil(kernels.mr));
    for col in (0..n).step_by(kernels.nr) {
        let cols = kernels.nr.min(n - col);
        for row in (0..m).step_by(tallest) {
            let rows = tallest.min(m - row);
            if a.transposed {
                let run = Run { a: a.data.as_ptr().cast(), b: b_first, len: k };
                // SAFETY: the slices hold the matrices, as the caller checked, and the tile is
                // inside them.
                unsafe {
                    let out = out.add(row * out_stride + col);
                    let tile = OuterTile {
                        runs: &run,
                        run_count: 1,
                        a_stride: a.row_stride,
                        b_stride,
                        a_col: row,
                        b_col: col,
                        cols,
                        out,
                        out_stride,
                        scale,
                        accumulate,
                    };
                    kernels.outer(rows, &tile);
                }
            } else {
                let mut left = [std::ptr::null(); 16];
                let mut outs = [std::ptr::null_mut(); 16];
                // SAFETY: as above; rows are `k` long, and 16 is more than any tile has rows.
                unsafe {
                    for i in 0..rows {
                        // Without columns there is nothing to point to, and nothing is read.
                        left[i] = a.data.as_ptr().wrapping_add((row + i) * a.row_stride).cast();
                        outs[i] = out.add((row + i) * out_stride);
                    }
                    let tile = RowsTile {
                        rows: left.as_ptr(),
                        taps: 1,
                        k,
                        b: b_first.wrapping_add(col),
                        b_stride,
                        b_tap: 0,
                        cols,
                        outs: outs.as_ptr(),
                        out_col: col,
                        bias: std::ptr::null(),
                        scale,
                        accumulate,
                    };
                    kernels.rows(rows, &tile);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::reference;
    use crate::testing::{assert_close_together as assert_close, random as values};

    #[test]
    fn agrees_with_the_reference() {
        for isa in cpu::available() {
            for [m, k, n] in
                [[1, 1, 1], [14, 3, 32], [15, 17, 33], [64, 40, 77], [3, 0, 5], [29, 9, 7]]
            {
                for case in 0..8 {
                    let [ta, tb, accumulate] = [case & 1 > 0, case & 2 > 0, case & 4 > 0];
                    let a = values(1, m.max(k) * (m.max(k) + 3));
                    let b = values(2, n.max(k) * (n.max(k) + 5));
                    let a = MatRef {
                        data: &a,
                        rows: m,
                        cols: k,
                        row_stride: m.max(k) + 3,
                        transposed: ta,
                    };
                    let b = MatRef {
                        data: &b,
                        rows: k,
                        cols: n,
                        row_stride: n.max(k) + 5,
                        transposed: tb,
                    };
                    let mut out = values(3, m * (n + 2));
                    let mut expected = out.clone();
                    with_isa(isa, a, b, &mut out, n + 2, accumulate, 0.5);
                    reference::matmul_single(a, b, &mut expected, n + 2, accumulate, 0.5);
                    assert_close(&out, &expected, 1e-5, &format!("{isa:?} {m} {k} {n} {case}"));
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "product of [2, 3] and [2, 3]")]
    fn sizes_that_do_not_fit_are_refused() {
        let data = [0.0; 6];
        let a = MatRef { data: &data, rows: 2, cols: 3, row_stride: 3, transposed: false };
        matmul_single(a, a, &mut [0.0; 6], 3, false, 1.0);
    }
}
