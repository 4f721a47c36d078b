//! Which pixels a tile computes.

use super::Tile;
use crate::conv2d::Conv2dShape;
use std::ops::Range;

/// The tiles of all pictures, in the order of their pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Outputs of a tile, down and across.
    outputs: [usize; 2],
    /// Tiles of a picture, down and across.
    tiles: [usize; 2],
    n: usize,
}

/// The place of one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The picture.
    pub n: usize,
    /// The first row of outputs.
    pub y: usize,
    /// The first column of outputs.
    pub x: usize,
}

impl Grid {
    /// The tiles that cover the outputs of `s`; the last of a row or column may reach beyond.
    pub fn new(tile: Tile, s: &Conv2dShape) -> Self {
        let outputs = tile.outputs();
        let tiles = [s.h.div_ceil(outputs[0]), s.w.div_ceil(outputs[1])];
        Self { outputs, tiles, n: s.n }
    }

    /// All tiles.
    pub fn count(&self) -> usize {
        self.n * self.tiles[0] * self.tiles[1]
    }

    /// The place of tile `t`.
    pub fn place(&self, t: usize) -> Place {
        let [down, across] = self.tiles;
        let (line, column) = (t / across, t % across);
        let (n, row) = (line / down, line % down);
        Place { n, y: row * self.outputs[0], x: column * self.outputs[1] }
    }

    /// The first of `tiles`, as many as lie in one line of a picture.
    pub fn line(&self, tiles: &Range<usize>) -> Range<usize> {
        let across = self.tiles[1];
        tiles.start..tiles.end.min((tiles.start / across + 1) * across)
    }
}

/// Part `i` of `count` nearly equal parts of `0..len`.
pub(super) fn part(len: usize, count: usize, i: usize) -> Range<usize> {
    i * len / count..(i + 1) * len / count
}
