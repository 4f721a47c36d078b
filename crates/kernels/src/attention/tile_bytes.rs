//! Attention of some queries to a stretch of keys where everything that is multiplied is a byte,
//! with AVX-512 VNNI and VBMI.
//!
//! The powers of a stretch have the largest score in it as their own unit, 255 levels of it, so a
//! large one elsewhere takes nothing away from them; sums of values are whole numbers within the
//! stretch and f32 beyond it. As in [`tile_bf16`](super::tile_bf16), powers are made of one stretch
//! while the products of the next are formed.

use super::online::{QUERIES, Running, SLACK};
use super::online_bf16::exp2;
use std::arch::asm;
use std::arch::x86_64::*;

/// Keys of a tile: with [`GROUPS`] vectors of queries for each, they leave room for softmax.
pub(super) const KEYS: usize = 8;

/// Vectors of queries.
const GROUPS: usize = 2;

/// Queries of a tile.
pub(super) const LANES: usize = GROUPS * QUERIES;

/// Most keys of a stretch: the scores of as many stay in the cache nearest to the core.
pub(super) const STRETCH: usize = 64;

/// Rows of values that are summed at once.
pub(super) const ROWS: usize = 14;

/// Keys whose bytes make a word.
const QUAD: usize = 4;

/// Steps in a power of two.
const UNITS: f32 = 128.0;

/// Most steps that a difference of 1 between sums of bytes can be: whole numbers hold all others.
const STEEPEST_UNITS: f32 = 256.0;

/// Most that a factor from sums of bytes to scores may be: then no score is infinite.
const STEEPEST: f32 = 1e30;

/// What stands for a sum where there is no key: less than all others, with differences that 32
/// bits hold.
pub(super) const NOWHERE: i32 = -1 << 30;

/// The most bytes of a query whose sums stay far above [`NOWHERE`].
pub(super) const LONGEST: usize = 1 << 15;

/// Sums of products `[keys, LANES]`, and the largest of each query.
#[repr(align(64))]
pub(super) struct Scores {
    sums: [i32; STRETCH * LANES],
    largest: [i32; LANES],
}

impl Scores {
    pub const ZERO: Self = Self { sums: [0; STRETCH * LANES], largest: [0; LANES] };
}

/// What products are formed of.
pub(super) struct Ahead<'a> {
    /// `[depth, LANES]` words, bytes 128 too large.
    pub queries: &'a [u32],
    /// Tiles `[depth, KEYS]` of words.
    pub keys: &'a [u32],
    /// What each sum begins with: -128 times the sum of the key's bytes, or [`NOWHERE`].
    pub shifts: &'a [u32],
}

/// How sums of products become powers, for each query.
#[repr(align(64))]
pub(super) struct Weights {
    /// [`UNITS`] in a difference of 1 between sums.
    units: [f32; LANES],
    /// What the powers, 255 the largest, are multiplied with.
    factors: [f32; LANES],
}

impl Weights {
    pub const ZERO: Self = Self { units: [0.0; LANES], factors: [0.0; LANES] };
}

/// Finds the weights of a stretch from the largest scores in it, from the step of each query and
/// from that of the keys times what scores are multiplied with, in units of ln 2. Says whether what
/// was summed before has to be multiplied with the factors in `running`.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn weigh(
    scores: &Scores,
    queries: &[f32],
    keys: f32,
    running: &mut [Running; GROUPS],
    weights: &mut Weights,
) -> bool {
    assert_eq!(queries.len(), LANES);
    let mut raised = false;
    for (v, running) in running.iter_mut().enumerate() {
        // SAFETY: all have 16 elements from there on.
        unsafe {
            let at = v * QUERIES;
            let steps = _mm512_loadu_ps(queries.as_ptr().add(at));
            // The second operand is kept if it is NaN.
            let factor = _mm512_mul_ps(steps, _mm512_set1_ps(keys));
            let factor = _mm512_min_ps(_mm512_set1_ps(STEEPEST), factor);
            let units = _mm512_mul_ps(factor, _mm512_set1_ps(UNITS));
            let units = _mm512_min_ps(_mm512_set1_ps(STEEPEST_UNITS), units);
            _mm512_store_ps(weights.units.as_mut_ptr().add(at), units);

            let largest = _mm512_load_si512(scores.largest.as_ptr().add(at).cast());
            let top = _mm512_mul_ps(_mm512_cvtepi32_ps(largest), factor);
            let old = _mm512_loadu_ps(running.max.as_ptr());
            let limit = _mm512_add_ps(old, _mm512_set1_ps(SLACK));
            let rises = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(top, limit);
            let max = _mm512_mask_mov_ps(old, rises, top);
            if rises != 0 {
                let before = exp2(_mm512_sub_ps(old, max));
                _mm512_storeu_ps(running.max.as_mut_ptr(), max);
                _mm512_storeu_ps(running.factor.as_mut_ptr(), before);
                raised = true;
            } else {
                running.factor = [1.0; QUERIES];
            }
            let factors = exp2(_mm512_sub_ps(top, max));
            _mm512_store_ps(weights.factors.as_mut_ptr().add(at), factors);
        }
    }
    raised
}

