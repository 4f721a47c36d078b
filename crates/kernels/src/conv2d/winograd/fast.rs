//! The transform of a weight that changes with every step: in f32, which is good enough for what will
//! be rounded to bf16, and takes half as long as the exact one.

use super::lanes::{Job, Lanes};
use super::{Tile, algebra};

/// `G g Gᵀ` in f32.
pub(super) struct Fast<'a> {
    /// The tile.
    pub tile: Tile,
    /// `[c, 9, nr]`.
    pub taps: &'a [f32],
    /// Outputs in a panel.
    pub nr: usize,
    /// `[positions, c, nr]`, to be written.
    pub out: *mut f32,
}

impl Job for Fast<'_> {
    #[inline(always)]
    fn run<V: Lanes>(&self) {
        match self.tile {
            Tile::F2 => self.kernels::<V, 4, 4>(),
            Tile::F4x2 => self.kernels::<V, 6, 4>(),
            Tile::F4 => self.kernels::<V, 6, 6>(),
        }
    }
}

impl Fast<'_> {
    #[inline(always)]
    fn kernels<V: Lanes, const DOWN: usize, const ACROSS: usize>(&self) {
        let Self { taps, nr, out, .. } = *self;
        assert!(nr.is_multiple_of(V::COUNT), "whole vectors");
        for at in (0..taps.len() / 9).step_by(V::COUNT) {
            let (c, lane) = (at / nr, at % nr);
            // SAFETY: `at` is among as many elements as each position has; those of the taps of
            // one input are together.
            unsafe {
                let from = taps.as_ptr().add(c * 9 * nr + lane);
                let mut columns = [[V::splat(0.0); DOWN]; 3];
                for (x, column) in columns.iter_mut().enumerate() {
                    let mut g = [V::splat(0.0); 3];
                    for (y, g) in g.iter_mut().enumerate() {
                        *g = V::load(from.add((3 * y + x) * nr), V::COUNT);
                    }
                    *column = algebra::kernel(g);
                }
                for y in 0..DOWN {
                    let line = [columns[0][y], columns[1][y], columns[2][y]];
                    let u: [V; ACROSS] = algebra::kernel(line);
                    for x in 0..ACROSS {
                        u[x].store(out.add((y * ACROSS + x) * (taps.len() / 9) + at), V::COUNT);
                    }
                }
            }
        }
    }
}
