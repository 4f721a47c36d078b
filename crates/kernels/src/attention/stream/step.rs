//! One group of queries, one block of keys.

use super::Stream;
use super::products::{Panel, add_values, powers, product};
use crate::attention::online::{self, QUERIES};
#[cfg(target_arch = "x86_64")]
use crate::attention::{tile_bf16, tile_bytes};
use crate::scratch;

impl Stream<'_> {
    /// Lets one group of `count` queries see the first `keys` keys of a block.
    pub(super) fn step(
        &mut self,
        group: usize,
        count: usize,
        scale: f32,
        block: &[u32],
        first_key: usize,
        keys: usize,
    ) {
        let &mut Self { blocks, s, .. } = self;
        #[cfg(target_arch = "x86_64")]
        if blocks.bytes {
            return self.step_bytes(group, scale, block, first_key, keys);
        }
        #[cfg(target_arch = "x86_64")]
        if blocks.fused {
            return self.step_fused(group, scale, block, first_key, keys);
        }
        let (kernels, d, depth) = (blocks.kernels, blocks.d, blocks.depth);
        let (mr, nr) = (kernels.mr, kernels.nr);
        let first = self.first + group * nr;
        let lanes = count.next_multiple_of(QUERIES);
        let [key_tiles, values, _] = blocks.split(block);
        let queries = &self.queries.words()[group * depth * nr..][..depth * nr];
        let outs = &mut self.outs.floats_mut()[group * d * nr..][..d * nr];
        let running = &mut self.running[group * nr / QUERIES..][..lanes / QUERIES];
        let scores = &mut self.scores.floats_mut()[..keys * nr];
        for (tile, out) in scores.chunks_mut(mr * nr).enumerate() {
            let left = Panel { words: &key_tiles[tile * mr * depth..], stride: mr, first: 0 };
            product(kernels, left, queries, depth, lanes, scale, false, out);
        }
        if s.causal {
            for key in (first + 1).saturating_sub(first_key)..keys {
                let hidden = lanes.min(first_key + key - first);
                scores[key * nr..][..hidden].fill(f32::NEG_INFINITY);
            }
        }
        let raised = powers(blocks, scores, running);
        if raised && first_key > 0 {
            for (i, running) in running.iter().enumerate() {
                online::scale(blocks.isa, &mut outs[i * QUERIES..], nr, &running.factor);
            }
        }
        let scores = scratch::as_words(scores);
        add_values(kernels, values, scores, d, kernels.words(keys), lanes, first_key > 0, outs);
    }

    /// [`Stream::step`] whose scores stay in registers.
    #[cfg(target_arch = "x86_64")]
    fn step_fused(
        &mut self,
        group: usize,
        scale: f32,
        block: &[u32],
        first_key: usize,
        keys: usize,
    ) {
        const KEYS: usize = tile_bf16::KEYS;
        let blocks = self.blocks;
        let (kernels, d, depth, nr) = (blocks.kernels, blocks.d, blocks.depth, blocks.kernels.nr);
        let [key_tiles, values, facts] = blocks.split(block);
        let queries = &self.queries.words()[group * depth * nr..][..depth * nr];
        let outs = &mut self.outs.floats_mut()[group * d * nr..][..d * nr];
        let running = self.running.as_chunks_mut::<{ tile_bf16::GROUPS }>().0;
        let running = &mut running[group];
        let powers = self.scores.words_mut();
        // No score is larger; NaN if that is unknown.
        let most = self.most[group] * f32::from_bits(facts[0]) * scale * d as f32;
        // The first key whose power is not yet in the sums of values, and whether any is.
        let (mut pending, mut begun) = (0, first_key > 0);
        let mut add = |first: usize, end: usize, powers: &[u32], outs: &mut [f32]| {
            let (values, powers) = (&values[first / 2 * d..], &powers[first / 2 * nr..]);
            let pairs = (end - first).div_ceil(2);
            add_values(kernels, values, powers, d, pairs, nr, begun, outs);
            begun = true;
        };
        let tame = most < tile_bf16::TAME;
        let mut sums = [tile_bf16::Sums([0.0; KEYS * tile_bf16::LANES]); 2];
        // Products of each tile are formed while those of the tile before become powers.
        for ahead in 0..=keys.div_ceil(KEYS) {
            let [even, odd] = &mut sums;
            let (here, before) = if ahead % 2 == 0 { (even, &*odd) } else { (odd, &*even) };
            let first = ahead * KEYS;
            let tile = if first < keys {
                tile_bf16::Ahead { queries, keys: &key_tiles[first * depth..][..KEYS * depth] }
            } else {
                tile_bf16::Ahead { queries: &[], keys: &[] }
            };
            let Some(first) = first.checked_sub(KEYS) else {
                // SAFETY: blocks are fused only with kernels of pairs, those of AVX-512 BF16, and
                // with VBMI and VNNI: `KeyBlocks::new` has ascertained that this machine has them.
                unsafe { tile_bf16::turn(&tile, here, None) };
                continue;
            };
            let count = KEYS.min(keys - first);
            let out = &mut powers[first / 2 * nr..];
            let mut behind = tile_bf16::Behind { sums: before, factor: scale, running, out };
            let quick = tame && count == KEYS;
            // SAFETY: as above.
            if unsafe { tile_bf16::turn(&tile, here, quick.then_some(&mut behind)) } && quick {
                continue;
            }
            // SAFETY: as above.
            while !unsafe { tile_bf16::careful(&mut behind, count) } {
                if first > pending {
                    add(pending, first, powers, outs);
                    pending = first;
                }
                if first_key + first > 0 {
                    for (i, running) in running.iter().enumerate() {
                        online::scale(blocks.isa, &mut outs[i * QUERIES..], nr, &running.factor);
                    }
                }
                let out = &mut powers[first / 2 * nr..];
                behind = tile_bf16::Behind { sums: before, factor: scale, running, out };
            }
        }
        add(pending, keys, powers, outs);
    }

    /// [`Stream::step`] where all are bytes.
    #[cfg(target_arch = "x86_64")]
    fn step_bytes(
        &mut self,
        group: usize,
        scale: f32,
        block: &[u32],
        first_key: usize,
        keys: usize,
    ) {
        let blocks = self.blocks;
        let (depth, rows, nr, stretch) =
            (blocks.depth, blocks.rows, blocks.kernels.nr, blocks.stretch);
        let [key_tiles, values, facts] = blocks.split(block);
        let (key_steps, shifts) = facts.split_at(blocks.keys / stretch);
        let queries = &self.queries.words()[group * depth * nr..][..depth * nr];
        let steps = &self.steps.floats()[group * nr..][..nr];
        let outs = &mut self.outs.floats_mut()[group * rows * nr..][..rows * nr];
        let running = &mut self.running.as_chunks_mut().0[group];
        let powers = self.scores.words_mut();
        let mut scores = tile_bytes::Scores::ZERO;
        let mut weights = tile_bytes::Weights::ZERO;
        // Keys of a stretch that are looked at: some of the last may be of none.
        let len = |first: usize| stretch.min(keys - first).next_multiple_of(tile_bytes::KEYS);
        // Products of each stretch are formed while those of the one before become powers.
        for ahead in 0..=keys.div_ceil(stretch) {
            let first = ahead * stretch;
            let tiles = (first < keys).then(|| tile_bytes::Ahead {
                queries,
                keys: &key_tiles[first * depth..][..len(first) * depth],
                shifts: &shifts[first..][..len(first)],
            });
            let Some(first) = first.checked_sub(stretch) else {
                // SAFETY: there are bytes only with VBMI and VNNI: `KeyBlocks::new` has ascertained
                // that this machine has them.
                unsafe { tile_bytes::turn(tiles.as_ref(), &mut scores, &weights, &mut []) };
                continue;
            };
            let begun = first_key + first > 0;
            let key_step = f32::from_bits(key_steps[first / stretch]) * scale;
            // SAFETY: as above.
            let raised =
                unsafe { tile_bytes::weigh(&scores, steps, key_step, running, &mut weights) };
            if raised && begun {
                for (i, running) in running.iter().enumerate() {
                    online::scale(blocks.isa, &mut outs[i * QUERIES..], nr, &running.factor);
                }
            }
            let powers = &mut powers[..len(first) / 4 * nr];
            let values = &values[first / 4 * rows..];
            // SAFETY: as above.
            unsafe {
                tile_bytes::turn(tiles.as_ref(), &mut scores, &weights, powers);
                tile_bytes::add_values(values, powers, &weights, begun, outs);
            }
        }
    }
}
