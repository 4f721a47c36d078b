//! AVX2: tiles of 4 × 16 sums. `vpmaddubsw` would saturate, so bytes are widened to 16 bits, the
//! even ones and the odd ones of each word apart, and multiplied in pairs by `vpmaddwd`.

use super::{RowTerms, Tile};
use std::arch::x86_64::*;

pub(super) type V = __m256i;

pub(super) const LANES: usize = 8;

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn zero() -> V {
    _mm256_setzero_si256()
}

/// The even and the odd bytes of a word in every lane, signed.
///
/// # Safety
/// Word `at` from `row` on is readable.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn left(row: *const u32, at: usize) -> [V; 2] {
    // SAFETY: given.
    let word = _mm256_set1_epi32(unsafe { row.add(at).read() } as i32);
    [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(word)), _mm256_srai_epi16::<8>(word)]
}

/// The even and the odd bytes of 8 words, unsigned.
///
/// # Safety
/// The words are readable.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn right(from: *const u32) -> [V; 2] {
    // SAFETY: given.
    let words = unsafe { _mm256_loadu_si256(from.cast()) };
    [_mm256_and_si256(words, _mm256_set1_epi16(255)), _mm256_srli_epi16::<8>(words)]
}

/// `sum` and the products of bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn dot(a: [V; 2], b: [V; 2], sum: V) -> V {
    let even = _mm256_madd_epi16(a[0], b[0]);
    let odd = _mm256_madd_epi16(a[1], b[1]);
    _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
}

/// Asks for a result's cache line while there is much to compute until it is written.
#[inline]
pub(super) fn fetch(out: *const f32) {
    // SAFETY: any address may be prefetched, and every x86-64 has the instruction or ignores it.
    unsafe { _mm_prefetch::<_MM_HINT_ET0>(out.cast()) };
}

/// What the results of 8 columns are made with.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    sums: V,
    scales: __m256,
    bias: __m256,
    mask: V,
}

/// # Safety
/// `first` is within the panel; columns beyond those of `t` are masked.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn columns(t: &Tile, first: usize) -> Columns {
    let left = t.cols.saturating_sub(first).min(LANES) as i32;
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(left), lanes);
    // SAFETY: a panel's sums and scales are there whole; what is read of the bias is masked.
    unsafe {
        Columns {
            sums: _mm256_loadu_si256(t.sums.add(first).cast()),
            scales: _mm256_loadu_ps(t.scales.add(first)),
            bias: if t.bias.is_null() {
                _mm256_setzero_ps()
            } else {
                _mm256_maskload_ps(t.bias.wrapping_add(first), mask)
            },
            mask,
        }
    }
}

/// Writes the results of one row.
///
/// # Safety
/// As many elements from `out` on are writable as `c` has columns.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn finish(c: &Columns, terms: &RowTerms, sum: V, out: *mut f32) {
    let zeros = _mm256_mullo_epi32(c.sums, _mm256_set1_epi32(terms.zero));
    let sum = _mm256_add_epi32(_mm256_sub_epi32(sum, zeros), _mm256_set1_epi32(terms.shift()));
    let y = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(terms.scale));
    let y = _mm256_add_ps(_mm256_mul_ps(y, c.scales), c.bias);
    // SAFETY: given; lanes outside the mask are not written.
    unsafe { _mm256_maskstore_ps(out, c.mask, y) };
}

/// # Safety
/// `count` words are readable.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn sum(words: *const u32, count: usize) -> i32 {
    // SAFETY: given; plain loops, which the compiler turns into AVX2.
    unsafe { super::portable::sum(words, count) }
}

int8_kernels!([1, 2, 3, 4], #[target_feature(enable = "avx2")]);
