//! Keys and values of one head as the micro-kernels read them, a block of keys at a time.
//!
//! They are packed once and shared by all queries. Scores are formed as `k qᵀ`, with the queries in
//! the lanes of vectors: so everything that softmax needs of one query stays in one lane.

use super::AttentionShape;
#[cfg(target_arch = "x86_64")]
use super::{bytes, tile_bf16, tile_bytes};
use crate::Activations;
use crate::cpu::{self, Isa};
use crate::gemm::transpose::transpose;
use crate::microkernel::Kernels;
use crate::scratch::{self, Scratch, as_words};
use crate::{Precision, bf16};

/// About the bytes of the keys, values and scores of a block. Small blocks stay in the cache nearest
/// to the core, but add to the sums of values in memory more often; measured.
const BLOCK_BYTES: usize = 48 << 10;

/// Most keys of a block in bytes; measured.
#[cfg(target_arch = "x86_64")]
const STREAMED: usize = 1024;

#[cfg(target_arch = "x86_64")]
const FUSED_TILE: usize = tile_bf16::KEYS;
#[cfg(not(target_arch = "x86_64"))]
const FUSED_TILE: usize = 1;

/// Most tiles in a block.
const TILES: usize = 16;

/// How the keys of a head are cut into blocks, and what a block is in memory: the keys in tiles
/// `[depth, tile]`, then the values `[keys, rows]`; a word is one f32 or, of keys two neighbouring
/// elements, of values an element of two neighbouring keys, both as bf16; or the same of four in
/// bytes. Last come facts about the keys.
pub(super) struct KeyBlocks {
    pub isa: Isa,
    pub precision: Precision,
    pub kernels: &'static Kernels,
    /// Elements of one key.
    pub d: usize,
    /// Words of one key.
    pub depth: usize,
    /// Keys in a tile.
    pub tile: usize,
    /// Keys in a block, all tiles whole; the last block may have fewer.
    pub keys: usize,
    /// Whether scores become probabilities in registers.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub fused: bool,
    /// Whether all are bytes.
    pub bytes: bool,
    /// Of bytes, keys that share a step.
    pub stretch: usize,
    /// Elements of a value in memory, at least d.
    pub rows: usize,
}

impl KeyBlocks {
    /// For products in `precision`, or in `bytes` where they would be faster.
    pub fn new(
        isa: Isa,
        precision: Precision,
        bytes: bool,
        s: &AttentionShape,
        scale: f32,
    ) -> Self {
        let kernels = Kernels::select(isa, precision);
        // With a scale below 0 the largest product would not be the largest score.
        let fused = kernels.pairs && !s.causal && scale >= 0.0 && cpu::has_vbmi();
        #[cfg(target_arch = "x86_64")]
        if bytes && fused && s.d <= tile_bytes::LONGEST {
            let (d, stretch) = (s.d, bytes::stretch(s.tk));
            let (depth, rows) = (d.div_ceil(4), bytes::value_rows(d));
            let keys = (STREAMED / stretch).min(s.tk.div_ceil(stretch)) * stretch;
            let tile = tile_bytes::KEYS;
            return Self {
                isa,
                precision,
                kernels,
                d,
                depth,
                tile,
                keys,
                fused,
                bytes,
                stretch,
                rows,
            };
        }
        let _ = bytes;
        let bytes = false;
        let depth = kernels.words(s.d);
        let tile = if fused { FUSED_TILE } else { kernels.mr };
        // Of one key: itself, its value, its scores.
        let size = 4 * (depth + kernels.words(2 * s.d) / 2 + kernels.nr);
        let tiles = (BLOCK_BYTES / size / tile).clamp(4, TILES);
        let keys = tiles.min(s.tk.div_ceil(tile)) * tile;
        let (d, rows, stretch) = (s.d, s.d, 0);
        Self { isa, precision, kernels, d, depth, tile, keys, fused, bytes, stretch, rows }
    }

