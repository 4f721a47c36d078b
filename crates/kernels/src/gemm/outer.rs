//! Sums of outer products of rows: weight gradients.
//!
//! The summed dimension, pixels or rows, is cut into splits by the sizes alone; each split has its
//! own sums, and these are added in order.

use crate::Precision;
use crate::cpu::Isa;
use crate::microkernel::{Kernels, OuterTile, Run};
use crate::parallel;
use crate::scratch::Scratch;

/// Rows of the summed dimension that are worth sums of their own, which cost a pass over memory.
const SPLIT: usize = 512;

/// Most splits, and the number of tasks to have at least if the work is worth it.
const TASKS: usize = 16;

/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 20;

/// Words of both operands that a task works through before it goes on: they stay in the L2 cache.
const CHUNK: usize = 1 << 17;

/// But at least so many rows, because every time all sums are read and written.
const CHUNK_ROWS: usize = 256;

/// Where the rows of both operands lie.
pub(crate) trait Runs: Sync {
    /// Adds to `runs` the stretches of rows that units `first..end` multiply for `tap`.
    fn runs(&self, tap: usize, first: usize, end: usize, runs: &mut Vec<Run>);
}

/// `out[tap, i, j] = Σ_rows a[row, i] · b[row, j]`.
#[derive(Clone, Copy)]
pub(crate) struct OuterProduct {
    /// The instruction set.
    pub isa: Isa,
    /// What the words of the operands are.
    pub precision: Precision,
    /// Results.
    pub taps: usize,
    /// Rows of a result, and elements of a row of `a`.
    pub a_cols: usize,
    /// Columns of a result, and elements of a row of `b`.
    pub b_cols: usize,
    /// Words from one row of `a` to the next within a run.
    pub a_stride: usize,
    /// Words from one row of `b` to the next within a run.
    pub b_stride: usize,
    /// Units into which the summed dimension can be cut.
    pub units: usize,
    /// Rows in a unit, for the choice of the cuts.
    pub unit_rows: usize,
}

/// A pointer that tasks share; each writes its own part of what it points to.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: the tasks of `OuterProduct::run` write disjoint parts.
unsafe impl Sync for Shared {}

impl Shared {
    /// The pointer; a method, so that closures capture the whole struct.
    fn get(self) -> *mut f32 {
        self.0
    }
}

impl OuterProduct {
    /// Computes the sums into `out`, on all threads if it is worth it.
    ///
    /// # Safety
    /// The runs that `source` gives hold rows of `a_cols` and `b_cols` readable words.
    pub unsafe fn run(&self, source: &dyn Runs, out: &mut [f32]) {
        let len = self.taps * self.a_cols * self.b_cols;
        assert_eq!(out.len(), len, "sums of [{}, {}, {}]", self.taps, self.a_cols, self.b_cols);
        if len == 0 {
            return;
        }
        let rows = self.units * self.unit_rows;
        let splits = rows.div_ceil(SPLIT).clamp(1, TASKS).min(self.units.max(1));
        let mut partial = Scratch::take((splits - 1) * len);
        let (first, rest) = (Shared(out.as_mut_ptr()), Shared(partial.floats_mut().as_mut_ptr()));

        let kernels = Kernels::select(self.isa, self.precision);
        let tiles = self.a_cols.div_ceil(kernels.mr);
        let wanted = (rows * len / TASK).clamp(1, TASKS);
        let groups = wanted.div_ceil(splits).min(self.taps * tiles);
        parallel::tasks(splits * groups, |task| {
            let (split, group) = (task / groups, task % groups);
            let units = split * self.units / splits..(split + 1) * self.units / splits;
            let count = self.taps * tiles;
            let share = group * count / groups..(group + 1) * count / groups;
            let out = match split {
                0 => first.get(),
                // SAFETY: the buffer has `len` elements for each split after the first.
                _ => unsafe { rest.get().add((split - 1) * len) },
            };
            // SAFETY: given; `out` has `len` elements, and no other task writes this share.
            unsafe { self.share(kernels, source, units, share, tiles, out) };
        });
        if splits > 1 {
            let rest = &*partial.floats_mut();
            let chunk = (len / TASKS).max(1 << 12);
            parallel::chunks(out, chunk, |i, out| {
                for part in rest.chunks_exact(len) {
                    for (sum, x) in out.iter_mut().zip(&part[i * chunk..]) {
                        *sum += x;
                    }
                }
            });
        }
    }

    /// Sums `units` into the rows of tiles in `share`, numbered by tap and then by row.
    ///
    /// # Safety
    /// As for `run`; `out` has room for all results.
    unsafe fn share(
        &self,
        kernels: &Kernels,
        source: &dyn Runs,
        units: std::ops::Range<usize>,
        share: std::ops::Range<usize>,
        tiles: usize,
        out: *mut f32,
    ) {
        let rows = (CHUNK / (self.a_stride + self.b_stride).max(1)).max(CHUNK_ROWS);
        let step = rows.div_ceil(self.unit_rows.max(1));
        let mut runs = Vec::new();
        let mut first = units.start;
        loop {
            let end = (first + step).min(units.end);
            let mut tap = usize::MAX;
            for t in share.clone() {
                if tap != t / tiles {
                    tap = t / tiles;
                    runs.clear();
                    source.runs(tap, first, end, &mut runs);
                }
                let (row, next) =
                    (t % tiles * self.a_cols / tiles, (t % tiles + 1) * self.a_cols / tiles);
                for col in (0..self.b_cols).step_by(kernels.nr) {
                    // SAFETY: the tile is inside the result of `tap`, and `runs` is the caller's
                    // promise.
                    unsafe {
                        let tile = OuterTile {
                            runs: runs.as_ptr(),
                            run_count: runs.len(),
                            a_stride: self.a_stride,
                            b_stride: self.b_stride,
                            a_col: row,
                            b_col: col,
                            cols: kernels.nr.min(self.b_cols - col),
                            out: out.add((tap * self.a_cols + row) * self.b_cols + col),
                            out_stride: self.b_cols,
                            scale: 1.0,
                            accumulate: first > units.start,
                        };
                        kernels.outer(next - row, &tile);
                    }
                }
            }
            first = end;
            if first >= units.end {
                return;
            }
        }
    }
}
