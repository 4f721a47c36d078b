//! Scores of a tile of keys that become probabilities on the way to the values, with AVX-512 BF16
//! and VBMI. What [`online`](super::online) does for a whole block, in the same units, but of the
//! powers only pairs of bf16 are written.
//!
//! While the products of one tile are formed, those of the tile before become powers: softmax
//! needs other units of the core than products do, but the core does not look far enough ahead to
//! find work for both, unless it lies side by side.
//!
//! The quick way computes powers as the bits of a bf16: of `x + 127` in units of 2⁻⁷, rounded to
//! a whole number, the upper bits are the exponent, and by what the lower seven exceed `2ᶠ - 1`
//! is looked up. It needs scores that are finite and not too large above the maximum so far; the
//! careful way has no such wish.

use super::online::{QUERIES, Running, SLACK};
use super::online_bf16::exp2;
use std::arch::asm;
use std::arch::x86_64::*;
use std::mem::transmute;

/// Keys of a tile: with [`GROUPS`] vectors of queries for each, they leave room for softmax.
pub(super) const KEYS: usize = 10;

/// Vectors of queries.
pub(super) const GROUPS: usize = 2;

/// Queries of a tile.
pub(super) const LANES: usize = GROUPS * QUERIES;

/// Most that the magnitude of scores may be for the quick way: 32 bits hold them in its units.
pub(super) const TAME: f32 = (1 << 22) as f32;

/// Units of the quick way in a power of two, and 1 in them.
const UNITS: f32 = 128.0;
const ONE: f32 = 127.0 * UNITS;

/// The products of a tile `[KEYS, LANES]`.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Sums(pub [f32; KEYS * LANES]);

/// What products are formed of. Without queries there are none.
pub(super) struct Ahead<'a> {
    /// `[depth, LANES]` words.
    pub queries: &'a [u32],
    /// `[depth, KEYS]` words.
    pub keys: &'a [u32],
}

/// What powers are made of.
pub(super) struct Behind<'a> {
    /// What [`turn`] wrote.
    pub sums: &'a Sums,
    /// What they are multiplied with for scores in units of ln 2.
    pub factor: f32,
    /// What is known of the queries.
    pub running: &'a mut [Running; GROUPS],
    /// Where the powers go, as pairs of keys `[KEYS / 2, LANES]`.
    pub out: &'a mut [u32],
}

/// Products of the queries `$q`, vectors, with key `$i` from `$k` on.
macro_rules! dots {
    ($k:ident, $q:ident, $sums:ident, [$($i:literal),*]) => { $(
        for v in 0..GROUPS {
            asm!(
                concat!("vdpbf16ps {sum}, {q}, dword ptr [{k} + 4*", $i, "]{{1to16}}"),
                sum = inout(zmm_reg) $sums[$i][v],
                q = in(zmm_reg) $q[v],
                k = in(reg) $k,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
    )* };
}

/// Forms the products of the tile ahead, writes them to `out`, and meanwhile makes powers of the
/// tile behind and takes them into account. Says false, and leaves it to [`careful`], if some
/// score is too far above its maximum.
///
/// Scores of the tile behind are below [`TAME`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16,avx512vbmi")]
pub(super) fn turn(ahead: &Ahead, out: &mut Sums, behind: Option<&mut Behind>) -> bool {
    let depth = ahead.queries.len() / LANES;
    assert!(ahead.keys.len() >= depth * KEYS);
    // SAFETY: by the assertion, for each of `depth` steps LANES queries and KEYS keys are readable;
    // both kinds of vectors are 64 bytes; what belongs to the tile behind has its length in its
    // type or is asserted to have it.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); GROUPS]; KEYS];
        let (mut q, mut k) = (ahead.queries.as_ptr(), ahead.keys.as_ptr());
        let mut step = |sums: &mut [[__m512; GROUPS]; KEYS]| {
            let right: [__m512; GROUPS] =
                [_mm512_loadu_ps(q.cast()), _mm512_loadu_ps(q.add(QUERIES).cast())];
            dots!(k, right, sums, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
            q = q.wrapping_add(LANES);
            k = k.wrapping_add(KEYS);
        };
        let mut fits = true;
        if let Some(behind) = behind {
            assert!(behind.out.len() >= KEYS / 2 * LANES);
            let mut totals = [_mm512_setzero_ps(); GROUPS];
            let mut done = 0;
            for v in 0..GROUPS {
                let mut powers = Powers::new(behind, v);
                for i in 0..KEYS / 2 {
                    powers.pair(i);
                    let end = (v * (KEYS / 2) + i + 1) * depth / (GROUPS * KEYS / 2);
                    while done < end {
                        step(&mut sums);
                        done += 1;
                    }
                }
                totals[v] = powers.sum;
                let limit = _mm512_set1_epi16((ONE + SLACK * UNITS) as i16);
                fits &= _mm512_cmpgt_epu16_mask(powers.top, limit) == 0;
            }
            if fits {
                for v in 0..GROUPS {
                    let sum = behind.running[v].sum.as_mut_ptr();
                    _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), totals[v]));
                }
            }
        } else {
            for _ in 0..depth {
                step(&mut sums);
            }
        }
        for i in 0..KEYS {
            for v in 0..GROUPS {
                let at = out.0.as_mut_ptr().add(i * LANES + v * QUERIES);
                _mm512_store_ps(at.cast(), sums[i][v]);
            }
        }
        fits
    }
}

/// Some queries of a tile on the quick way.
struct Powers {
    sums: *const f32,
    out: *mut u32,
    factor: __m512,
    base: __m512,
    sum: __m512,
    top: __m512i,
}

