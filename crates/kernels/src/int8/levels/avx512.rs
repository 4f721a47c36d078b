//! The loops of `levels` in AVX-512, which has instructions that round and limit at once.

use std::arch::x86_64::*;

const LANES: usize = 16;

/// Bits for the first `count` lanes.
#[inline]
fn mask(count: usize) -> __mmask16 {
    if count >= LANES { !0 } else { (1 << count) - 1 }
}

/// The least and the greatest of the elements and 0, and 0 or, if one is not finite, NaN.
#[target_feature(enable = "avx512f")]
pub(super) fn range(x: &[f32]) -> [f32; 3] {
    const VECTORS: usize = 2;
    let zero = _mm512_setzero_ps();
    let (mut low, mut high, mut finite) = ([zero; VECTORS], [zero; VECTORS], [zero; VECTORS]);
    let (whole, rest) = x.as_chunks::<{ VECTORS * LANES }>();
    let mut join = |v: usize, x: __m512| {
        // Of a NaN and a number, these take the second.
        low[v] = _mm512_min_ps(x, low[v]);
        high[v] = _mm512_max_ps(x, high[v]);
        // 0 · x is NaN for NaN and infinities.
        finite[v] = _mm512_fmadd_ps(x, zero, finite[v]);
    };
    for x in whole {
        for v in 0..VECTORS {
            // SAFETY: the array is as long as all vectors.
            join(v, unsafe { _mm512_loadu_ps(x.as_ptr().add(v * LANES)) });
        }
    }
    for x in rest.chunks(LANES) {
        // SAFETY: the mask has as many bits as there are elements; the other lanes are 0.
        join(0, unsafe { _mm512_maskz_loadu_ps(mask(x.len()), x.as_ptr()) });
    }
    [
        _mm512_reduce_min_ps(_mm512_min_ps(low[0], low[1])),
        _mm512_reduce_max_ps(_mm512_max_ps(high[0], high[1])),
        _mm512_reduce_add_ps(_mm512_add_ps(finite[0], finite[1])),
    ]
}

/// `out[i]` = `x[i] · inverse`, rounded to the nearest whole number, ties to even, plus `zero`,
/// limited to a byte. Returns the sum of all.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn bytes(x: &[f32], out: &mut [i8], inverse: f32, zero: i32) -> i32 {
    assert_eq!(x.len(), out.len());
    let (len, offset) = (out.len() as i64, _mm512_set1_epi8(-128));
    let mut sums = _mm512_setzero_si512();
    let (inverse, zero) = (_mm512_set1_ps(inverse), _mm512_set1_epi16(zero as i16));
    // Packing works within quarters of vectors: this puts the results of four vectors in order.
    let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (x, out) in x.chunks(4 * LANES).zip(out.chunks_mut(4 * LANES)) {
        let mut levels = [_mm512_setzero_si512(); 4];
        for (v, levels) in levels.iter_mut().enumerate() {
            let left = x.len().saturating_sub(v * LANES);
            // SAFETY: the mask has as many bits as there are elements from there on.
            let x =
                unsafe { _mm512_maskz_loadu_ps(mask(left), x.as_ptr().wrapping_add(v * LANES)) };
            *levels = _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse));
        }
        // Numbers below -2¹⁵ or above become that, which the next two steps limit anyway.
        let low = _mm512_adds_epi16(_mm512_packs_epi32(levels[0], levels[1]), zero);
        let high = _mm512_adds_epi16(_mm512_packs_epi32(levels[2], levels[3]), zero);
        let packed = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high));
        let mask = if out.len() == 64 { !0 } else { (1 << out.len()) - 1 };
        // SAFETY: the mask has as many bits as `out` elements.
        unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr(), mask, packed) };
        // The instruction that adds bytes takes them unsigned.
        let unsigned = _mm512_maskz_mov_epi8(mask, _mm512_xor_si512(packed, offset));
        sums = _mm512_add_epi64(sums, _mm512_sad_epu8(unsigned, _mm512_setzero_si512()));
    }
    (_mm512_reduce_add_epi64(sums) - 128 * len) as i32
}
