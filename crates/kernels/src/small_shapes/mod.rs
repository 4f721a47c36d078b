//! Every operation at every small size, on every instruction set, with all operands and all scratch
//! memory next to a page that nobody may touch: first right behind one, then right before one. So an
//! access of one element outside ends the run. Results must be near those in f64, and what scratch
//! memory holds at first is NaN, so that nothing may depend on it.
//!
//! Miri runs these tests too, with fewer sizes: it watches every access by itself.
//!
//! | file | what is fenced | and compared with |
//! |---|---|---|
//! | `attention` | f32, bf16, bytes (`attention_int8`), rounded operands, gradients | f64 |
//! | `bytes` | linear layers and convolutions in 8 bits | plain Rust, to the bit |
//! | `convolutions` | every kernel, stride and padding, prepared weights, gradients | f64 |
//! | `depthwise` | depthwise convolutions, gradients; the largest of four pixels | f64; f32, to the bit |
//! | `elementwise` | arithmetic, functions, GEGLU, broadcasts, upsampling by 2, AdamW | f32, to the bit |
//! | `epilogues` | bias, activations, GEGLU, residual, rounding, after all three kinds of products | f64 |
//! | `fusions` | group norm + SiLU, upsampling, addends of direct, byte, Winograd and panel-wise convolutions | f64 |
//! | `layouts` | shuffles, upsampling, rectifiers, fewer bits, sums, maxima | f32 to the bit, f64 |
//! | `norms` | group and layer norm, in bands and rounded too, unit rows, cross-entropy | f64 |
//! | `products` | linear layers, gradients, prepared weights of every type, parts of matrices | f64 |
//! | `training` | convolutions that choose Winograd's algorithm, gradients | f64 |
//! | `winograd` | every tile: kept, transformed for once, fused, both gradients | f64 |
//!
//! `coverage` fails if a public function that is given numbers has no case here, or none in
//! `adversarial`.

use crate::bf16;
use crate::cpu::Isa;
use crate::scratch::as_words_mut;
use crate::testing::fenced::{Fenced, Side, on_each_side};
use crate::testing::{on_every_isa, random};

mod attention;
mod bytes;
mod convolutions;
#[cfg(not(miri))]
mod coverage;
mod depthwise;
mod elementwise;
mod epilogues;
mod fusions;
mod layouts;
mod norms;
mod pools;
mod products;
mod training;
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

    /// The same numbers.
    fn copy(self, x: &[f32]) -> Fenced<f32> {
        Fenced::new(self.side, x)
    }

    /// Rows of numbers as pairs of bf16: see [`Activations`](crate::Activations).
    fn pairs(self, x: &[f32], row_len: usize) -> Fenced<f32> {
        let held = row_len.div_ceil(2);
        let mut pairs = self.output(x.len().checked_div(row_len).unwrap_or(0) * held);
        let rows = x.chunks(row_len.max(1)).zip(pairs.chunks_mut(held.max(1)));
        rows.for_each(|(x, out)| bf16::pack(Isa::Portable, x, as_words_mut(out)));
        pairs
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

/// All pairs; for Miri only the least of each with the largest of the other.
fn pairs(a: &[usize], b: &[usize]) -> Vec<[usize; 2]> {
    if cfg!(miri) {
        return vec![[a[0], b[b.len() - 1]], [a[a.len() - 1], b[0]]];
    }
    a.iter().flat_map(|&a| b.iter().map(move |&b| [a, b])).collect()
}
