//! Some queries of one sequence, past which the keys stream.

mod products;
mod step;

use super::AttentionShape;
#[cfg(target_arch = "x86_64")]
use super::bytes;
use super::keys::KeyBlocks;
use super::online::{self, QUERIES, Running};
use crate::bf16;
use crate::gemm::transpose::transpose;
use crate::scratch::{Scratch, as_words_mut};
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
}
