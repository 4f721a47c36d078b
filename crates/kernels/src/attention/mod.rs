//! Scaled dot-product attention (Vaswani et al. 2017, eq. 1). The scores of all queries against all
//! keys never exist at once: forward, blocks of keys stream past the queries (Dao et al. 2022);
//! backward, it is a block of queries at a time.

mod backward;
#[cfg(target_arch = "x86_64")]
mod bytes;
mod forward;
mod heads;
#[cfg(test)]
mod int8_tests;
mod keys;
mod online;
#[cfg(target_arch = "x86_64")]
mod online_bf16;
mod softmax;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod tile_bf16;
#[cfg(target_arch = "x86_64")]
mod tile_bytes;

pub use backward::attention_grad;
pub use forward::{attention, attention_int8, attention_with};

use crate::Precision;
use crate::watch::{Call, Work};

/// What [`attention`] works on: queries `[batch, tq, heads · d]`, keys and values
/// `[batch, tk, heads · d]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Sequences.
    pub batch: usize,
    /// Heads, side by side in the last axis.
    pub heads: usize,
    /// Queries in a sequence.
    pub tq: usize,
    /// Keys and values in a sequence.
    pub tk: usize,
    /// Elements of one head.
    pub d: usize,
    /// Whether query i sees only keys 0..=i.
    pub causal: bool,
}

/// Most scores that backward holds at once, in elements: half of a second-level cache.
const SCORES: usize = 1 << 17;

impl AttentionShape {
    /// What a call of the forward pass is.
    fn call(&self, precision: Precision) -> Call {
        let &Self { batch, heads, tq, tk, d, .. } = self;
        let seen: usize = (0..tq).map(|query| self.seen(query)).sum();
        Call {
            kernel: "attention",
            sizes: format!("{tq} of {heads}x{d} to {tk}"),
            // Scores, and the sum of the values.
            work: Work::Operations(precision.into(), (4 * batch * heads * d * seen) as u64),
        }
    }

    /// Elements of one token: all heads.
    fn width(&self) -> usize {
        self.heads * self.d
    }

    /// Queries whose scores backward holds at once.
    fn block(&self) -> usize {
        (SCORES / self.tk).clamp(16, 64)
    }

    /// How many keys a query sees: the first so many.
    fn seen(&self, query: usize) -> usize {
        if self.causal { self.tk.min(query + 1) } else { self.tk }
    }

    /// Panics unless the slices have the lengths that the sizes ask for.
    #[track_caller]
    fn check(&self, like_q: &[usize], like_k: &[usize]) {
        assert!(self.tk > 0, "attention without keys: {self:?}");
        let (q, k) = (self.batch * self.tq * self.width(), self.batch * self.tk * self.width());
        assert!(
            like_q.iter().all(|&len| len == q) && like_k.iter().all(|&len| len == k),
            "queries {like_q:?} and keys {like_k:?} for {self:?}"
        );
    }
}
