//! AVX-512 with `vpdpbusd`: tiles of up to 14 × 32 sums, 28 of the 32 registers.

use super::{RowTerms, Tile};
use std::arch::asm;
use std::arch::x86_64::*;

type V = __m512i;

const LANES: usize = 16;

#[inline]
#[target_feature(enable = "avx512f")]
fn zero() -> V {
    _mm512_setzero_si512()
}

/// Where a word of a row is: the kernel's one instruction reads it.
#[inline]
fn left(row: *const u32, at: usize) -> (*const u32, usize) {
    (row, at)
}

/// # Safety
/// 16 words are readable.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn right(from: *const u32) -> V {
    // SAFETY: given.
    unsafe { _mm512_loadu_si512(from.cast()) }
}

/// `sum` and the products of the bytes of `b`, unsigned, with those of the word at `a`, signed.
///
/// # Safety
/// The word is readable.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn dot((a, at): (*const u32, usize), b: V, sum: V) -> V {
    // Written out because compilers load the word into a register of its own first, which takes
    // longer. Only the signed operand can be a broadcast from memory: hence unsigned weights.
    let mut sum = sum;
    // SAFETY: given; nothing but `sum` is written.
    unsafe {
        asm!(
            "vpdpbusd {sum}, {b}, dword ptr [{a} + 4*{at}]{{1to16}}",
            sum = inout(zmm_reg) sum,
            b = in(zmm_reg) b,
            a = in(reg) a,
            at = in(reg) at,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    sum
}

/// Asks for a result's cache line while there is much to compute until it is written.
#[inline]
fn fetch(out: *const f32) {
    // SAFETY: any address may be prefetched, and every x86-64 has the instruction or ignores it.
    unsafe { _mm_prefetch::<_MM_HINT_ET0>(out.cast()) };
}

/// What the results of 16 columns are made with.
#[derive(Clone, Copy)]
struct Columns {
    sums: V,
    scales: __m512,
    bias: __m512,
    mask: __mmask16,
}

/// # Safety
/// `first` is within the panel; columns beyond those of `t` are masked.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn columns(t: &Tile, first: usize) -> Columns {
    let left = t.cols.saturating_sub(first);
    let mask = if left >= LANES { !0 } else { (1 << left) - 1 };
    // SAFETY: a panel's sums and scales are there whole; what is read of the bias is masked.
    unsafe {
        Columns {
            sums: _mm512_loadu_si512(t.sums.add(first).cast()),
            scales: _mm512_loadu_ps(t.scales.add(first)),
            bias: if t.bias.is_null() {
                _mm512_setzero_ps()
            } else {
                _mm512_maskz_loadu_ps(mask, t.bias.wrapping_add(first))
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
#[target_feature(enable = "avx512f")]
unsafe fn finish(c: &Columns, terms: &RowTerms, sum: V, out: *mut f32) {
    let zeros = _mm512_mullo_epi32(c.sums, _mm512_set1_epi32(terms.zero));
    let sum = _mm512_add_epi32(_mm512_sub_epi32(sum, zeros), _mm512_set1_epi32(terms.shift()));
    let y = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(terms.scale));
    let y = _mm512_add_ps(_mm512_mul_ps(y, c.scales), c.bias);
    // SAFETY: given; plain stores are faster.
    unsafe {
        if c.mask == !0 {
            _mm512_storeu_ps(out, y);
        } else {
            _mm512_mask_storeu_ps(out, c.mask, y);
        }
    }
}

/// # Safety
/// `count` words are readable.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn sum(words: *const u32, count: usize) -> i32 {
    let ones = _mm512_set1_epi8(1);
    let mut sum = zero();
    for at in (0..count).step_by(LANES) {
        let left = count - at;
        let mask: __mmask16 = if left >= LANES { !0 } else { (1 << left) - 1 };
        // SAFETY: words outside the mask are not read.
        let bytes = unsafe { _mm512_maskz_loadu_epi32(mask, words.add(at).cast()) };
        sum = _mm512_dpbusd_epi32(sum, ones, bytes);
    }
    _mm512_reduce_add_epi32(sum)
}

int8_kernels!(
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
    #[target_feature(enable = "avx512f,avx512vnni")]
);
