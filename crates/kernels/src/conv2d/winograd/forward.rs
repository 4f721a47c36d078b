//! The convolution: patches are transformed, multiplied with each panel of the weight, and the
//! products transformed back while they are in a cache.

use super::grid::{Grid, part};
use super::input::{Layout, Patches, Transform};
use super::lanes;
use super::output::Results;
use super::plan::Plan;
use super::product::multiply;
use super::right::Right;
use super::stage::Source;
use crate::Precision;
use crate::bf16;
use crate::conv2d::{Conv2dShape, Fusion};
use crate::microkernel::Kernels;
use crate::parallel;
use crate::scratch::Scratch;
use std::ops::Range;

/// Tiles that one task transforms.
const CHUNK: usize = 8;

/// A convolution.
struct Forward<'a> {
    weight: Right<'a>,
    s: &'a Conv2dShape,
    grid: Grid,
    x: &'a [f32],
    fusion: &'a Fusion<'a>,
    zeros: Vec<f32>,
}

/// The convolution, after all has been checked.
pub(super) fn run(weight: Right, s: &Conv2dShape, x: &[f32], fusion: &Fusion, y: &mut [f32]) {
    if y.is_empty() {
        return;
    }
    let grid = Grid::new(weight.tile(), s);
    let plan = Plan::new(&weight, &grid);
    let kernels = Kernels::select(weight.isa(), weight.tile().precision());
    let panels = s.o.div_ceil(kernels.nr);
    let (positions, words) = (weight.tile().positions(), kernels.words(s.c));
    let results = Results { tile: weight.tile(), s, grid, fusion, y: y.as_mut_ptr() };
    let forward = Forward { weight, s, grid, x, fusion, zeros: vec![0.0; s.c] };
    let count = grid.count();
    let stretches = count.div_ceil(plan.stretch);
    let layout = Layout::new(count.div_ceil(stretches), words);
    if plan.own {
        return parallel::tasks(stretches, |i| {
            let tiles = part(count, stretches, i);
            let mut buffer = Scratch::take(layout.len(positions));
            let patches = Patches::new(&mut buffer, layout);
            forward.transform(&patches, tiles.clone(), 0);
            // SAFETY: the patches have just been written, and no other task has these tiles.
            unsafe {
                multiply(&weight, &patches, tiles.start, tiles, 0..panels, plan.block, &results)
            };
        });
    }
    let mut buffer = Scratch::take(layout.len(positions));
    let patches = Patches::new(&mut buffer, layout);
    for i in 0..stretches {
        let tiles = part(count, stretches, i);
        let chunks = tiles.len().div_ceil(CHUNK);
        parallel::tasks(chunks, |chunk| {
            let part = part(tiles.len(), chunks, chunk);
            forward.transform(
                &patches,
                tiles.start + part.start..tiles.start + part.end,
                part.start,
            );
        });
        // Every task reads the weights of its panel alone.
        let groups = plan.groups(tiles.len(), panels);
        parallel::tasks(panels * groups, |task| {
            let (panel, group) = (task / groups, task % groups);
            let part = part(tiles.len(), groups, group);
            let part = tiles.start + part.start..tiles.start + part.end;
            // SAFETY: the patches have been written, and no other task has these tiles and this
            // panel.
            unsafe {
                multiply(
                    &weight,
                    &patches,
                    tiles.start,
                    part,
                    panel..panel + 1,
                    plan.block,
                    &results,
                );
            }
        });
    }
}

impl Forward<'_> {
    /// Transforms `tiles`; the first becomes tile `first` of the patches.
    fn transform(&self, patches: &Patches, tiles: Range<usize>, first: usize) {
        let whole = Source::whole(self.s, self.fusion, self.x);
        let Some(activation) = self.fusion.activation else {
            return self.see(&whole, patches, tiles, first);
        };
        let (isa, tile) = (self.weight.isa(), self.weight.tile());
        let mut rest = tiles.clone();
        while !rest.is_empty() {
            let line = self.grid.line(&rest);
            rest.start = line.end;
            let first = first + line.start - tiles.start;
            let (cut, mut buffer) = ((tile, &self.grid), None);
            let source = whole.activated(isa, activation, self.s, cut, &line, &mut buffer);
            self.see(&source, patches, line, first);
        }
    }

    /// Transforms `tiles` of a source.
    fn see(&self, source: &Source, patches: &Patches, tiles: Range<usize>, first: usize) {
        let (isa, tile) = (self.weight.isa(), self.weight.tile());
        let pairs = Kernels::select(isa, tile.precision()).pairs;
        let (s, grid, zeros, count) = (self.s, self.grid, &self.zeros, tiles.len());
        let transform = Transform { tile, s, grid, source, zeros, tiles, pairs, patches, first };
        lanes::run(isa, &transform);
        if tile.precision() == Precision::Bf16 && !pairs {
            for position in 0..tile.positions() {
                for i in first..first + count {
                    // SAFETY: these are the words that have just been written, `c` for every
                    // position and tile, and no other task has these tiles.
                    let row = unsafe {
                        std::slice::from_raw_parts_mut(patches.at(position, i).cast(), s.c)
                    };
                    bf16::round_in_place(row);
                }
            }
        }
    }
}
