//! Pixels to look at: the input, or the activated copy of a few of its rows.

use super::Tile;
use super::grid::Grid;
use crate::conv2d::Conv2dShape;
use crate::conv2d::fusion::{Activation, Fusion};
use crate::cpu::Isa;
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
    /// Rows of a picture.
    height: usize,
    c: usize,
    /// 1 if every pixel stands for two by two.
    halved: u32,
}

impl<'a> Source<'a> {
    /// All pixels of `x`.
    pub fn whole(s: &Conv2dShape, fusion: &Fusion, x: &'a [f32]) -> Self {
        let [height, width] = fusion.input(s);
        let halved = fusion.upsample.into();
        Self { pixels: x, row: 0, column: 0, width, height, c: s.c, halved }
    }

    /// What `tiles` see of this source, activated, in `buffer`. They must lie in one line.
    pub fn activated<'b>(
        &self,
        isa: Isa,
        activation: Activation,
        s: &Conv2dShape,
        (tile, grid): (Tile, &Grid),
        tiles: &Range<usize>,
        buffer: &'b mut Option<Scratch>,
    ) -> Source<'b> {
        let [down, across] = tile.outputs();
        let (first, last) = (grid.place(tiles.start), grid.place(tiles.end - 1));
        // Of what the tiles see, the pixels that it is made of.
        let seen = |start: usize, end: usize| start >> self.halved..((end - 1) >> self.halved) + 1;
        let rows = seen(first.y.saturating_sub(1), (first.y + down + 1).min(s.h));
        let columns = seen(first.x.saturating_sub(1), (last.x + across + 1).min(s.w));
        let (row, width) = (first.n * self.height + rows.start, columns.len());
        let buffer = buffer.insert(Scratch::take(rows.len() * width * s.c)).floats_mut();
        for (i, out) in buffer.chunks_exact_mut((width * s.c).max(1)).enumerate() {
            let x = &self.pixels[((row + i) * self.width + columns.start) * s.c..][..width * s.c];
            activation.apply(isa, first.n, s.c, x, out);
        }
        Source { pixels: buffer, row, column: columns.start, width, ..*self }
    }

    /// The pixel in row `y` and column `x` of picture `n`.
    #[inline(always)]
    pub fn pixel(&self, n: usize, y: usize, x: usize) -> &[f32] {
        let (row, column) = (n * self.height + (y >> self.halved), x >> self.halved);
        let at = (row - self.row) * self.width + column - self.column;
        &self.pixels[at * self.c..][..self.c]
    }
}
