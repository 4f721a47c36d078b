//! AVX-VNNI, `vpdpbusd` on 256 bits: tiles of up to 6 × 16 sums, 12 of the 16 registers. For chips
//! that have it without AVX-512; everything but the product is as in AVX2.

use super::avx2::{LANES, V, columns, fetch, finish, sum, zero};
use std::arch::x86_64::*;

/// The operands, their product, and the kernels, with the features that the product needs. A macro,
/// because the tests have the same with the instruction's other encoding.
macro_rules! vnni_kernels {
    ($features:literal, $product:ident) => {
        /// A word of a row in every lane.
        ///
        /// # Safety
        /// Word `at` from `row` on is readable.
        #[inline]
        #[target_feature(enable = "avx2")]
        unsafe fn left(row: *const u32, at: usize) -> V {
            // SAFETY: given.
            _mm256_set1_epi32(unsafe { row.add(at).read() } as i32)
        }

        /// # Safety
        /// 8 words are readable.
        #[inline]
        #[target_feature(enable = "avx2")]
        unsafe fn right(from: *const u32) -> V {
            // SAFETY: given.
            unsafe { _mm256_loadu_si256(from.cast()) }
        }

        /// `sum` and the products of the bytes of `b`, unsigned, with those of `a`, signed.
        #[inline]
        #[target_feature(enable = $features)]
        fn dot(a: V, b: V, sum: V) -> V {
            $product(sum, b, a)
        }

        int8_kernels!([1, 2, 3, 4, 5, 6], #[target_feature(enable = $features)]);
    };
}

vnni_kernels!("avx2,avxvnni", _mm256_dpbusd_avx_epi32);
