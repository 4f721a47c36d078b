//! Products whose left rows are read where they lie: `linear`, its input gradient, convolution and
//! its input gradient.
//!
//! Every element of the result is summed over taps and then over `l`, whatever the tiling, so the
//! way the work is cut has no influence on the bits.

use super::panels;
use crate::Precision;
use crate::cpu::Isa;
use crate::epilogue::{Sums, Writer};
use crate::microkernel::{Kernels, RowsTile};
use crate::parallel;
use crate::scratch::{Scratch, word_chunks};

/// Rows that one task works on before it goes to the next panel: they stay in the L2 cache.
const CHUNK: usize = 224;

/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 20;

/// Most tasks that one chunk of rows is divided into.
const TASKS: usize = 32;

/// Where the rows of a product lie.
pub(crate) trait LeftRows: Sync {
    /// For the rows from `first` on, as many as `outs` is long: `rows[group · outs.len() + i]` gets
    /// the address of what row `first + i` multiplies with a group of `merged` taps, `outs[i]` that
    /// of its result.
    fn locate(&self, first: usize, rows: &mut [*const u32], outs: &mut [*mut f32]);
}

/// The right operand of a product, `[taps · k, cols]`.
pub(crate) trait RightPanels: Sync {
    /// Writes columns `first..first + cols` as `panel[row · stride + j]` for every row.
    fn pack(&self, isa: Isa, first: usize, cols: usize, panel: &mut [f32], stride: usize);

    /// All panels one behind the other as the micro-kernels read them, if they are packed already.
    fn ready(&self) -> Option<&[u32]> {
        None
    }
}

/// `out[r, j] = Σ_tap Σ_l left[tap, r][l] · right[tap, l, j] + bias[j]`.
#[derive(Clone, Copy)]
pub(crate) struct RowsProduct<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// What the words of the left rows are.
    pub precision: Precision,
    /// Rows of the result.
    pub rows: usize,
    /// Columns of the result.
    pub cols: usize,
    /// Left rows that each row is the sum over.
    pub taps: usize,
    /// How many consecutive taps have their left rows one behind the other in memory.
    pub merged: usize,
    /// Elements of a left row for one tap.
    pub k: usize,
    /// `cols` elements.
    pub bias: Option<&'a [f32]>,
}

