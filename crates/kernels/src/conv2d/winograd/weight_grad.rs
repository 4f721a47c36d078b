//! The gradient of the weight: `dg = Gᵀ [Σ (A dY Aᵀ) ⊙ (Bᵀ d B)] G`, the sum over all tiles, which is
//! what the chain rule makes of Lavin and Gray's equation 8. At each position it is a sum of outer
//! products of the transformed patch and the transformed gradient of the output.

use super::grid::Grid;
use super::input::{Layout, Patches};
use super::lanes::{self, Job, Lanes};
use super::rows::{Pixels, Transform};
use super::{Tile, algebra};
use crate::Precision;
use crate::conv2d::Conv2dShape;
use crate::cpu::Isa;
use crate::gemm::outer::{OuterProduct, Runs};
use crate::gemm::transpose::transpose;
use crate::microkernel::{Kernels, Run};
use crate::parallel;
use crate::scratch::Scratch;

/// Rows of transformed tiles that one task writes.
const CHUNK: usize = 8;

/// Rows that are not cut in a sum.
const UNIT: usize = 8;

/// Elements of the weight that one task transforms back.
const ELEMENTS: usize = 1 << 13;

/// The gradient of the weight, after all has been checked.
pub(super) fn run(isa: Isa, tile: Tile, s: &Conv2dShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let grid = Grid::new(tile, s);
    if dw.is_empty() || grid.count() == 0 {
        return dw.fill(0.0);
    }
    let positions = tile.positions();
    let kernels = Kernels::select(isa, Precision::Bf16);
    let rows = kernels.words(grid.count());
    let [x_layout, dy_layout] = [s.c, s.o].map(|channels| Layout::new(rows, channels));
    let mut buffers = [x_layout, dy_layout].map(|layout| Scratch::take(layout.len(positions)));
    let [x_buffer, dy_buffer] = &mut buffers;
    let (inputs, outputs) = (Patches::new(x_buffer, x_layout), Patches::new(dy_buffer, dy_layout));
    let zeros = vec![0.0; s.c.max(s.o)];
    parallel::tasks(rows.div_ceil(CHUNK), |task| {
        let rows = task * CHUNK..rows.min((task + 1) * CHUNK);
        for (data, c, patches, adjoint) in [(x, s.c, &inputs, false), (dy, s.o, &outputs, true)] {
            let pixels = Pixels { data, c, s, grid, zeros: &zeros };
            let (rows, pairs) = (rows.clone(), kernels.pairs);
            lanes::run(isa, &Transform { tile, pixels, patches, rows, pairs, adjoint });
        }
    });

    // The right operand is padded to whole vectors.
    let swapped = s.c * s.o.next_multiple_of(16) < s.o * s.c.next_multiple_of(16);
    let (left, right) = if swapped { (inputs, outputs) } else { (outputs, inputs) };
    let [a_cols, b_cols] = if swapped { [s.c, s.o] } else { [s.o, s.c] };
    let product = OuterProduct {
        isa,
        precision: Precision::Bf16,
        taps: positions,
        a_cols,
        b_cols,
        a_stride: left.layout.tile,
        b_stride: right.layout.tile,
        units: rows.div_ceil(UNIT),
        unit_rows: UNIT,
    };
    let mut sums = Scratch::take(positions * s.o * s.c);
    // SAFETY: both have been written, `rows` rows of so many words at every position.
    unsafe { product.run(&Rows { left, right, rows }, sums.floats_mut()) };

    let sums = &*sums.floats_mut();
    let outputs = (ELEMENTS / (9 * s.c)).max(1);
    parallel::chunks(dw, outputs * 9 * s.c, |task, dw| {
        let mut room = Scratch::take((positions + 9) * s.c);
        let (line, taps) = room.floats_mut().split_at_mut(positions * s.c);
        for (i, dw) in dw.chunks_exact_mut(9 * s.c).enumerate() {
            let o = task * outputs + i;
            let (u, position) = if swapped {
                for (x, sums) in line.iter_mut().zip(sums.chunks_exact(s.o)) {
                    *x = sums[o];
                }
                (&*line, s.c)
            } else {
                (&sums[o * s.c..], s.o * s.c)
            };
            lanes::run(isa, &Back { tile, c: s.c, u, position, taps: taps.as_mut_ptr() });
            transpose(isa, taps, s.c, [9, s.c], dw, 9, |channel| channel);
        }
    });
}

/// Transformed tiles of both operands.
struct Rows {
    left: Patches,
    right: Patches,
    rows: usize,
}

impl Runs for Rows {
    fn runs(&self, position: usize, first: usize, end: usize, runs: &mut Vec<Run>) {
        let (first, end) = (first * UNIT, (end * UNIT).min(self.rows));
        let [a, b] = [&self.left, &self.right].map(|x| x.at(position, first).cast_const());
        runs.push(Run { a, b, len: end - first });
    }
}

/// `Gᵀ u G` of one output channel.
struct Back<'a> {
    tile: Tile,
    c: usize,
    /// `c` elements at each position.
    u: &'a [f32],
    /// Elements from one position to the next.
    position: usize,
    /// `[9, c]`.
    taps: *mut f32,
}

impl Job for Back<'_> {
    #[inline(always)]
    fn run<V: Lanes>(&self) {
        match self.tile {
            Tile::F2 => self.channels::<V, 4, 4>(),
            Tile::F4x2 => self.channels::<V, 6, 4>(),
            Tile::F4 => self.channels::<V, 6, 6>(),
        }
    }
}

impl Back<'_> {
    #[inline(always)]
    fn channels<V: Lanes, const DOWN: usize, const ACROSS: usize>(&self) {
        let Self { c, u, position, .. } = *self;
        assert!(u.len() >= (DOWN * ACROSS - 1) * position + c, "positions");
        for at in (0..c).step_by(V::COUNT) {
            let count = V::COUNT.min(c - at);
            // SAFETY: every position and every tap has `c` elements.
            unsafe {
                let mut columns = [[V::splat(0.0); 3]; ACROSS];
                for (x, column) in columns.iter_mut().enumerate() {
                    let u: [V; DOWN] = std::array::from_fn(|y| {
                        V::load(u.as_ptr().add((y * ACROSS + x) * position + at), count)
                    });
                    *column = algebra::kernel_adjoint(u);
                }
                for y in 0..3 {
                    let line: [V; ACROSS] = std::array::from_fn(|x| columns[x][y]);
                    for (x, g) in algebra::kernel_adjoint(line).into_iter().enumerate() {
                        g.store(self.taps.add((3 * y + x) * c + at), count);
                    }
                }
            }
        }
    }
}
