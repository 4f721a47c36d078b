//! Queries, keys and values in bytes: symmetric, with a step for each query, for each stretch of keys
//! and for each element of values.
//!
//! From all keys of a head their mean is taken first (Zhang et al. 2024, SageAttention, section
//! 4.2): that changes all scores of a query alike, of which softmax knows nothing, and what all
//! keys have in common does not take levels away from what they differ in. From values the middle
//! of their range is taken, and added to the result.

use super::AttentionShape;
use super::keys::KeyBlocks;
use super::tile_bytes::{KEYS, NOWHERE, ROWS, STRETCH};
use crate::Activations;
use crate::cpu::Isa;
use crate::gemm::transpose::transpose;
use crate::int8::{Levels, bytes_of};
use crate::math::per_isa;
use crate::parallel;
use crate::scratch::{self, Scratch, as_words};

/// The largest byte: -128 stays unused.
const LEVELS: f32 = 127.0;

/// The smallest step, so that its reciprocal is finite.
const SMALLEST: f32 = f32::from_bits(7 << 23);

/// Tokens that one task looks at.
const TOKENS: usize = 128;

/// What is said of all keys and values of each sequence.
pub(super) struct Facts {
    /// The mean of the keys, `[batch, heads · d]`.
    means: Scratch,
    /// Of the values steps, their reciprocals and the middle, `[batch, 3, heads · d]`.
    values: Scratch,
    width: usize,
    heads: usize,
    d: usize,
}

/// The same of one head.
#[derive(Clone, Copy)]
pub(super) struct HeadFacts<'a> {
    mean: &'a [f32],
    steps: &'a [f32],
    inverses: &'a [f32],
    middles: &'a [f32],
}

impl Facts {
    /// Looks at k and v once.
    pub fn new(isa: Isa, s: &AttentionShape, k: Activations, v: Activations) -> Self {
        let (width, share) = (s.width(), 1.0 / s.tk as f32);
        let mut means = Scratch::take(s.batch * width);
        means.floats_mut().fill(0.0);
        // Divided before they are added, which could overflow.
        let add = |row: &[f32], sum: &mut [f32]| add_times(isa, row, share, sum);
        let join = |part: &[f32], sum: &mut [f32]| add_times(isa, part, 1.0, sum);
        over_tokens(isa, s, k, &add, &join, means.floats_mut());

        let mut values = Scratch::take(s.batch * 3 * width);
        let begin = |out: &mut [f32]| {
            out[..width].fill(f32::MAX);
            out[width..2 * width].fill(f32::MIN);
            out[2 * width..].fill(0.0);
        };
        values.floats_mut().chunks_exact_mut(3 * width).for_each(begin);
        let see = |row: &[f32], range: &mut [f32]| {
            let (low, rest) = range.split_at_mut(width);
            let (high, finite) = rest.split_at_mut(width);
            include(isa, row, row, low, high);
            // 0 · x is NaN for NaN and infinities.
            add_times(isa, row, 0.0, finite);
        };
        let join = |part: &[f32], range: &mut [f32]| {
            let (low, rest) = range.split_at_mut(width);
            let (high, finite) = rest.split_at_mut(width);
            include(isa, &part[..width], &part[width..2 * width], low, high);
            add_times(isa, &part[2 * width..], 1.0, finite);
        };
        over_tokens(isa, s, v, &see, &join, values.floats_mut());
        for range in values.floats_mut().chunks_exact_mut(3 * width) {
            for i in 0..width {
                let [low, high, finite] = [0, 1, 2].map(|part| range[part * width + i]);
                // Halved before they are added, which could overflow. NaN if one is not finite.
                let step = ((0.5 * high - 0.5 * low) / LEVELS).max(SMALLEST) + finite;
                let of_values = [step, 1.0 / step, 0.5 * high + 0.5 * low];
                (0..3).for_each(|part| range[part * width + i] = of_values[part]);
            }
        }
        Self { means, values, width, heads: s.heads, d: s.d }
    }

    /// Those of one head of one sequence.
    pub fn head(&self, head: usize) -> HeadFacts<'_> {
        let (sequence, first) = (head / self.heads, head % self.heads * self.d);
        let values = &self.values.floats()[sequence * 3 * self.width..];
        let of_values = |part: usize| &values[part * self.width + first..][..self.d];
        HeadFacts {
            mean: &self.means.floats()[sequence * self.width + first..][..self.d],
            steps: of_values(0),
            inverses: of_values(1),
            middles: of_values(2),
        }
    }
}

