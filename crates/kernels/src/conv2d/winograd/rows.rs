//! Transformed tiles as rows for the weight's gradient, whose sums are over tiles: a word is a pair of
//! bf16 of neighbouring tiles, where the products of the forward pass pair channels.

use super::grid::{Grid, Place};
use super::input::Patches;
use super::lanes::{Job, Lanes};
use super::{Tile, algebra};
use crate::bf16;
use crate::conv2d::Conv2dShape;
use std::ops::Range;

/// Pictures that tiles lie in.
pub(super) struct Pixels<'a> {
    /// `[n, h, w, c]`.
    pub data: &'a [f32],
    /// Their channels.
    pub c: usize,
    /// The convolution.
    pub s: &'a Conv2dShape,
    /// The tiles.
    pub grid: Grid,
    /// At least `c`.
    pub zeros: &'a [f32],
}

impl Pixels<'_> {
    /// The addresses of the pixels from `place` on, moved up and left by `border`; zeros for those
    /// that are outside the picture, and for all if there is no such place.
    #[inline(always)]
    fn of<const DOWN: usize, const ACROSS: usize>(
        &self,
        place: Option<Place>,
        border: usize,
    ) -> [[*const f32; ACROSS]; DOWN] {
        let Conv2dShape { h, w, .. } = *self.s;
        let mut pixels = [[self.zeros.as_ptr(); ACROSS]; DOWN];
        let Some(place) = place else { return pixels };
        for (dy, line) in pixels.iter_mut().enumerate() {
            // A row or column before the first wraps around to one that is far too large.
            let y = (place.y + dy).wrapping_sub(border);
            for (dx, pixel) in line.iter_mut().enumerate() {
                let x = (place.x + dx).wrapping_sub(border);
                if y < h && x < w {
                    let at = ((place.n * h + y) * w + x) * self.c;
                    *pixel = self.data[at..][..self.c].as_ptr();
                }
            }
        }
        pixels
    }
}

/// `Bᵀ d B` of patches, or `A dY Aᵀ` of tiles. Row `j` is tile `j`, or pairs of bf16 of the tiles `2 j`
/// and `2 j + 1`.
pub(super) struct Transform<'a> {
    /// The tile.
    pub tile: Tile,
    /// What is transformed.
    pub pixels: Pixels<'a>,
    /// Where to.
    pub patches: &'a Patches,
    /// Which rows. Nobody else writes them meanwhile.
    pub rows: Range<usize>,
    /// Whether to write pairs of bf16, or f32 rounded to it.
    pub pairs: bool,
    /// Whether the pixels are those of the output's gradient.
    pub adjoint: bool,
}

impl Job for Transform<'_> {
    #[inline(always)]
    fn run<V: Lanes>(&self) {
        match (self.tile, self.adjoint) {
            (Tile::F2, false) => self.rows::<V, 4, 4, false>(),
            (Tile::F2, true) => self.rows::<V, 4, 4, true>(),
            (Tile::F4x2, false) => self.rows::<V, 6, 4, false>(),
            (Tile::F4x2, true) => self.rows::<V, 6, 4, true>(),
            (Tile::F4, _) => unreachable!("its products are those of f32"),
        }
    }
}

impl Transform<'_> {
    #[inline(always)]
    fn rows<V: Lanes, const DOWN: usize, const ACROSS: usize, const ADJOINT: bool>(&self) {
        let Pixels { c, grid, .. } = self.pixels;
        let count = grid.count();
        let border = if ADJOINT { 0 } else { 1 };
        for row in self.rows.clone() {
            let tiles = if self.pairs { [2 * row, 2 * row + 1] } else { [row, count] };
            let place = |t: usize| (t < count).then(|| grid.place(t));
            let low = self.pixels.of::<DOWN, ACROSS>(place(tiles[0]), border);
            let high = self.pixels.of::<DOWN, ACROSS>(place(tiles[1]), border);
            for at in (0..c).step_by(V::COUNT) {
                let width = V::COUNT.min(c - at);
                // SAFETY: every pixel has `c` elements, every position of a row as many words.
                unsafe {
                    let low = transformed::<V, DOWN, ACROSS, ADJOINT>(&low, at, width);
                    let high = transformed::<V, DOWN, ACROSS, ADJOINT>(&high, at, width);
                    let mut to = self.patches.at(0, row).add(at);
                    for y in 0..DOWN {
                        for x in 0..ACROSS {
                            if self.pairs {
                                V::zip_pairs(low[y][x], high[y][x], to, width);
                            } else {
                                low[y][x].store(to.cast(), width);
                                let words = std::slice::from_raw_parts_mut(to, width);
                                for word in words {
                                    *word = bf16::round(f32::from_bits(*word)) << 16;
                                }
                            }
                            to = to.wrapping_add(self.patches.layout.position);
                        }
                    }
                }
            }
        }
    }
}

/// The transform of channels `at..at + count` of one tile.
///
/// # Safety
/// Pixels have so many channels.
#[inline(always)]
unsafe fn transformed<V: Lanes, const DOWN: usize, const ACROSS: usize, const ADJOINT: bool>(
    pixels: &[[*const f32; ACROSS]; DOWN],
    at: usize,
    count: usize,
) -> [[V; ACROSS]; DOWN] {
    let zero = V::splat(0.0);
    let (mut columns, mut tile) = ([[zero; DOWN]; ACROSS], [[zero; ACROSS]; DOWN]);
    // The outputs of a tile are two less in either direction than what it sees.
    let less = if ADJOINT { 2 } else { 0 };
    for x in 0..ACROSS - less {
        let mut d = [zero; DOWN];
        for y in 0..DOWN - less {
            // SAFETY: given.
            d[y] = unsafe { V::load(pixels[y][x].add(at), count) };
        }
        columns[x] = if ADJOINT { algebra::output_adjoint(d) } else { algebra::input(d) };
    }
    for y in 0..DOWN {
        let mut line = [zero; ACROSS];
        for x in 0..ACROSS {
            line[x] = columns[x][y];
        }
        tile[y] = if ADJOINT { algebra::output_adjoint(line) } else { algebra::input(line) };
    }
    tile
}
