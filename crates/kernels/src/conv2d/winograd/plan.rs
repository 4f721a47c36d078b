//! How the work is cut: by sizes alone, never by the number of threads.

use super::grid::Grid;
use super::input::Layout;
use super::right::Right;
use crate::microkernel::Kernels;

/// Bytes of transformed patches that one task keeps in its L2 cache beside everything else.
const COMFORTABLE: usize = 640 << 10;

/// Bytes of transformed patches that it may have if it would have too few tiles otherwise.
const CROWDED: usize = 1100 << 10;

/// Bytes of transformed patches that all tasks share in the L3 cache.
const SHARED: usize = 8 << 20;

/// Bytes of a weight that stays in the L3 cache from one task to the next.
const WEIGHT: usize = 20 << 20;

/// Bytes of the products of one panel.
const PRODUCTS: usize = 256 << 10;

/// Most tiles in a block.
const MANY: usize = 112;

/// Least tasks among which the work is divided.
const TASKS: usize = 8;

/// The sizes of the parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Tiles that are transformed before any is multiplied.
    pub stretch: usize,
    /// Whether one task does all of a stretch, so that stretches go in parallel; otherwise the
    /// stretches follow each other, and tasks share the transformed patches.
    pub own: bool,
    /// Tiles whose products are held at a time.
    pub block: usize,
    /// Rows of a micro-kernel's tile.
    rows: usize,
}

impl Plan {
    /// A good way to convolve the tiles of `grid` with `weight`.
    pub fn new(weight: &Right, grid: &Grid) -> Self {
        let kernels = Kernels::select(weight.isa(), weight.tile().precision());
        let rows = kernels.mr;
        let positions = weight.tile().positions();
        let words = kernels.words(weight.channels()[1]);
        let per_tile = 4 * positions * Layout::new(1, words).tile.max(1);
        let whole = |tiles: usize| tiles / rows * rows;
        let block = whole(PRODUCTS / (4 * positions * kernels.nr)).clamp(rows, MANY);

        // A task that has its patches to itself reads the whole weight for them, from L3 at best.
        // It had better have as many as two tiles of the micro-kernel use; one is just enough.
        let comfortable = COMFORTABLE / per_tile;
        let fits = |tiles: &usize| *tiles <= CROWDED / per_tile;
        let few = [2 * rows, rows].into_iter().find(fits).unwrap_or(0);
        let stretch = whole(comfortable.max(few).min(MANY).min(grid.count() / TASKS));
        if stretch > 0 && weight.bytes().is_some_and(|bytes| bytes <= WEIGHT) {
            return Self { stretch, own: true, block: block.min(stretch), rows };
        }
        Self { stretch: (SHARED / per_tile).max(MANY), own: false, block, rows }
    }

    /// Into how many parts to divide `tiles` tiles between tasks that have one of `panels` panels.
    pub fn groups(&self, tiles: usize, panels: usize) -> usize {
        TASKS.div_ceil(panels).min(tiles.div_ceil(2 * self.rows))
    }
}
