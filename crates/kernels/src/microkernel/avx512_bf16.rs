//! AVX-512 with `vdpbf16ps`: a word is a pair of bf16, a product adds both halves in f32.

use std::arch::asm;

use super::avx512::{LANES, V, add, load, mask, mul, splat, store, zero};

/// `sum` and the product of `b` with word `at` from `a` on.
///
/// # Safety
/// The word is readable.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(crate) unsafe fn fma(a: *const u32, at: usize, b: V, sum: V) -> V {
    // Written out because compilers load the word into a register of its own first, which takes
    // a third of a cycle more for each product.
    let mut sum = sum;
    // SAFETY: given; nothing but `sum` is written.
    unsafe {
        asm!(
            "vdpbf16ps {sum}, {b}, dword ptr [{a} + 4*{at}]{{1to16}}",
            sum = inout(zmm_reg) sum,
            b = in(zmm_reg) b,
            a = in(reg) a,
            at = in(reg) at,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    sum
}

microkernels!(#[target_feature(enable = "avx512f,avx512bf16")]);
kernel_table!(true, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
