//! The product of activations and a weight, cut into tasks and tiles.
//!
//! Sums are whole numbers, so the way the work is cut has no influence on the bits.

use super::activations::Activations;
use super::kernel::{Kernels, PANEL, RowTerms, Tile};
use super::weight::Int8Weight;
use crate::cpu::Isa;
use crate::parallel;

/// Rows that one task works on before it goes to the next panel: they stay in the L2 cache.
const CHUNK: usize = 224;

/// Products of bytes that are worth a task of their own.
const TASK: usize = 1 << 21;

/// Most tasks that a product is divided into, unless there are more chunks of rows.
const TASKS: usize = 32;

/// Where the result goes: rows of `o` elements.
struct Out(*mut f32);

// SAFETY: every task writes rows and columns of its own through the pointer.
unsafe impl Sync for Out {}

/// `y[pixel, j] = Σ x[pixel, …] · w[j, …] + bias[j]`.
pub(super) fn run(
    isa: Isa,
    weight: &Int8Weight,
    x: &Activations,
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let [o, c, kh, kw] = weight.shape();
    let rows = x.rows();
    assert_eq!(y.len(), rows * o, "y");
    assert!(bias.is_none_or(|bias| bias.len() == o), "bias");
    assert_eq!(x.run(), kw * c.div_ceil(4), "words of a row");
    let kernels = Kernels::select(isa);
    let panels = o.div_ceil(PANEL);
    let stretches = rows.div_ceil(CHUNK);
    let wanted = (rows * o * c * kh * kw / TASK).clamp(1, TASKS);
    let groups = wanted.div_ceil(stretches).min(panels);
    let out = Out(y.as_mut_ptr());
    parallel::tasks(stretches * groups, |task| {
        let (stretch, group) = (task / groups, task % groups);
        let (first, end) = (stretch * rows / stretches, (stretch + 1) * rows / stretches);
        let table = Table::new(kernels, x, kh, first, end - first);
        for p in group * panels / groups..(group + 1) * panels / groups {
            let (panel, scales, sums) = weight.panel(p);
            assert_eq!(panel.len(), kh * x.run() * PANEL, "panel");
            let out = &out;
            for block in &table.blocks {
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
                    out: out.0.wrapping_add((first + block.first) * o + p * PANEL),
                    out_stride: o,
                };
                // SAFETY: the rows point into `x`, `run` words each, the panel has 32 words for
                // every word of every tap, `scales` and `sums` have 32 elements, `bias` has `o`,
                // and y has `rows` rows of `o`, of which this task alone writes these.
                unsafe { kernels.rows(block.count, &tile) };
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
    fn new(kernels: &Kernels, x: &Activations, taps: usize, first: usize, count: usize) -> Self {
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
            x.locate(first + start, rows, terms);
            for group in rows.chunks_exact(terms.len()) {
                for (terms, &row) in terms.iter_mut().zip(group) {
                    // SAFETY: the row has so many words.
                    terms.sum += unsafe { kernels.sum(row, x.run()) };
                }
            }
            table.blocks.push(Block { first: start, count: end - start });
        }
        table
    }
}
