//! AVX2 with FMA: tiles of up to 6 × 16 f32, 12 of the 16 registers.

use std::arch::x86_64::*;

type V = __m256;
type Mask = __m256i;

const LANES: usize = 8;

#[inline]
#[target_feature(enable = "avx2,fma")]
fn zero() -> V {
    _mm256_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn splat(x: f32) -> V {
    _mm256_set1_ps(x)
}

/// Ones in the first `count` lanes, or all.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn mask(count: usize) -> Mask {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count.min(LANES) as i32), lanes)
}

/// # Safety
/// The lanes of `mask` are readable.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load(mask: Mask, from: *const f32) -> V {
    // SAFETY: lanes outside the mask are not read.
    unsafe { _mm256_maskload_ps(from, mask) }
}

/// # Safety
/// The lanes of `mask` are writable.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn store(mask: Mask, to: *mut f32, x: V) {
    // SAFETY: lanes outside the mask are not written.
    unsafe { _mm256_maskstore_ps(to, mask, x) }
}

/// `sum` and the product of `b` with word `at` from `a` on.
///
/// # Safety
/// The word is readable.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn fma(a: *const u32, at: usize, b: V, sum: V) -> V {
    // SAFETY: given.
    let a = _mm256_set1_ps(unsafe { *a.add(at).cast() });
    _mm256_fmadd_ps(a, b, sum)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn mul(a: V, b: V) -> V {
    _mm256_mul_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add(a: V, b: V) -> V {
    _mm256_add_ps(a, b)
}

microkernels!(#[target_feature(enable = "avx2,fma")]);
kernel_table!(false, [1, 2, 3, 4, 5, 6]);