/// Lets `add` see every token of x and joins what tasks have found to `out`, of which each sequence
/// has a part as long; what is found begins with what is in `out`.
fn over_tokens(
    isa: Isa,
    s: &AttentionShape,
    x: Activations,
    add: &(dyn Fn(&[f32], &mut [f32]) + Sync),
    join: &dyn Fn(&[f32], &mut [f32]),
    out: &mut [f32],
) {
    let (width, tasks, len) = (s.width(), s.tk.div_ceil(TOKENS), out.len() / s.batch);
    let mut parts = Scratch::take(tasks * len);
    for (sequence, out) in out.chunks_exact_mut(len).enumerate() {
        parallel::chunks(parts.floats_mut(), len, |task, part| {
            let mut row = Scratch::take(width.next_multiple_of(2));
            part.copy_from_slice(out);
            for token in task * TOKENS..s.tk.min((task + 1) * TOKENS) {
                add(numbers(isa, x.skip((sequence * s.tk + token) * width), width, &mut row), part);
            }
        });
        parts.floats().chunks_exact(len).for_each(|part| join(part, out));
    }
}

/// The first `len` numbers of `x`, which may have to be written to `row` for that.
fn numbers<'a>(isa: Isa, x: Activations<'a>, len: usize, row: &'a mut Scratch) -> &'a [f32] {
    match x {
        Activations::F32(x) => &x[..len],
        Activations::Bf16(x) => {
            widen(isa, &as_words(x)[..len.div_ceil(2)], row.floats_mut());
            &row.floats()[..len]
        }
    }
}

/// The step for numbers of which the largest magnitude has these bits: NaN if it is not finite.
fn step(largest: u32) -> f32 {
    let largest = f32::from_bits(largest);
    if largest.is_finite() { (largest / LEVELS).max(SMALLEST) } else { f32::NAN }
}

/// Writes `x`, whose step is `scale`, as signed bytes, and 0 in what the last word lacks. Returns
/// their sum.
fn pack(isa: Isa, x: &[f32], scale: f32, out: &mut [u32]) -> i32 {
    let (bytes, rest) = bytes_of(out).split_at_mut(x.len());
    rest.fill(0);
    Levels { scale, zero: 0 }.bytes(isa, x, bytes)
}

/// Rows of values that are summed for heads of d elements: these, a row of ones, whose sums are
/// those of the powers, and what fills up the last few rows.
pub(super) fn value_rows(d: usize) -> usize {
    (d + 1).next_multiple_of(ROWS)
}

/// Into how long stretches so many keys are cut.
pub(super) fn stretch(keys: usize) -> usize {
    keys.div_ceil(keys.div_ceil(STRETCH)).next_multiple_of(KEYS)
}

/// What is done with sums `[rows, lanes]` at the end.
pub(super) fn finish(isa: Isa, facts: &HeadFacts, sums: &mut [f32]) {
    finish_rows(isa, sums, facts.steps, facts.middles);
}

