//! The transformed weight, as the products read it: kept, or made of the packed one on the way.

use super::algebra;
use super::lanes::{Job, Lanes, run};
use super::weight::WinogradWeight;
use super::{Tile, grid::part};
use crate::cpu::Isa;
use crate::gemm::packed::Packed;
use crate::gemm::rows::RightPanels;
use crate::microkernel::Kernels;
use crate::scratch::Scratch;
use std::ops::Range;

/// Words of a row that are transformed at a time: with the products of a few tiles, they stay in
/// the L2 cache until they have been multiplied.
const WORDS: usize = 128;

/// A weight, panel by panel.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    /// Transformed before.
    Kept(&'a WinogradWeight),
    /// Packed as pairs of bf16, and transformed for this convolution. That takes about as long as
    /// the products of six tiles, and no memory.
    Fresh(&'a Packed, Tile),
}

impl<'a> Right<'a> {
    /// The instruction set that it is packed for.
    pub fn isa(&self) -> Isa {
        match self {
            Self::Kept(weight) => weight.isa(),
            Self::Fresh(packed, _) => packed.isa,
        }
    }

    /// The tile that it is transformed for.
    pub fn tile(&self) -> Tile {
        match *self {
            Self::Kept(weight) => weight.tile(),
            Self::Fresh(_, tile) => tile,
        }
    }

    /// Outputs and inputs, `[o, c]`.
    pub fn channels(&self) -> [usize; 2] {
        match self {
            Self::Kept(weight) => weight.channels(),
            Self::Fresh(packed, _) => [packed.shape[0], packed.shape[1]],
        }
    }

    /// Bytes that are read if every task goes through the whole weight; none if that is not wise.
    pub fn bytes(&self) -> Option<usize> {
        match self {
            Self::Kept(weight) => Some(weight.bytes()),
            Self::Fresh(..) => None,
        }
    }

    /// Words of a row.
    fn words(&self) -> usize {
        Kernels::select(self.isa(), self.tile().precision()).words(self.channels()[1])
    }

    /// The parts of a row that are multiplied one after the other.
    pub fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let words = self.words();
        let count = match self {
            Self::Kept(_) => 1,
            Self::Fresh(..) => words.div_ceil(WORDS).max(1),
        };
        (0..count).map(move |i| part(words, count, i))
    }

    /// `words` of the rows of panel `p`, `[positions, words, nr]`. What is made on the way is made
    /// in `room`.
    pub fn panel<'b>(
        &self,
        p: usize,
        words: Range<usize>,
        room: &'b mut Option<Scratch>,
    ) -> &'b [u32]
    where
        'a: 'b,
    {
        match *self {
            Self::Kept(weight) => weight.panel(p),
            Self::Fresh(packed, tile) => {
                let nr = Kernels::select(packed.isa, packed.precision).nr;
                let len = tile.positions() * words.len() * nr;
                if room.as_ref().is_none_or(|room| room.words().len() < len) {
                    *room = Some(Scratch::take(len));
                }
                let room = room.as_mut().expect("it has just been made");
                let row = self.words() * nr;
                let taps = &packed.ready().expect("pairs are packed")[p * 9 * row..][..9 * row];
                let part = words.start * nr..words.end * nr;
                let out = &mut room.words_mut()[..len];
                run(packed.isa, &Transform { tile, taps, row, part, out: out.as_mut_ptr() });
                out
            }
        }
    }
}

/// `G g Gᵀ` of a part of a panel.
struct Transform<'a> {
    tile: Tile,
    /// `[9, row]` pairs.
    taps: &'a [u32],
    row: usize,
    /// What of each row is transformed.
    part: Range<usize>,
    /// `[positions, part]` pairs.
    out: *mut u32,
}

impl Job for Transform<'_> {
    #[inline(always)]
    fn run<V: Lanes>(&self) {
        match self.tile {
            Tile::F2 => self.rows::<V, 4, 4>(),
            Tile::F4x2 => self.rows::<V, 6, 4>(),
            Tile::F4 => self.rows::<V, 6, 6>(),
        }
    }
}

impl Transform<'_> {
    #[inline(always)]
    fn rows<V: Lanes, const DOWN: usize, const ACROSS: usize>(&self) {
        let (len, row) = (self.part.len(), self.row);
        assert!(self.part.end <= row && 9 * row == self.taps.len() && len.is_multiple_of(V::COUNT));
        for at in (0..len).step_by(V::COUNT) {
            // SAFETY: so many pairs from `at` on belong to the part of every tap, and have room
            // in that of every position.
            unsafe {
                let mut low = [[V::splat(0.0); 3]; DOWN];
                let mut high = low;
                for x in 0..3 {
                    let from = self.taps.as_ptr().add(x * row + self.part.start + at);
                    let [a, b, c] = [
                        V::load_pairs(from),
                        V::load_pairs(from.add(3 * row)),
                        V::load_pairs(from.add(6 * row)),
                    ];
                    let down: [V; DOWN] = algebra::kernel([a[0], b[0], c[0]]);
                    for y in 0..DOWN {
                        low[y][x] = down[y];
                    }
                    let down: [V; DOWN] = algebra::kernel([a[1], b[1], c[1]]);
                    for y in 0..DOWN {
                        high[y][x] = down[y];
                    }
                }
                for y in 0..DOWN {
                    let low: [V; ACROSS] = algebra::kernel(low[y]);
                    let high: [V; ACROSS] = algebra::kernel(high[y]);
                    for x in 0..ACROSS {
                        let out = self.out.add((y * ACROSS + x) * len + at);
                        V::zip_pairs(low[x], high[x], out, V::COUNT);
                    }
                }
            }
        }
    }
}
