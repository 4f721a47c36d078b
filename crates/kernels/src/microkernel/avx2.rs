//! AVX2 with FMA: tiles of up to 6 × 16 f32, 12 of the 16 registers.

use std::arch::x86_64::*;

type V = __m256;
/// How many lanes count. Not a vector: the loops have none to spare, and few tiles need one.
type Mask = usize;

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

fn mask(count: usize) -> Mask {
    count.min(LANES)
}

/// Ones in the first `count` lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn ones(count: usize) -> __m256i {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
}

/// # Safety
/// `mask` elements are readable.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn load(mask: Mask, from: *const f32) -> V {
    // SAFETY: all lanes are readable, or those that are not are not read.
    unsafe {
        if mask == LANES { _mm256_loadu_ps(from) } else { _mm256_maskload_ps(from, ones(mask)) }
    }
}

/// # Safety
/// `mask` elements are writable.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn store(mask: Mask, to: *mut f32, x: V) {
    // SAFETY: all lanes are writable, or those that are not are not written.
    unsafe {
        if mask == LANES {
            _mm256_storeu_ps(to, x);
        } else {
            _mm256_maskstore_ps(to, ones(mask), x);
        }
    }
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
