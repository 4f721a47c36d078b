//! Queries and keys in bytes: symmetric, with a step for each query and for each tile of keys.
//!
//! From all keys of a head their mean is taken first (Zhang et al. 2024, SageAttention, section
//! 4.2): that changes all scores of a query alike, of which softmax knows nothing, and what all
//! keys have in common does not take levels away from what they differ in.

use super::AttentionShape;
use crate::Activations;
use crate::cpu::Isa;
use crate::int8::{Levels, bytes_of};
use crate::math::per_isa;
use crate::parallel;
use crate::scratch::{Scratch, as_words};

/// The largest byte: -128 stays unused.
const LEVELS: f32 = 127.0;

/// The smallest step, so that its reciprocal is finite.
const SMALLEST: f32 = f32::from_bits(7 << 23);

/// Tokens whose sum one task forms.
const TOKENS: usize = 128;

/// The mean of the keys of each sequence, `[batch, heads · d]`.
pub(super) fn means(isa: Isa, s: &AttentionShape, k: Activations) -> Scratch {
    let (width, tasks) = (s.width(), s.tk.div_ceil(TOKENS));
    let mut means = Scratch::take(s.batch * width);
    let mut parts = Scratch::take(tasks * width);
    for (sequence, mean) in means.floats_mut().chunks_exact_mut(width).enumerate() {
        parallel::chunks(parts.floats_mut(), width, |task, sum| {
            let mut row = Scratch::take(width.next_multiple_of(2));
            sum.fill(0.0);
            for token in task * TOKENS..s.tk.min((task + 1) * TOKENS) {
                let row = numbers(isa, k.skip((sequence * s.tk + token) * width), width, &mut row);
                // Divided before they are added, which could overflow.
                add_times(isa, row, 1.0 / s.tk as f32, sum);
            }
        });
        mean.fill(0.0);
        for part in parts.floats().chunks_exact(width) {
            add_times(isa, part, 1.0, mean);
        }
    }
    means
}

/// The first `len` numbers of `x`, which may have to be written to `row` for that.
pub(super) fn numbers<'a>(
    isa: Isa,
    x: Activations<'a>,
    len: usize,
    row: &'a mut Scratch,
) -> &'a [f32] {
    match x {
        Activations::F32(x) => &x[..len],
        Activations::Bf16(x) => {
            widen(isa, &as_words(x)[..len.div_ceil(2)], row.floats_mut());
            &row.floats()[..len]
        }
    }
}

/// The step for numbers of which the largest magnitude has these bits: NaN if it is not finite.
pub(super) fn step(largest: u32) -> f32 {
    let largest = f32::from_bits(largest);
    if largest.is_finite() { (largest / LEVELS).max(SMALLEST) } else { f32::NAN }
}

/// Writes `x`, whose step is `scale`, as signed bytes, and 0 in what the last word lacks. Returns
/// their sum.
pub(super) fn pack(isa: Isa, x: &[f32], scale: f32, out: &mut [u32]) -> i32 {
    let (bytes, rest) = bytes_of(out).split_at_mut(x.len());
    rest.fill(0);
    Levels { scale, zero: 0 }.bytes(isa, x, bytes)
}

per_isa! {
    fn widen(pairs: &[u32], out: &mut [f32]) {
        for (pair, out) in pairs.iter().zip(out.as_chunks_mut::<2>().0) {
            *out = [f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000)];
        }
    }

    fn add_times(x: &[f32], factor: f32, sum: &mut [f32]) {
        for (sum, x) in sum.iter_mut().zip(x) {
            *sum += factor * x;
        }
    }

    /// `out = a - b`.
    pub(super) fn subtract(a: &[f32], b: &[f32], out: &mut [f32]) {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = a - b;
        }
    }

    /// The bits of the largest magnitude: magnitudes are in the order of their bits, and above
    /// them come infinity and NaN.
    pub(super) fn largest(x: &[f32]) -> u32 {
        x.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff))
    }

    /// The upper half of the same, of pairs of bf16.
    pub(super) fn largest_of_pairs(x: &[u32]) -> u32 {
        x.iter().fold(0, |most, x| most.max(x & 0x7fff).max(x >> 16 & 0x7fff)) << 16
    }
}
