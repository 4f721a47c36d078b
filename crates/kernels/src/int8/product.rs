//! The product of activations and a weight, cut into tasks and tiles.
//!
//! Sums are whole numbers, so the way the work is cut has no influence on the bits.

use super::activations::Quantized;
use super::kernel::{Kernels, PANEL, RowTerms, Tile};
use super::weight::Int8Weight;
use crate::cpu::Isa;
use crate::epilogue::{Sums, Writer};
use crate::parallel;

/// Rows that one task works on before it goes to the next panel: they stay in the L2 cache.
const CHUNK: usize = 224;

/// Products of bytes that are worth a task of their own.
const TASK: usize = 1 << 21;

/// Most tasks that a product is divided into, unless there are more chunks of rows.
const TASKS: usize = 32;

/// Where the result goes.
enum Out<'a> {
    /// To rows of so many elements.
    Rows(*mut f32, usize),
    /// Tile by tile.
    Writer(&'a Writer<'a>),
}

// SAFETY: every task writes rows and columns of its own through the pointer.
unsafe impl Sync for Out<'_> {}

/// `y[pixel, j] = Σ x[pixel, …] · w[j, …] + bias[j]`.
pub(super) fn run(
    isa: Isa,
    weight: &Int8Weight,
    x: &Quantized,
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let o = weight.shape()[0];
    assert_eq!(y.len(), x.rows() * o, "y");
    assert!(bias.is_none_or(|bias| bias.len() == o), "bias");
    assert!(!weight.is_gated(), "a weight before a GEGLU");
    // SAFETY: y has `rows` rows of `o`.
    unsafe { run_with(isa, weight, x, bias, &Out::Rows(y.as_mut_ptr(), o)) };
}

/// As [`run`], but the products without a bias go to `writer`.
///
/// # Safety
/// The writer was made for so many rows, and its result is still there.
pub(super) unsafe fn run_to(isa: Isa, weight: &Int8Weight, x: &Quantized, writer: &Writer) {
    // SAFETY: given.
    unsafe { run_with(isa, weight, x, None, &Out::Writer(writer)) };
}

/// # Safety
/// `out` has a row for each row of `x`, of as many elements as `weight` has columns.
unsafe fn run_with(
    isa: Isa,
    weight: &Int8Weight,
    x: &Quantized,
    bias: Option<&[f32]>,
    out: &Out<'_>,
) {
    let [_, c, kh, kw] = weight.shape();
    let (rows, o) = (x.rows(), weight.columns());
    if rows == 0 || o == 0 {
        return;
    }
    assert_eq!(x.run(), kw * c.div_ceil(4), "words of a row");
    let kernels = Kernels::select(isa);
    let panels = o.div_ceil(PANEL);
    let stretches = rows.div_ceil(CHUNK);
    let wanted = (rows * o * c * kh * kw / TASK).clamp(1, TASKS);
    let groups = wanted.div_ceil(stretches).min(panels);
    parallel::tasks(stretches * groups, |task| {
        let (stretch, group) = (task / groups, task % groups);
        let (first, end) = (stretch * rows / stretches, (stretch + 1) * rows / stretches);
        let table = Table::new(kernels, x, kh, first, end - first);
        let mut room = Sums::new();
        for p in group * panels / groups..(group + 1) * panels / groups {
            let (panel, scales, sums) = weight.panel(p);
            assert_eq!(panel.len(), kh * x.run() * PANEL, "panel");
            for block in &table.blocks {
                let (start, stride) = match out {
                    Out::Rows(y, o) => (y.wrapping_add((first + block.first) * o + p * PANEL), *o),
                    Out::Writer(_) => (room.0.as_mut_ptr(), PANEL),
                };
                let tile = Tile {
                    rows: table.rows[block.first * kh..][..block.count * kh].as_ptr(),
                    taps: kh,
                    k: x.run(),
                    b: panel.as_ptr(),
                    terms: table.terms[block.first..][..block.count].as_ptr(),
                    scales: scales.as_ptr(),
                    sums: sums.as_ptr(),
                    bias: bias.map_or(std::ptr::null(), |bias| bias[p * PANEL..].as_ptr()),
                    cols: PANEL.min(o - p * PANEL),
                    out: start,
                    out_stride: stride,
                };
                if let Out::Writer(writer) = out {
                    writer.prefetch(first + block.first, block.count, p, PANEL);
                }
                // SAFETY: the rows point into `x`, `run` words each, the panel has 32 words for
                // every word of every tap, `scales` and `sums` have 32 elements, `bias` has `o`,
                // and the result has `rows` rows of `o`, of which this task alone writes these, or
                // there is room for a tile.
                unsafe { kernels.rows(block.count, &tile) };
                if let Out::Writer(writer) = out {
                    // SAFETY: given; every tile is computed once.
                    unsafe {
                        writer.tile(first + block.first, block.count, p, PANEL, &mut room);
                    }
                }
            }
        }
    });
}

/// Rows of one tile.
struct Block {
    first: usize,
    count: usize,
}

/// The addresses and terms of a chunk of rows, cut into tiles of nearly equal height.
struct Table {
    blocks: Vec<Block>,
    rows: Vec<*const u32>,
    terms: Vec<RowTerms>,
}

impl Table {
    fn new(kernels: &Kernels, x: &Quantized, taps: usize, first: usize, count: usize) -> Self {
        let tiles = count.div_ceil(kernels.mr);
        let mut table = Self {
            blocks: Vec::with_capacity(tiles),
            rows: vec![std::ptr::null(); count * taps],
            terms: vec![RowTerms::default(); count],
        };
        for t in 0..tiles {
            let (start, end) = (t * count / tiles, (t + 1) * count / tiles);
            let rows = &mut table.rows[start * taps..end * taps];
            let terms = &mut table.terms[start..end];
            x.locate(kernels, first + start, rows, terms);
            table.blocks.push(Block { first: start, count: end - start });
        }
        table
    }
}