impl Powers {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(behind: &mut Behind, v: usize) -> Self {
        // SAFETY: the arrays have 16 elements from there on.
        unsafe {
            let units = _mm512_set1_ps(UNITS);
            // Scores far above the lowest of maxima still fit, and are seen to be far above.
            let max = _mm512_loadu_ps(behind.running[v].max.as_ptr());
            let max = _mm512_max_ps(max, _mm512_set1_ps(-2.0 * TAME));
            Self {
                sums: behind.sums.0.as_ptr().add(v * QUERIES),
                out: behind.out.as_mut_ptr().add(v * QUERIES),
                factor: _mm512_set1_ps(behind.factor * UNITS),
                // Rounding of huge maxima multiplies all powers of a query alike.
                base: _mm512_fnmadd_ps(max, units, _mm512_set1_ps(ONE)),
                sum: _mm512_setzero_ps(),
                top: _mm512_setzero_si512(),
            }
        }
    }

    /// Makes the powers of keys `2 i` and `2 i + 1`.
    ///
    /// # Safety
    /// The tile behind is still there, and there are KEYS / 2 pairs.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16,avx512vbmi")]
    unsafe fn pair(&mut self, i: usize) {
        // SAFETY: given; tables have as many bytes as are read.
        unsafe {
            let units = |key: usize| {
                let sum = _mm512_load_ps(self.sums.add(key * LANES));
                _mm512_cvtps_epi32(_mm512_fmadd_ps(sum, self.factor, self.base))
            };
            // What is below 0 becomes 0, as does a power below the least.
            let both = _mm512_packus_epi32(units(2 * i), units(2 * i + 1));
            self.top = _mm512_max_epu16(self.top, both);
            let order = _mm512_broadcast_i32x4(transmute::<[u8; 16], __m128i>(ORDER));
            let pairs = _mm512_shuffle_epi8(both, order);
            let table = EXCESS.0.as_ptr().cast();
            let (low, high) = (_mm512_load_si512(table), _mm512_load_si512(table.add(1)));
            let excess = _mm512_maskz_permutex2var_epi8(0x5555_5555_5555_5555, low, pairs, high);
            let pairs = _mm512_subs_epu16(pairs, excess);
            let ones: __m512bh = transmute(_mm512_set1_epi16(0x3f80));
            let powers: __m512bh = transmute(pairs);
            self.sum = _mm512_dpbf16_ps(self.sum, powers, ones);
            _mm512_storeu_si512(self.out.add(i * LANES).cast(), pairs);
        }
    }
}

/// Makes powers of the first `count` keys of the tile behind in f32 and takes them into account; of
/// the others they are 0. If some score is too far above its maximum, it only raises the maxima,
/// sets the factors for what was summed before, and says false: the next call succeeds.
#[cold]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
pub(super) fn careful(behind: &mut Behind, count: usize) -> bool {
    let Behind { sums, factor, running, out } = behind;
    assert!(out.len() >= KEYS / 2 * LANES);
    let order: [u16; 32] = std::array::from_fn(|i| (i / 2 + i % 2 * 16) as u16);
    // SAFETY: by the assertion KEYS / 2 rows of LANES words are writable; arrays of 16 floats and
    // 32 halves are vectors.
    unsafe {
        let mut scores = [[_mm512_set1_ps(f32::NEG_INFINITY); GROUPS]; KEYS];
        let mut max = [_mm512_setzero_ps(); GROUPS];
        let mut rises = [0; GROUPS];
        let factor = _mm512_set1_ps(*factor);
        for v in 0..GROUPS {
            let mut top = _mm512_set1_ps(f32::MIN);
            for (i, scores) in scores.iter_mut().enumerate().take(count) {
                let sum = _mm512_load_ps(sums.0.as_ptr().add(i * LANES + v * QUERIES));
                scores[v] = _mm512_mul_ps(sum, factor);
                // The second operand is kept if the first is NaN.
                top = _mm512_max_ps(scores[v], top);
            }
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
        for v in 0..GROUPS {
            let mut sum = _mm512_loadu_ps(running[v].sum.as_ptr());
            for i in 0..KEYS / 2 {
                // Not fused: the largest of huge scores must come out as 0.
                let power = |i: usize| exp2(_mm512_sub_ps(scores[i][v], max[v]));
                let (low, high) = (power(2 * i), power(2 * i + 1));
                sum = _mm512_add_ps(sum, _mm512_add_ps(low, high));
                let halves: __m512i = transmute(_mm512_cvtne2ps_pbh(high, low));
                let pairs = _mm512_permutexvar_epi16(order, halves);
                let at = out.as_mut_ptr().add(i * LANES + v * QUERIES);
                _mm512_storeu_si512(at.cast(), pairs);
            }
            _mm512_storeu_ps(running[v].sum.as_mut_ptr(), sum);
        }
        true
    }
}

/// Of four numbers and four numbers, of 16 bits each, pairs of one of each.
const ORDER: [u8; 16] = [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15];

/// A table that is read in whole vectors.
#[repr(align(64))]
struct Table([u8; 128]);

/// `i - 128 (2ᶠ - 1)` for `f = i / 128`, rounded.
#[rustfmt::skip]
static EXCESS: Table = Table([
    0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 8,
    8, 8, 8, 8, 8, 9, 9, 9, 9, 9, 9, 9, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 10, 10, 10, 10, 10, 10, 10, 10, 10, 9, 9, 9, 9, 9,
    9, 9, 8, 8, 8, 8, 8, 7, 7, 7, 7, 7, 6, 6, 6, 6, 5, 5, 5, 4, 4, 4, 3, 3, 3, 3, 2, 2, 1, 1, 1, 0,
]);
