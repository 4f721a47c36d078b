//! AVX-512: tiles of up to 14 × 32 f32, 28 of the 32 registers.

use std::arch::asm;
use std::arch::x86_64::*;

pub(super) type V = __m512;
pub(super) type Mask = __mmask16;

pub(super) const LANES: usize = 16;

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn zero() -> V {
    _mm512_setzero_ps()
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn splat(x: f32) -> V {
    _mm512_set1_ps(x)
}

/// Bits for the first `count` lanes, or all.
#[inline]
pub(super) fn mask(count: usize) -> Mask {
    if count >= LANES { !0 } else { (1 << count) - 1 }
}

/// # Safety
/// The lanes of `mask` are readable.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn load(mask: Mask, from: *const f32) -> V {
    // SAFETY: lanes outside the mask are not read.
    unsafe { _mm512_maskz_loadu_ps(mask, from) }
}

/// # Safety
/// The lanes of `mask` are writable.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn store(mask: Mask, to: *mut f32, x: V) {
    // SAFETY: lanes outside the mask are not written.
    unsafe { _mm512_mask_storeu_ps(to, mask, x) }
}

/// `sum` and the product of `b` with word `at` from `a` on.
///
/// # Safety
/// The word is readable.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn fma(a: *const u32, at: usize, b: V, sum: V) -> V {
    // Written out because compilers load the words into registers of their own first. Beside 28
    // sums and two vectors of `b` there are two left, and whether sums are moved to memory to make
    // room, which takes almost three times as long, is a matter of luck.
    let mut sum = sum;
    // SAFETY: given; nothing but `sum` is written.
    unsafe {
        asm!(
            "vfmadd231ps {sum}, {b}, dword ptr [{a} + 4*{at}]{{1to16}}",
            sum = inout(zmm_reg) sum,
            b = in(zmm_reg) b,
            a = in(reg) a,
            at = in(reg) at,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    sum
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn mul(a: V, b: V) -> V {
    _mm512_mul_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add(a: V, b: V) -> V {
    _mm512_add_ps(a, b)
}

microkernels!(#[target_feature(enable = "avx512f")]);
kernel_table!(false, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