/// Products of the queries `$q`, vectors, with word `$i` from `$a` on.
macro_rules! dots {
    ($a:ident, $q:ident, $sums:ident, [$($i:literal),*]) => { $(
        for v in 0..GROUPS {
            asm!(
                concat!("vpdpbusd {sum}, {q}, dword ptr [{a} + 4*", $i, "]{{1to16}}"),
                sum = inout(zmm_reg) $sums[$i][v],
                q = in(zmm_reg) $q[v],
                a = in(reg) $a,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
    )* };
}

/// Makes powers of the scores of one stretch, as words of four keys `[keys / 4, LANES]`, and
/// meanwhile forms the products of the next, which take their place.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
pub(super) fn turn(
    ahead: Option<&Ahead>,
    scores: &mut Scores,
    weights: &Weights,
    powers: &mut [u32],
) {
    let (formed, depth) = ahead.map_or((0, 0), |x| (x.shifts.len(), x.queries.len() / LANES));
    let made = powers.len() / LANES * QUAD;
    assert!(formed.max(made) <= STRETCH && [formed, made].iter().all(|x| x.is_multiple_of(KEYS)));
    assert!(ahead.is_none_or(|x| x.keys.len() >= formed * depth));
    // SAFETY: by the assertions there are KEYS words for each of `depth` steps of each tile, as
    // there are LANES of queries, and scores and powers reach as far as the tiles; vectors are 64
    // bytes.
    unsafe {
        let largest = scores.largest.as_ptr();
        let tops: [__m512i; GROUPS] =
            [_mm512_load_si512(largest.cast()), _mm512_load_si512(largest.add(QUERIES).cast())];
        let mut largest = [_mm512_set1_epi32(NOWHERE); GROUPS];
        for first in (0..formed.max(made)).step_by(KEYS) {
            let sums_at = scores.sums.as_mut_ptr().add(first * LANES);
            let mut sums = [[_mm512_setzero_si512(); GROUPS]; KEYS];
            let steps = if first < formed { depth } else { 0 };
            let (mut q, mut k) = (std::ptr::null(), std::ptr::null());
            if let Some(ahead) = ahead.filter(|_| first < formed) {
                (q, k) = (ahead.queries.as_ptr(), ahead.keys.as_ptr().add(first * depth));
                for i in 0..KEYS {
                    sums[i] = [_mm512_set1_epi32(ahead.shifts[first + i] as i32); GROUPS];
                }
            }
            let mut done = 0;
            for part in 0..GROUPS * KEYS / QUAD {
                let (v, quad) = (part % GROUPS, part / GROUPS);
                if first < made {
                    let units = _mm512_load_ps(weights.units.as_ptr().add(v * QUERIES));
                    let four = sums_at.add(quad * QUAD * LANES + v * QUERIES);
                    let bytes = powers_of_four(four, tops[v], units);
                    let at = (first / QUAD + quad) * LANES + v * QUERIES;
                    _mm512_storeu_si512(powers.as_mut_ptr().add(at).cast(), bytes);
                }
                let end = (part + 1) * steps / (GROUPS * KEYS / QUAD);
                while done < end {
                    let right: [__m512i; GROUPS] = [
                        _mm512_loadu_si512(q.cast()),
                        _mm512_loadu_si512(q.wrapping_add(QUERIES).cast()),
                    ];
                    dots!(k, right, sums, [0, 1, 2, 3, 4, 5, 6, 7]);
                    q = q.wrapping_add(LANES);
                    k = k.wrapping_add(KEYS);
                    done += 1;
                }
            }
            if first < formed {
                for i in 0..KEYS {
                    for v in 0..GROUPS {
                        largest[v] = _mm512_max_epi32(largest[v], sums[i][v]);
                        let at = sums_at.add(i * LANES + v * QUERIES);
                        _mm512_store_si512(at.cast(), sums[i][v]);
                    }
                }
            }
        }
        for v in 0..GROUPS {
            let at = scores.largest.as_mut_ptr().add(v * QUERIES);
            _mm512_store_si512(at.cast(), largest[v]);
        }
    }
}

/// Of the sums of four keys, LANES from one to the next, powers in bytes: 255 of the largest, and
/// half of that for each power of two that they are less.
///
/// # Safety
/// There are four vectors of sums, aligned, none larger than `largest`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
unsafe fn powers_of_four(sums: *const i32, largest: __m512i, units: __m512) -> __m512i {
    // SAFETY: given; tables have as many bytes as are read.
    unsafe {
        let less = |key: usize| {
            let sum = _mm512_load_si512(sums.add(key * LANES).cast());
            let less = _mm512_cvtepi32_ps(_mm512_sub_epi32(largest, sum));
            _mm512_cvtps_epi32(_mm512_mul_ps(less, units))
        };
        let (low, high) = (load(&HALVING, 0), load(&HALVING, 1));
        let rounded = |first: usize| {
            // What is too large to count becomes the largest of 16 bits.
            let less = _mm512_packus_epi32(less(first), less(first + 1));
            // The lower seven bits choose the fraction, the upper halve it.
            let fraction = _mm512_permutex2var_epi8(low, less, high);
            let fraction = _mm512_slli_epi16::<8>(fraction);
            let power = _mm512_srlv_epi16(fraction, _mm512_srli_epi16::<7>(less));
            _mm512_add_epi16(power, _mm512_set1_epi16(128))
        };
        _mm512_permutex2var_epi8(rounded(0), load(&ORDER, 0), rounded(2))
    }
}

/// Adds rows of `values` `[keys / 4, rows]`, each times its powers `[keys / 4, LANES]`, all in
/// bytes, to the sums `outs` `[rows, LANES]`, or begins them.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn add_values(
    values: &[u32],
    powers: &[u32],
    weights: &Weights,
    begun: bool,
    outs: &mut [f32],
) {
    let (rows, quads) = (outs.len() / LANES, powers.len() / LANES);
    assert!(rows.is_multiple_of(ROWS) && values.len() >= quads * rows);
    // SAFETY: by the assertion there are `rows` values for each quad, and vectors of powers and of
    // sums are there whole.
    unsafe {
        let factors = weights.factors.as_ptr();
        let factors = [_mm512_load_ps(factors), _mm512_load_ps(factors.add(QUERIES))];
        for first in (0..rows).step_by(ROWS) {
            let mut sums = [[_mm512_setzero_si512(); GROUPS]; ROWS];
            let (mut value, mut power) = (values.as_ptr().add(first), powers.as_ptr());
            for _ in 0..quads {
                let right: [__m512i; GROUPS] = [
                    _mm512_loadu_si512(power.cast()),
                    _mm512_loadu_si512(power.wrapping_add(QUERIES).cast()),
                ];
                dots!(value, right, sums, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
                value = value.wrapping_add(rows);
                power = power.wrapping_add(LANES);
            }
            let out = outs.as_mut_ptr().add(first * LANES);
            for i in 0..ROWS {
                for v in 0..GROUPS {
                    let at = out.add(i * LANES + v * QUERIES);
                    let sum = _mm512_cvtepi32_ps(sums[i][v]);
                    let before = if begun { _mm512_loadu_ps(at) } else { _mm512_setzero_ps() };
                    _mm512_storeu_ps(at, _mm512_fmadd_ps(sum, factors[v], before));
                }
            }
        }
    }
}

/// A table that is read in whole vectors.
#[repr(align(64))]
struct Table([u8; 128]);

/// Half of a table.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(table: &Table, half: usize) -> __m512i {
    let bytes = &table.0[half * 64..][..64];
    // SAFETY: they are 64 bytes, aligned by the type.
    unsafe { _mm512_load_si512(bytes.as_ptr().cast()) }
}

/// `255 · 2^(-i / 128)`, rounded.
#[rustfmt::skip]
static HALVING: Table = Table([
    255, 254, 252, 251, 250, 248, 247, 246, 244, 243, 242, 240, 239, 238, 236, 235, 234, 233, 231, 230, 229, 228, 226, 225, 224, 223,
    222, 220, 219, 218, 217, 216, 214, 213, 212, 211, 210, 209, 208, 206, 205, 204, 203, 202, 201, 200, 199, 198, 197, 196, 195, 193,
    192, 191, 190, 189, 188, 187, 186, 185, 184, 183, 182, 181, 180, 179, 178, 177, 176, 175, 175, 174, 173, 172, 171, 170, 169, 168,
    167, 166, 165, 164, 164, 163, 162, 161, 160, 159, 158, 157, 157, 156, 155, 154, 153, 152, 152, 151, 150, 149, 148, 148, 147, 146,
    145, 144, 144, 143, 142, 141, 141, 140, 139, 138, 138, 137, 136, 135, 135, 134, 133, 132, 132, 131, 130, 130, 129, 128,
]);

/// Where in two vectors of halves of words, each of two keys in turn for four queries, the upper
/// bytes of four keys are.
static ORDER: Table = {
    let mut order = [0; 128];
    let mut i = 0;
    while i < 64 {
        let (query, key) = (i / 4, i % 4);
        let (quarter, within) = (query / 4, query % 4);
        order[i] = (key / 2 * 64 + quarter * 16 + key % 2 * 8 + within * 2 + 1) as u8;
        i += 1;
    }
    Table(order)
};
