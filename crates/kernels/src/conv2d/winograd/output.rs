//! `Y = Aᵀ M A`: from products to pixels of the output.

use super::Tile;
use super::algebra;
use super::grid::Grid;
use super::lanes::{Job, Lanes};
use crate::conv2d::{Conv2dShape, Fusion};
use std::ops::Range;

/// The results of a convolution, which tasks write in disjoint parts.
pub(super) struct Results<'a> {
    /// The tile.
    pub tile: Tile,
    /// The shape of the convolution.
    pub s: &'a Conv2dShape,
    /// The tiles.
    pub grid: Grid,
    /// What is added to it.
    pub fusion: &'a Fusion<'a>,
    /// `[n, h, w, o]`.
    pub y: *mut f32,
}

// SAFETY: whoever writes through `y` promises that nobody else writes the same elements.
unsafe impl Sync for Results<'_> {}

/// The transform of the products of some tiles and one panel of outputs.
pub(super) struct Transform<'a> {
    /// Where to.
    pub results: &'a Results<'a>,
    /// The tiles. Nobody else writes their results for the same channels meanwhile.
    pub tiles: Range<usize>,
    /// Output channels.
    pub channels: Range<usize>,
    /// `[positions, tiles, nr]` products.
    pub products: &'a [f32],
    /// Products from one tile to the next.
    pub nr: usize,
    /// Products from one position to the next.
    pub position: usize,
}

impl Job for Transform<'_> {
    #[inline(always)]
    fn run<V: Lanes>(&self) {
        match self.results.tile {
            Tile::F2 => self.tiles::<V, 4, 4>(),
            Tile::F4x2 => self.tiles::<V, 6, 4>(),
            Tile::F4 => self.tiles::<V, 6, 6>(),
        }
    }
}

impl Transform<'_> {
    #[inline(always)]
    fn tiles<V: Lanes, const DOWN: usize, const ACROSS: usize>(&self) {
        let Results { s, grid, .. } = *self.results;
        assert!(
            self.products.len() >= (DOWN * ACROSS - 1) * self.position + self.tiles.len() * self.nr
        );
        for (i, t) in self.tiles.clone().enumerate() {
            let place = grid.place(t);
            let inside = [(s.h - place.y).min(DOWN - 2), (s.w - place.x).min(ACROSS - 2)];
            let pixel = ((place.n * s.h + place.y) * s.w + place.x) * s.o;
            let width = self.channels.len();
            let whole = width / V::COUNT * V::COUNT;
            let products = &self.products[i * self.nr..];
            for at in (0..whole).step_by(V::COUNT) {
                // SAFETY: products are `nr` elements apart, and no panel is wider; the pixels are
                // inside the picture, and the channels among the outputs.
                unsafe {
                    self.vector::<V, DOWN, ACROSS>(products, [place.n, pixel], inside, at, V::COUNT)
                };
            }
            if whole < width {
                // SAFETY: as above.
                unsafe {
                    self.vector::<V, DOWN, ACROSS>(
                        products,
                        [place.n, pixel],
                        inside,
                        whole,
                        width - whole,
                    )
                };
            }
        }
    }

    /// Transforms channels `at..at + count` of the panel for one tile of picture `n`, whose
    /// first pixel is at `pixel`, and of which `inside` pixels exist, down and across.
    ///
    /// # Safety
    /// For every position, so many products can be read; the pixels can be written.
    #[inline(always)]
    unsafe fn vector<V: Lanes, const DOWN: usize, const ACROSS: usize>(
        &self,
        products: &[f32],
        [n, pixel]: [usize; 2],
        inside: [usize; 2],
        at: usize,
        count: usize,
    ) {
        let Results { s, y, fusion, .. } = *self.results;
        let channel = self.channels.start + at;
        // SAFETY: given; the bias has an element for every output channel.
        unsafe {
            let mut from = products.as_ptr().add(at);
            let mut lines = [[V::splat(0.0); ACROSS]; DOWN];
            for line in &mut lines {
                for product in line.iter_mut() {
                    *product = V::load(from, count);
                    from = from.wrapping_add(self.position);
                }
                *line = algebra::output(*line);
            }
            let load = |x: Option<&[f32]>, at: usize| {
                x.map_or(V::splat(0.0), |x| V::load(x[at..][..count].as_ptr(), count))
            };
            let bias = load(fusion.bias, channel);
            let per_picture = load(fusion.per_picture, n * s.o + channel);
            for column in 0..ACROSS - 2 {
                let down: [V; DOWN] = std::array::from_fn(|line| lines[line][column]);
                let sums = algebra::output(down);
                for line in 0..DOWN - 2 {
                    if line < inside[0] && column < inside[1] {
                        let element = pixel + (line * s.w + column) * s.o + channel;
                        let mut sum = sums[line].add(bias).add(per_picture);
                        if let Some(residual) = fusion.residual {
                            sum = sum.add(V::load(residual.as_ptr().add(element), count));
                        }
                        sum.store(y.add(element), count);
                    }
                }
            }
        }
    }
}
