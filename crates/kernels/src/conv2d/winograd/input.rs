//! `V = Bᵀ d B` of patches of the input.

use super::Tile;
use super::algebra;
use super::grid::Grid;
use super::lanes::{Job, Lanes};
use super::stage::Source;
use crate::conv2d::Conv2dShape;
use crate::scratch::Scratch;
use std::ops::Range;

/// Where transformed patches lie: `[positions, tiles, words]`, further apart than that.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Words from one position to the next.
    pub position: usize,
    /// Words from one tile to the next.
    pub tile: usize,
}

impl Layout {
    /// A layout for `tiles` tiles of `words` words each.
    pub fn new(tiles: usize, words: usize) -> Self {
        // The micro-kernel reads the rows of 14 tiles at once, the transforms write or read all
        // positions at once: neither may lie in few sets of the L1 cache.
        let tile = if words > 0 && words.is_multiple_of(256) { words + 16 } else { words };
        let lines = (tiles * tile).div_ceil(16);
        Self { position: (lines | 1) * 16, tile }
    }

    /// Words of a buffer in this layout.
    pub fn len(&self, positions: usize) -> usize {
        positions * self.position
    }
}

/// A buffer of transformed patches that several tasks may fill.
pub(super) struct Patches {
    words: *mut u32,
    len: usize,
    /// Where they lie.
    pub layout: Layout,
}

// SAFETY: the methods that write say what may not happen at the same time.
unsafe impl Sync for Patches {}

impl Patches {
    /// Patches in `buffer`, which must live on and not be used otherwise.
    pub fn new(buffer: &mut Scratch, layout: Layout) -> Self {
        let words = buffer.words_mut();
        Self { words: words.as_mut_ptr(), len: words.len(), layout }
    }

    /// The address of position `p` of tile `t`.
    pub fn at(&self, p: usize, t: usize) -> *mut u32 {
        let at = p * self.layout.position + t * self.layout.tile;
        debug_assert!(at <= self.len);
        self.words.wrapping_add(at)
    }
}

/// The transform of some tiles.
pub(super) struct Transform<'a> {
    /// The tile.
    pub tile: Tile,
    /// The shape of the convolution.
    pub s: &'a Conv2dShape,
    /// The tiles of the input.
    pub grid: Grid,
    /// The pixels that the tiles see.
    pub source: &'a Source<'a>,
    /// `c` zeros: what lies around a picture.
    pub zeros: &'a [f32],
    /// The tiles to transform.
    pub tiles: Range<usize>,
    /// Whether to write pairs of bf16, or f32.
    pub pairs: bool,
    /// Where to.
    pub patches: &'a Patches,
    /// Which tile of the patches gets the first of `tiles`.
    pub first: usize,
}

impl Job for Transform<'_> {
    #[inline(always)]
    fn run<V: Lanes>(&self) {
        match (self.tile, self.pairs) {
            (Tile::F2, true) => self.tiles::<V, 4, 4, true>(),
            (Tile::F2, false) => self.tiles::<V, 4, 4, false>(),
            (Tile::F4x2, true) => self.tiles::<V, 6, 4, true>(),
            (Tile::F4x2, false) => self.tiles::<V, 6, 4, false>(),
            (Tile::F4, _) => self.tiles::<V, 6, 6, false>(),
        }
    }
}

impl Transform<'_> {
    #[inline(always)]
    fn tiles<V: Lanes, const DOWN: usize, const ACROSS: usize, const PAIRS: bool>(&self) {
        let Conv2dShape { h, w, c, .. } = *self.s;
        let per_word = if PAIRS { 2 } else { 1 };
        for (i, t) in self.tiles.clone().enumerate() {
            let place = self.grid.place(t);
            let mut pixels = [[self.zeros.as_ptr(); ACROSS]; DOWN];
            for (dy, line) in pixels.iter_mut().enumerate() {
                // A row or column before the first wraps around to one that is far too large.
                let y = (place.y + dy).wrapping_sub(1);
                for (dx, pixel) in line.iter_mut().enumerate() {
                    let x = (place.x + dx).wrapping_sub(1);
                    if y < h && x < w {
                        *pixel = self.source.pixel(place.n, y, x).as_ptr();
                    }
                }
            }
            let out = self.patches.at(0, self.first + i);
            let whole = c / V::COUNT * V::COUNT;
            for at in (0..whole).step_by(V::COUNT) {
                // SAFETY: every pixel has `c` elements, every position of a tile as many, as words.
                unsafe {
                    self.vector::<V, DOWN, ACROSS, PAIRS>(
                        &pixels,
                        at,
                        V::COUNT,
                        out.add(at / per_word),
                    )
                };
            }
            if whole < c {
                // SAFETY: as above.
                unsafe {
                    self.vector::<V, DOWN, ACROSS, PAIRS>(
                        &pixels,
                        whole,
                        c - whole,
                        out.add(whole / per_word),
                    )
                };
            }
        }
    }

    /// Transforms channels `at..at + count` of one tile.
    ///
    /// # Safety
    /// Pixels have so many channels; for every position, so many can be written from `out` on.
    #[inline(always)]
    unsafe fn vector<V: Lanes, const DOWN: usize, const ACROSS: usize, const PAIRS: bool>(
        &self,
        pixels: &[[*const f32; ACROSS]; DOWN],
        at: usize,
        count: usize,
        out: *mut u32,
    ) {
        // SAFETY: given.
        unsafe {
            let mut columns = [[V::splat(0.0); DOWN]; ACROSS];
            for (x, column) in columns.iter_mut().enumerate() {
                let d: [V; DOWN] = std::array::from_fn(|y| V::load(pixels[y][x].add(at), count));
                *column = algebra::input(d);
            }
            let mut to = out;
            for y in 0..DOWN {
                let line: [V; ACROSS] = std::array::from_fn(|x| columns[x][y]);
                for v in algebra::input(line) {
                    if PAIRS {
                        v.store_pairs(to, count);
                    } else {
                        v.store(to.cast(), count);
                    }
                    to = to.wrapping_add(self.patches.layout.position);
                }
            }
        }
    }
}
