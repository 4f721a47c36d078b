//! Pixels to look at: the input, or the activated copy of a few of its rows.

use super::Tile;
use super::fusion::Activation;
use super::grid::Grid;
use crate::conv2d::Conv2dShape;
use crate::cpu::Isa;
use crate::math::{per_isa, silu};
use crate::scratch::Scratch;
use std::ops::Range;

/// A rectangle of pixels, or all of them.
pub(super) struct Source<'a> {
    /// `[rows, width, c]`.
    pixels: &'a [f32],
    /// The row of the first pixel, counted through all pictures.
    row: usize,
    /// Its column.
    column: usize,
    /// Pixels in a row.
    width: usize,
    c: usize,
}

impl<'a> Source<'a> {
    /// All pixels of `x`.
    pub fn whole(s: &Conv2dShape, x: &'a [f32]) -> Self {
        Self { pixels: x, row: 0, column: 0, width: s.w, c: s.c }
    }

    /// What `tiles` see of `x`, activated, in `buffer`. They must lie in one line.
    pub fn activated(
        isa: Isa,
        activation: Activation,
        (s, x): (&Conv2dShape, &[f32]),
        (tile, grid): (Tile, &Grid),
        tiles: &Range<usize>,
        buffer: &'a mut Option<Scratch>,
    ) -> Self {
        let [down, across] = tile.outputs();
        let (first, last) = (grid.place(tiles.start), grid.place(tiles.end - 1));
        let rows = first.y.saturating_sub(1)..(first.y + down + 1).min(s.h);
        let columns = first.x.saturating_sub(1)..(last.x + across + 1).min(s.w);
        let (row, width) = (first.n * s.h + rows.start, columns.len());
        let buffer = buffer.insert(Scratch::take(rows.len() * width * s.c)).floats_mut();
        let channels = first.n * s.c..(first.n + 1) * s.c;
        let (scale, shift) = (&activation.scale[channels.clone()], &activation.shift[channels]);
        for (i, out) in buffer.chunks_exact_mut((width * s.c).max(1)).enumerate() {
            let x = &x[((row + i) * s.w + columns.start) * s.c..][..width * s.c];
            activate(isa, x, scale, shift, out);
        }
        Self { pixels: buffer, row, column: columns.start, width, c: s.c }
    }

    /// Pixel `column` of row `row`, counted through all pictures.
    #[inline(always)]
    pub fn pixel(&self, row: usize, column: usize) -> &[f32] {
        let at = (row - self.row) * self.width + column - self.column;
        &self.pixels[at * self.c..][..self.c]
    }
}

per_isa! {
    fn activate(x: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
        for (x, out) in x.chunks_exact(scale.len()).zip(out.chunks_exact_mut(scale.len())) {
            for (((out, &x), &scale), &shift) in out.iter_mut().zip(x).zip(scale).zip(shift) {
                *out = silu(x * scale + shift);
            }
        }
    }
}
