//! Some queries of one sequence, past which the keys stream.

use super::AttentionShape;
use super::keys::KeyBlocks;
use super::online::{self, QUERIES, Running};
#[cfg(target_arch = "x86_64")]
use super::{bytes, online_bf16, tile_bf16, tile_bytes};
use crate::bf16;
use crate::gemm::transpose::transpose;
use crate::microkernel::{Kernels, OuterTile, Run};
use crate::scratch::{self, Scratch, as_words_mut};
use crate::{Activations, ActivationsMut};

/// The working memory of a task, and where its queries are.
pub(super) struct Stream<'a> {
    blocks: &'a KeyBlocks,
    s: &'a AttentionShape,
    /// The first query.
    first: usize,
    /// How many queries.
    rows: usize,
    /// For each group of queries that fill the lanes of a tile: they, `[depth, nr]`.
    queries: Scratch,
    /// If they are bytes, the step of each.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    steps: Scratch,
    /// And what has to be known of keys and values.
    #[cfg(target_arch = "x86_64")]
    facts: Option<bytes::HeadFacts<'a>>,
    /// Of each group the largest magnitude.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    most: Vec<f32>,
    /// And the sum of values for each, `[rows, nr]`.
    outs: Scratch,
    /// And what softmax has to know.
    running: Vec<Running>,
    /// For packing queries.
    space: Scratch,
    /// Of one group and one block of keys, `[keys, nr]`.
    scores: Scratch,
}

impl<'a> Stream<'a> {
    /// For `rows` queries from `first` on.
    pub fn new(blocks: &'a KeyBlocks, s: &'a AttentionShape, first: usize, rows: usize) -> Self {
        let nr = blocks.kernels.nr;
        let groups = rows.div_ceil(nr);
        let mut queries = Scratch::take(groups * blocks.depth * nr);
        // What is in the lanes of queries that do not exist does not matter, but might be numbers
        // that are slow to work with.
        queries.words_mut().fill(0);
        Self {
            blocks,
            s,
            first,
            rows,
            queries,
            steps: Scratch::take(if blocks.bytes { groups * nr } else { 0 }),
            #[cfg(target_arch = "x86_64")]
            facts: None,
            most: vec![f32::NAN; groups],
            outs: Scratch::take(groups * blocks.rows * nr),
            running: Vec::with_capacity(groups * nr / QUERIES),
            space: blocks.space(),
            // The rows of a group's result, too, before they are rounded.
            scores: Scratch::take(blocks.keys.max(blocks.d) * nr),
        }
    }

    /// What has to be known of the next head's bytes.
    #[cfg(target_arch = "x86_64")]
    pub fn know(&mut self, facts: Option<bytes::HeadFacts<'a>>) {
        self.facts = facts;
    }