impl KeyBlocks {
    /// [`KeyBlocks::pack`] for bytes.
    pub(super) fn pack_bytes(
        &self,
        k: Activations,
        v: Activations,
        head: &HeadFacts,
        stride: usize,
        count: usize,
        block: &mut [u32],
    ) {
        let &Self { isa, d, depth, stretch, .. } = self;
        let mut wide = Scratch::take(d.next_multiple_of(2));
        let mut centred = Scratch::take(stretch * d);
        let mut words = Scratch::take(stretch * depth);
        let [keys, values, facts] = self.split_mut(block);
        let (steps, shifts) = facts.split_at_mut(self.keys / stretch);
        for (i, first) in (0..count).step_by(stretch).enumerate() {
            let rows = stretch.min(count - first);
            let centred = &mut centred.floats_mut()[..rows * d];
            let mut largest_here = 0;
            for (token, row) in centred.chunks_exact_mut(d).enumerate() {
                let k = numbers(isa, k.skip((first + token) * stride), d, &mut wide);
                subtract(isa, k, head.mean, row);
                largest_here = largest(isa, row).max(largest_here);
            }
            let scale = step(largest_here);
            steps[i] = scale.to_bits();
            let shifts = &mut shifts[first..][..rows.next_multiple_of(KEYS)];
            shifts[rows..].fill(NOWHERE as u32);
            let words = &mut words.words_mut()[..rows * depth];
            let each = centred.chunks_exact(d).zip(words.chunks_exact_mut(depth));
            for ((row, words), shift) in each.zip(shifts) {
                *shift = pack(isa, row, scale, words).wrapping_mul(-128) as u32;
            }
            let tiles = keys[first * depth..].chunks_exact_mut(KEYS * depth);
            for (words, tile) in words.chunks_mut(KEYS * depth).zip(tiles) {
                let rows = words.len() / depth;
                if rows < KEYS {
                    tile.fill(0);
                }
                let (words, tile) = (scratch::as_floats(words), scratch::as_floats(tile));
                transpose(isa, words, depth, [rows, depth], tile, KEYS, |l| l);
            }
        }
        let rows = value_rows(d);
        let quads = values.chunks_exact_mut(rows).take(count.next_multiple_of(KEYS) / 4);
        for (quad, out) in quads.enumerate() {
            out.fill(0);
            for (token, shift) in (4 * quad..count.min(4 * quad + 4)).zip([0, 8, 16, 24]) {
                let v = numbers(isa, v.skip(token * stride), d, &mut wide);
                value_bytes(isa, v, head.inverses, head.middles, shift, &mut out[..d]);
                out[d] |= 1 << shift;
            }
        }
    }

    /// Writes at most nr queries of d numbers, `stride` apart, as columns of bytes, 128 too large,
    /// and the step of each; `out` is `[depth, nr]`.
    pub(super) fn query_bytes(
        &self,
        q: Activations,
        stride: usize,
        rows: usize,
        space: &mut Scratch,
        out: &mut [u32],
        scales: &mut [f32],
    ) {
        let &Self { isa, d, depth, .. } = self;
        let mut wide = Scratch::take(d.next_multiple_of(2));
        let words = &mut space.words_mut()[..rows * depth];
        for ((i, words), scale) in words.chunks_exact_mut(depth).enumerate().zip(scales) {
            let q = numbers(isa, q.skip(i * stride), d, &mut wide);
            *scale = step(largest(isa, q));
            pack(isa, q, *scale, words);
            words.iter_mut().for_each(|word| *word ^= 0x8080_8080);
        }
        let (words, out) = (scratch::as_floats(words), scratch::as_floats(out));
        transpose(isa, words, depth, [rows, depth], out, self.kernels.nr, |l| l);
    }
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

    /// Widens ranges to `low` and `high`.
    fn include(low: &[f32], high: &[f32], lows: &mut [f32], highs: &mut [f32]) {
        for ((least, most), (&low, &high)) in lows.iter_mut().zip(highs).zip(low.iter().zip(high)) {
            *least = if low < *least { low } else { *least };
            *most = if high > *most { high } else { *most };
        }
    }

    /// Writes values as bytes, `shift` bits from the lowest of their words; what is below is there.
    fn value_bytes(x: &[f32], inverses: &[f32], middles: &[f32], shift: u32, out: &mut [u32]) {
        /// Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the sum.
        const ROUND: f32 = 12_582_912.0;
        let below = (1 << shift) - 1;
        for ((out, x), (inverse, middle)) in out.iter_mut().zip(x).zip(inverses.iter().zip(middles)) {
            let byte = ((x - middle) * inverse + ROUND).to_bits() & 0xff;
            *out = *out & below | byte << shift;
        }
    }

    /// Each row `[d, lanes]` of sums of values over the row behind the last, the sums of powers,
    /// as numbers.
    fn finish_rows(sums: &mut [f32], steps: &[f32], middles: &[f32]) {
        let lanes = super::tile_bytes::LANES;
        let (rows, rest) = sums.split_at_mut(steps.len() * lanes);
        let totals: &mut [f32] = &mut rest[..lanes];
        totals.iter_mut().for_each(|total| *total = 1.0 / *total);
        for ((row, step), middle) in rows.chunks_exact_mut(lanes).zip(steps).zip(middles) {
            for (x, share) in row.iter_mut().zip(&*totals) {
                *x = *x * (step * share) + middle;
            }
        }
    }

    /// `out = a - b`.
    fn subtract(a: &[f32], b: &[f32], out: &mut [f32]) {
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