    /// Words of a block.
    pub fn len(&self) -> usize {
        let facts = match (self.fused, self.bytes) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => self.keys / self.stretch + self.keys,
        };
        self.keys * self.depth + self.value_words() + facts
    }

    /// Words of the values of a block.
    fn value_words(&self) -> usize {
        let quads = self.keys / 4;
        (if self.bytes { quads } else { self.kernels.words(self.keys) }) * self.rows
    }

    /// A block's keys, values and facts: the bits of an f32 above or equal to all magnitudes; of
    /// bytes those of each stretch's step, and for each key what its sums begin with.
    pub fn split<'a>(&self, block: &'a [u32]) -> [&'a [u32]; 3] {
        let (keys, rest) = block.split_at(self.keys * self.depth);
        let (values, facts) = rest.split_at(self.value_words());
        [keys, values, facts]
    }

    /// The same, to write.
    pub fn split_mut<'a>(&self, block: &'a mut [u32]) -> [&'a mut [u32]; 3] {
        let (keys, rest) = block.split_at_mut(self.keys * self.depth);
        let (values, facts) = rest.split_at_mut(self.value_words());
        [keys, values, facts]
    }

    /// Packs the first `count` keys and values, whose rows are `stride` numbers apart, into a block.
    pub fn pack(
        &self,
        k: Activations,
        v: Activations,
        stride: usize,
        count: usize,
        block: &mut [u32],
    ) {
        let &Self { isa, d, depth, tile: mr, .. } = self;
        let [keys, values, facts] = self.split_mut(block);
        #[cfg(not(target_arch = "x86_64"))]
        let _ = facts;
        let mut space = self.space();
        let tiles = keys.chunks_exact_mut(mr * depth).enumerate();
        for (i, out) in tiles.take(count.div_ceil(mr)) {
            let (k, rows) = (k.skip(i * mr * stride), mr.min(count - i * mr));
            if rows < mr {
                out.fill(0);
            }
            self.columns(k, stride, rows, &mut space, out, mr);
            #[cfg(target_arch = "x86_64")]
            if self.fused {
                let before = if i == 0 { 0 } else { facts[0] };
                facts[0] = bytes::largest_of_pairs(isa, out).max(before);
            }
        }
        let v = match v {
            Activations::F32(v) => v,
            Activations::Bf16(v) => {
                let row = |i| (i < count).then(|| &as_words(v)[i * stride / 2..][..d.div_ceil(2)]);
                for (pair, out) in values.chunks_exact_mut(d).enumerate().take(count.div_ceil(2)) {
                    let low = row(2 * pair).unwrap_or_default();
                    bf16::interleave_pairs(low, row(2 * pair + 1), out);
                }
                return;
            }
        };
        if self.kernels.pairs {
            for (pair, out) in values.chunks_exact_mut(d).enumerate().take(count.div_ceil(2)) {
                let row = |i| (i < count).then(|| &v[i * stride..][..d]);
                bf16::interleave(isa, row(2 * pair).unwrap_or_default(), row(2 * pair + 1), out);
            }
        } else {
            let values = scratch::as_floats(values);
            for (i, out) in values.chunks_exact_mut(d).enumerate().take(count) {
                out.copy_from_slice(&v[i * stride..][..d]);
            }
            self.round(&mut values[..count * d]);
        }
    }

    /// Working memory for [`KeyBlocks::columns`].
    pub fn space(&self) -> Scratch {
        let pairs = self.d.next_multiple_of(32) / 2;
        Scratch::take(if self.kernels.pairs { self.kernels.nr * pairs + 2 * pairs } else { 0 })
    }

    /// Writes at most nr rows of d numbers, `stride` apart, as columns: `out` is
    /// `[depth, columns]`.
    pub fn columns(
        &self,
        x: Activations,
        stride: usize,
        rows: usize,
        space: &mut Scratch,
        out: &mut [u32],
        columns: usize,
    ) {
        let &Self { isa, d, depth, .. } = self;
        let out = scratch::as_floats(out);
        let x = match x {
            Activations::F32(x) => x,
            Activations::Bf16(x) => {
                return transpose(isa, x, stride / 2, [rows, depth], out, columns, |l| l);
            }
        };
        if !self.kernels.pairs {
            transpose(isa, x, stride, [rows, d], out, columns, |l| l);
            self.round(out);
            return;
        }
        // Only whole vectors become pairs quickly, so there are zeros behind the last element.
        let padded = d.next_multiple_of(32);
        let (pairs, row) = space.words_mut().split_at_mut(self.kernels.nr * padded / 2);
        let row = scratch::as_floats(row);
        row[d..].fill(0.0);
        for (i, pairs) in pairs.chunks_exact_mut(padded / 2).enumerate().take(rows) {
            row[..d].copy_from_slice(&x[i * stride..][..d]);
            bf16::pack(isa, row, pairs);
        }
        let pairs = scratch::as_floats(pairs);
        transpose(isa, pairs, padded / 2, [rows, depth], out, columns, |l| l);
    }

    /// Rounds to bf16 if products are to be of bf16.
    pub fn round(&self, x: &mut [f32]) {
        if self.precision == Precision::Bf16 {
            bf16::round_in_place(x);
        }
    }
}
