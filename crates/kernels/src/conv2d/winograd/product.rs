//! The products of one panel of the weight with transformed patches.

use super::grid::part;
use super::input::{Layout, Patches};
use super::lanes;
use super::output::{Results, Transform};
use super::right::Right;
use crate::microkernel::{Kernels, RowsTile};
use crate::scratch::Scratch;
use std::ops::Range;

/// Most rows of a micro-kernel's tile.
const ROWS: usize = 16;

/// Multiplies `tiles` with the panels `panels` and writes their results, `block` tiles at a time.
/// The patches hold the tiles from `first` on.
///
/// # Safety
/// The patches of these tiles have been written, and nobody else writes these results meanwhile.
pub(super) unsafe fn multiply(
    weight: &Right,
    patches: &Patches,
    first: usize,
    tiles: Range<usize>,
    panels: Range<usize>,
    block: usize,
    results: &Results,
) {
    let kernels = Kernels::select(weight.isa(), weight.tile().precision());
    let positions = weight.tile().positions();
    let [o, _] = weight.channels();
    let blocks = tiles.len().div_ceil(block);
    // The stride is odd in cache lines, as that of the patches.
    let layout = Layout { tile: kernels.nr, ..Layout::new(tiles.len().min(block), kernels.nr) };
    let mut products = Scratch::take(layout.len(positions));
    let products = products.floats_mut();
    let mut room = None;
    for p in panels {
        let channels = p * kernels.nr..((p + 1) * kernels.nr).min(o);
        for b in 0..blocks {
            let of_block = part(tiles.len(), blocks, b);
            let of_block = tiles.start + of_block.start..tiles.start + of_block.end;
            let groups = of_block.len().div_ceil(kernels.mr);
            for part_of_row in weight.parts() {
                let (k, words) = (part_of_row.len(), part_of_row.start);
                let panel = weight.panel(p, part_of_row, &mut room);
                for position in 0..positions {
                    let right = &panel[position * k * kernels.nr..][..k * kernels.nr];
                    let products =
                        &mut products[position * layout.position..][..of_block.len() * layout.tile];
                    for group in 0..groups {
                        let rows = part(of_block.len(), groups, group);
                        let mut left = [std::ptr::null(); ROWS];
                        let mut outs = [std::ptr::null_mut(); ROWS];
                        for (i, row) in rows.clone().enumerate() {
                            let patch = patches.at(position, of_block.start + row - first);
                            left[i] = patch.wrapping_add(words).cast_const();
                            outs[i] = products[row * layout.tile..][..layout.tile].as_mut_ptr();
                        }
                        let tile = RowsTile {
                            rows: left.as_ptr(),
                            taps: 1,
                            k,
                            b: right.as_ptr(),
                            b_stride: kernels.nr,
                            b_tap: 0,
                            cols: channels.len(),
                            outs: outs.as_ptr(),
                            out_col: 0,
                            bias: std::ptr::null(),
                            scale: 1.0,
                            accumulate: words > 0,
                        };
                        // SAFETY: patches have so many words for every position and tile, and so
                        // has the panel, `nr` at a time; every row of products has room for `nr`.
                        unsafe { kernels.rows(rows.len(), &tile) };
                    }
                }
            }
            let transform = Transform {
                results,
                tiles: of_block,
                channels: channels.clone(),
                products,
                nr: layout.tile,
                position: layout.position,
            };
            lanes::run(weight.isa(), &transform);
        }
    }
}
