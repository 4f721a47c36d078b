//! Scores of a tile of keys that become probabilities before they leave the registers, with
//! AVX-512 BF16. What [`online`](super::online) does for a whole block in memory, in the same
//! units, but the scores are never stored, and of the powers only pairs of bf16.

use super::online::{QUERIES, Running, SLACK};
use super::online_bf16::exp2;
use crate::microkernel::avx512_bf16::fma;
use std::arch::x86_64::*;
use std::mem::transmute;

/// Keys of a tile: with [`GROUPS`] vectors of queries for each, they leave room for constants.
pub(super) const KEYS: usize = 12;

/// Vectors of queries.
pub(super) const GROUPS: usize = 2;

/// One tile: keys against queries.
pub(super) struct Tile<'a> {
    /// `[depth, GROUPS · QUERIES]` pairs.
    pub queries: &'a [u32],
    /// `[depth, KEYS]` pairs.
    pub keys: &'a [u32],
    /// How many of the keys there are; the others are as if they were not.
    pub count: usize,
    /// What products are multiplied with, in units of ln 2.
    pub scale: f32,
}

impl Tile<'_> {
    /// Writes the powers, as pairs of keys `[KEYS / 2, GROUPS · QUERIES]`, and takes them into
    /// account; or, if some score is too far above the maximum so far, raises the maxima, sets the
    /// factors for what was summed before, writes nothing and says false: the next call succeeds.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
    pub fn powers(&self, running: &mut [Running; GROUPS], out: &mut [u32]) -> bool {
        const LANES: usize = GROUPS * QUERIES;
        let depth = self.queries.len() / LANES;
        assert!(self.keys.len() >= depth * KEYS && out.len() >= KEYS / 2 * LANES);
        let order: [u16; 32] = std::array::from_fn(|i| (i / 2 + i % 2 * 16) as u16);
        // SAFETY: by the assertion, for each of `depth` steps LANES queries and KEYS keys are
        // readable, and KEYS / 2 rows of LANES words are writable; arrays of 16 are 64 bytes.
        unsafe {
            let mut scores = [[_mm512_setzero_ps(); GROUPS]; KEYS];
            let (mut q, mut k) = (self.queries.as_ptr(), self.keys.as_ptr());
            for _ in 0..depth {
                let mut right = [_mm512_setzero_ps(); GROUPS];
                for v in 0..GROUPS {
                    right[v] = _mm512_loadu_ps(q.add(v * QUERIES).cast());
                }
                for i in 0..KEYS {
                    for v in 0..GROUPS {
                        scores[i][v] = fma(k, i, right[v], scores[i][v]);
                    }
                }
                q = q.wrapping_add(LANES);
                k = k.wrapping_add(KEYS);
            }
            if self.count < KEYS {
                for (i, scores) in scores.iter_mut().enumerate() {
                    if i >= self.count {
                        *scores = [_mm512_set1_ps(f32::NEG_INFINITY); GROUPS];
                    }
                }
            }
            let scale = _mm512_set1_ps(self.scale);
            let mut max = [_mm512_setzero_ps(); GROUPS];
            let mut rises = [0; GROUPS];
            for v in 0..GROUPS {
                let mut top = [_mm512_set1_ps(f32::MIN); 2];
                for i in 0..KEYS {
                    // The second operand is kept if the first is NaN.
                    top[i % 2] = _mm512_max_ps(scores[i][v], top[i % 2]);
                }
                let top = _mm512_mul_ps(_mm512_max_ps(top[0], top[1]), scale);
                let old = _mm512_loadu_ps(running[v].max.as_ptr());
                let limit = _mm512_add_ps(old, _mm512_set1_ps(SLACK));
                rises[v] = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(top, limit);
                max[v] = _mm512_mask_mov_ps(old, rises[v], top);
            }
            if rises != [0; GROUPS] {
                for v in 0..GROUPS {
                    let old = _mm512_loadu_ps(running[v].max.as_ptr());
                    let factor = exp2(_mm512_sub_ps(old, max[v]));
                    let sum = _mm512_loadu_ps(running[v].sum.as_ptr());
                    _mm512_storeu_ps(running[v].sum.as_mut_ptr(), _mm512_mul_ps(sum, factor));
                    _mm512_storeu_ps(running[v].max.as_mut_ptr(), max[v]);
                    _mm512_storeu_ps(running[v].factor.as_mut_ptr(), factor);
                }
                return false;
            }
            let order: __m512i = transmute(order);
            let mut sums = [_mm512_setzero_ps(); GROUPS];
            for i in 0..KEYS / 2 {
                for v in 0..GROUPS {
                    // Not fused: the largest of huge scores must come out as 0.
                    let power = |score| exp2(_mm512_sub_ps(_mm512_mul_ps(score, scale), max[v]));
                    let (low, high) = (power(scores[2 * i][v]), power(scores[2 * i + 1][v]));
                    sums[v] = _mm512_add_ps(sums[v], _mm512_add_ps(low, high));
                    let halves: __m512i = transmute(_mm512_cvtne2ps_pbh(high, low));
                    let pairs = _mm512_permutexvar_epi16(order, halves);
                    let at = out.as_mut_ptr().add(i * LANES + v * QUERIES);
                    _mm512_storeu_si512(at.cast(), pairs);
                }
            }
            for v in 0..GROUPS {
                let sum = _mm512_add_ps(_mm512_loadu_ps(running[v].sum.as_ptr()), sums[v]);
                _mm512_storeu_ps(running[v].sum.as_mut_ptr(), sum);
            }
            true
        }
    }
}