    /// The attention of one head: q and out begin with its first element, `packed` has all its
    /// blocks of keys.
    pub fn head(&mut self, scale: f32, q: Activations, packed: &[u32], mut out: ActivationsMut) {
        let &mut Self { blocks, s, first, rows, .. } = self;
        let (isa, nr, d, width) = (blocks.isa, blocks.kernels.nr, blocks.d, s.width());
        // Powers of 2 are less work than powers of e.
        let scale = scale * std::f32::consts::LOG2_E;
        let groups = (0..rows).step_by(nr).map(|from| (from, nr.min(rows - from)));
        let panels = self.queries.words_mut().chunks_exact_mut(blocks.depth * nr);
        for (group, ((from, count), panel)) in groups.clone().zip(panels).enumerate() {
            let q = q.skip(from * width);
            #[cfg(target_arch = "x86_64")]
            if blocks.bytes {
                let steps = &mut self.steps.floats_mut()[group * nr..][..nr];
                // Queries that do not exist have numbers, too.
                steps.fill(0.0);
                blocks.query_bytes(q, width, count, &mut self.space, panel, steps);
                continue;
            }
            blocks.columns(q, width, count, &mut self.space, panel, nr);
            #[cfg(target_arch = "x86_64")]
            if blocks.fused {
                self.most[group] = f32::from_bits(bytes::largest_of_pairs(isa, panel));
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = group;
        }
        self.running.clear();
        self.running.resize_with(groups.len() * nr / QUERIES, || Running::START);
        let firsts = (0..s.seen(first + rows - 1)).step_by(blocks.keys);
        for (block, first_key) in packed.chunks_exact(blocks.len()).zip(firsts) {
            for (group, (from, count)) in groups.clone().enumerate() {
                let seen = s.seen(first + from + count - 1);
                if seen > first_key {
                    let keys = blocks.keys.min(seen - first_key);
                    self.step(group, count, scale, block, first_key, keys);
                }
            }
        }
        for (group, (from, count)) in groups.enumerate() {
            let sums = &mut self.outs.floats_mut()[group * blocks.rows * nr..][..blocks.rows * nr];
            #[cfg(target_arch = "x86_64")]
            let in_bytes =
                self.facts.as_ref().map(|facts| bytes::finish(isa, facts, sums)).is_some();
            #[cfg(not(target_arch = "x86_64"))]
            let in_bytes = false;
            let running = &self.running[group * nr / QUERIES..][..count.div_ceil(QUERIES)];
            for (i, running) in running.iter().enumerate().filter(|_| !in_bytes) {
                let shares = running.sum.map(|sum| 1.0 / sum);
                online::scale(isa, &mut sums[i * QUERIES..], nr, &shares);
            }
            let sums = &sums[..d * nr];
            match &mut out {
                ActivationsMut::F32(out) => {
                    transpose(isa, sums, nr, [d, count], &mut out[from * width..], width, |l| l);
                }
                ActivationsMut::Bf16(out) => {
                    let plain = &mut self.scores.floats_mut()[..count * d];
                    transpose(isa, sums, nr, [d, count], plain, d, |l| l);
                    let rows = out[from * width / 2..].chunks_mut(width / 2);
                    for (plain, out) in plain.chunks_exact(d).zip(rows) {
                        bf16::pack(isa, plain, &mut as_words_mut(out)[..d / 2]);
                    }
                }
            }
        }
    }

    /// Lets one group of `count` queries see the first `keys` keys of a block.
    fn step(
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

/// Adds `pairs` rows of values `[pairs, d]`, each times its powers `[pairs, nr]`, to the sums `outs`
/// `[d, nr]`, or begins them.
fn add_values(
    kernels: &Kernels,
    values: &[u32],
    powers: &[u32],
    d: usize,
    pairs: usize,
    lanes: usize,
    accumulate: bool,
    outs: &mut [f32],
) {
    let tallest = d.div_ceil(d.div_ceil(kernels.mr));
    for (tile, out) in outs.chunks_mut(tallest * kernels.nr).enumerate() {
        let left = Panel { words: values, stride: d, first: tile * tallest };
        product(kernels, left, powers, pairs, lanes, 1.0, accumulate, out);
    }
}

/// Softmax's part of a step: scores become what multiplies the values. Whether the sums so far
/// must be scaled.
fn powers(blocks: &KeyBlocks, scores: &mut [f32], running: &mut [Running]) -> bool {
    let nr = blocks.kernels.nr;
    let mut raised = false;
    for (i, running) in running.iter_mut().enumerate() {
        let scores = &mut scores[i * QUERIES..];
        #[cfg(target_arch = "x86_64")]
        if blocks.kernels.pairs {
            // SAFETY: kernels of pairs are those of AVX-512 BF16, and `Kernels::select` has
            // ascertained that this machine has it.
            raised |= unsafe { online_bf16::advance(scores, nr, running) };
            continue;
        }
        raised |= online::advance(blocks.isa, scores, nr, running);
    }
    if !blocks.kernels.pairs {
        blocks.round(scores);
    }
    raised
}

/// A left operand: `a[l, i]` is `words[l · stride + first + i]`.
struct Panel<'a> {
    words: &'a [u32],
    stride: usize,
    first: usize,
}

/// `out[i, j] = scale · Σ_l a[l, i] · b[l, j]` for one tile, `len` rows of both operands and `lanes`
/// columns; rows of `b` and `out` are nr long.
fn product(
    kernels: &Kernels,
    a: Panel,
    b: &[u32],
    len: usize,
    lanes: usize,
    scale: f32,
    accumulate: bool,
    out: &mut [f32],
) {
    let nr = kernels.nr;
    let rows = out.len() / nr;
    assert!((1..=kernels.mr).contains(&rows) && (1..=nr).contains(&lanes) && len > 0);
    assert!(a.words.len() >= (len - 1) * a.stride + a.first + rows && b.len() >= len * nr);
    let run = Run { a: a.words.as_ptr(), b: b.as_ptr(), len };
    let tile = OuterTile {
        runs: &run,
        run_count: 1,
        a_stride: a.stride,
        b_stride: nr,
        a_col: a.first,
        b_col: 0,
        cols: lanes,
        out: out.as_mut_ptr(),
        out_stride: nr,
        scale,
        accumulate,
    };
    // SAFETY: the assertions: `len` rows of both operands reach as far as the tile does, and `out`
    // has `rows` rows.
    unsafe { kernels.outer(rows, &tile) };
}
