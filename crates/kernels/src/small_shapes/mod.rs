//! Every operation at every small size, on every instruction set, with all operands and all scratch
//! memory next to a page that nobody may touch: first right behind one, then right before one. So an
//! access of one element outside ends the run. Results must be near those in f64, and what scratch
//! memory holds at first is NaN, so that nothing may depend on it.
//!
//! Miri runs these tests too, with fewer sizes: it watches every access by itself.

use crate::cpu::Isa;
use crate::testing::fenced::{Fenced, Side, on_each_side};
use crate::testing::{on_every_isa, random};

mod attention;
mod bytes;
mod convolutions;
mod elementwise;
mod norms;
mod products;
mod winograd;

/// How operands are laid out, and who works on them.
#[derive(Clone, Copy, Debug)]
struct Place {
    isa: Isa,
    side: Side,
}

impl Place {
    /// `len` numbers in [-1, 1).
    fn input(self, seed: u64, len: usize) -> Fenced<f32> {
        Fenced::new(self.side, &random(seed, len))
    }

    /// `len` elements that must be written.
    fn output(self, len: usize) -> Fenced<f32> {
        Fenced::filled(self.side, len)
    }
}

/// Calls `f` for every instruction set and both layouts.
fn everywhere(f: impl Fn(Place) + Sync) {
    on_every_isa(|isa| on_each_side(|side| f(Place { isa, side })));
}

/// `1..=most` and `more`; for Miri only a few.
fn sizes(most: usize, more: &[usize]) -> Vec<usize> {
    if cfg!(miri) {
        return vec![1, 17];
    }
    (1..=most).chain(more.iter().copied()).collect()
}

/// As [`sizes`], for what is multiplied with many other sizes: for Miri less than a vector.
fn edges(most: usize, more: &[usize]) -> Vec<usize> {
    if cfg!(miri) { vec![1, 4] } else { sizes(most, more) }
}

/// All pairs.
fn pairs(a: &[usize], b: &[usize]) -> Vec<[usize; 2]> {
    a.iter().flat_map(|&a| b.iter().map(move |&b| [a, b])).collect()
}