impl RowsProduct<'_> {
    /// Computes the product, on all threads if it is worth it.
    ///
    /// # Safety
    /// The addresses from `left` are those of `merged` times `k` elements (as words) to read and of
    /// `cols` elements to write, no two rows share a result, and nothing else uses the results
    /// meanwhile.
    pub unsafe fn run(&self, left: &dyn LeftRows, right: &dyn RightPanels) {
        // SAFETY: given.
        unsafe { self.run_with(left, right, None) };
    }

    /// As [`RowsProduct::run`], but the sums go to `writer`, tile by tile.
    ///
    /// # Safety
    /// As for `run`, except that `left` gives no addresses of results: those that `writer` was made
    /// with are still there, and nothing else uses them meanwhile.
    pub unsafe fn run_to(&self, left: &dyn LeftRows, right: &dyn RightPanels, writer: &Writer) {
        assert!(self.bias.is_none(), "the writer adds the bias");
        // SAFETY: given.
        unsafe { self.run_with(left, right, Some(writer)) };
    }

    /// # Safety
    /// As for `run` or `run_to`.
    unsafe fn run_with(
        &self,
        left: &dyn LeftRows,
        right: &dyn RightPanels,
        writer: Option<&Writer>,
    ) {
        let kernels = Kernels::select(self.isa, self.precision);
        if self.rows == 0 || self.cols == 0 {
            return;
        }
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), self.cols, "bias");
        }
        let panel_count = self.cols.div_ceil(kernels.nr);
        let panel_len = self.taps * kernels.words(self.k) * kernels.nr;
        let work = self.rows * self.cols * self.taps * self.k;
        let wanted = (work / TASK).clamp(1, TASKS);
        let ready = right.ready();
        if self.rows <= CHUNK && ready.is_none() {
            // Each task packs the panels it needs: nobody else does, and they stay in its cache.
            let groups = wanted.min(panel_count);
            parallel::tasks(groups, |g| {
                let table = Table::new(self, kernels, left, 0, self.rows);
                let mut panel = Scratch::take(panel_len);
                for p in g * panel_count / groups..(g + 1) * panel_count / groups {
                    self.pack(kernels, right, p, panel.words_mut());
                    // SAFETY: given.
                    unsafe { self.panel(kernels, &table, p, panel.words(), writer) };
                }
            });
            return;
        }
        let mut own = Scratch::take(if ready.is_some() { 0 } else { panel_count * panel_len });
        if panel_len > 0 && ready.is_none() {
            word_chunks(own.words_mut(), panel_len, |p, panel| {
                self.pack(kernels, right, p, panel);
            });
        }
        let packed = ready.unwrap_or(own.words());
        assert_eq!(packed.len(), panel_count * panel_len, "packed words");
        let per_chunk = work / self.rows * CHUNK;
        let step = CHUNK * (TASK / per_chunk.max(1)).clamp(1, self.rows.div_ceil(CHUNK * TASKS));
        let stretches = self.rows.div_ceil(step);
        let groups = wanted.div_ceil(stretches).min(panel_count);
        parallel::tasks(stretches * groups, |task| {
            let (stretch, g) = (task / groups, task % groups);
            let end = (stretch * step + step).min(self.rows);
            for first in (stretch * step..end).step_by(CHUNK) {
                let table = Table::new(self, kernels, left, first, CHUNK.min(end - first));
                for p in g * panel_count / groups..(g + 1) * panel_count / groups {
                    let panel = &packed[p * panel_len..][..panel_len];
                    // SAFETY: given.
                    unsafe { self.panel(kernels, &table, p, panel, writer) };
                }
            }
        });
    }

    /// Row pointers for each row.
    fn groups(&self) -> usize {
        self.taps / self.merged
    }

    /// Packs panel `p`, as words.
    fn pack(&self, kernels: &Kernels, right: &dyn RightPanels, p: usize, panel: &mut [u32]) {
        let first = p * kernels.nr;
        let cols = kernels.nr.min(self.cols - first);
        let size = [self.taps, self.k, kernels.nr];
        panels::words(self.isa, self.precision, size, panel, |plain| {
            right.pack(self.isa, first, cols, plain, kernels.nr);
        });
    }

    /// Multiplies all rows of `table` with panel `p`.
    ///
    /// # Safety
    /// As for `run` or `run_to`.
    unsafe fn panel(
        &self,
        kernels: &Kernels,
        table: &Table,
        p: usize,
        panel: &[u32],
        writer: Option<&Writer>,
    ) {
        let first = p * kernels.nr;
        let mut sums = Sums::new();
        let sum_rows: [*mut f32; MOST_ROWS] =
            std::array::from_fn(|i| sums.0.as_mut_ptr().wrapping_add(i * kernels.nr));
        assert!(kernels.mr <= MOST_ROWS && kernels.mr * kernels.nr <= sums.0.len());
        let (groups, k) = (self.groups(), self.merged * kernels.words(self.k));
        assert_eq!(panel.len(), groups * k * kernels.nr, "panel");
        for block in &table.blocks {
            let tile = RowsTile {
                rows: table.rows[block.first * groups..][..block.count * groups].as_ptr(),
                taps: groups,
                k,
                b: panel.as_ptr(),
                b_stride: kernels.nr,
                b_tap: k * kernels.nr,
                cols: kernels.nr.min(self.cols - first),
                outs: match writer {
                    None => table.outs[block.first..][..block.count].as_ptr(),
                    Some(_) => sum_rows.as_ptr(),
                },
                out_col: if writer.is_some() { 0 } else { first },
                bias: self.bias.map_or(std::ptr::null(), |bias| bias[first..].as_ptr()),
                scale: 1.0,
                accumulate: false,
            };
            if let Some(writer) = writer {
                writer.prefetch(table.start + block.first, block.count, p, kernels.nr);
            }
            // SAFETY: the rows are the caller's promise, the panel has `nr` words for every `l`
            // of every tap, and `bias` has `cols` elements.
            unsafe { kernels.rows(block.count, &tile) };
            if let Some(writer) = writer {
                // SAFETY: given; every tile is computed once.
                unsafe {
                    writer.tile(table.start + block.first, block.count, p, kernels.nr, &mut sums);
                }
            }
        }
    }
}

/// Most rows of a tile of any instruction set.
const MOST_ROWS: usize = 14;

/// Rows of one tile.
struct Block {
    first: usize,
    count: usize,
}

/// The addresses of a chunk of rows, cut into tiles of nearly equal height.
struct Table {
    /// The first row.
    start: usize,
    blocks: Vec<Block>,
    rows: Vec<*const u32>,
    outs: Vec<*mut f32>,
}

impl Table {
    fn new(
        p: &RowsProduct,
        kernels: &Kernels,
        left: &dyn LeftRows,
        first: usize,
        count: usize,
    ) -> Self {
        let tiles = count.div_ceil(kernels.mr);
        let mut table = Self {
            start: first,
            blocks: Vec::with_capacity(tiles),
            rows: vec![std::ptr::null(); count * p.groups()],
            outs: vec![std::ptr::null_mut(); count],
        };
        for t in 0..tiles {
            let (start, end) = (t * count / tiles, (t + 1) * count / tiles);
            let rows = &mut table.rows[start * p.groups()..end * p.groups()];
            left.locate(first + start, rows, &mut table.outs[start..end]);
            table.blocks.push(Block { first: start, count: end - start });
        }
        table
    }
}
