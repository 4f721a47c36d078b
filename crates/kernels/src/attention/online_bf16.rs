//! [`online`](super::online) with AVX-512 where the powers become bf16: a shorter polynomial, and
//! pairs of keys are formed on the way.

use super::online::{QUERIES, Running, SLACK};
use std::arch::x86_64::*;
use std::mem::transmute;

/// `2ˣ` with a relative error below 9e-5, a twentieth of that of bf16; 0 below -150, NaN for NaN.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn exp2(x: __m512) -> __m512 {
    // x - floor(x).
    let f = _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x);
    // Minimax of relative error on [0, 1), 1 at 0.
    let p = _mm512_fmadd_ps(_mm512_set1_ps(0.077_067_04), f, _mm512_set1_ps(0.227_645));
    let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.695_116_76));
    let p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0));
    _mm512_scalef_ps(p, x)
}

/// As [`online::advance`](super::online::advance), but the powers are left as pairs of bf16: of
/// keys `2 i` and `2 i + 1` in row `i`, of the last key and 0 if the number of keys is odd.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
pub fn advance(scores: &mut [f32], stride: usize, running: &mut Running) -> bool {
    assert!(stride >= QUERIES && !scores.is_empty());
    assert!((scores.len() - 1) % stride + 1 >= QUERIES, "16 queries in the last row");
    let keys = scores.len().div_ceil(stride);
    let at = scores.as_mut_ptr();
    let order: [u16; 32] = std::array::from_fn(|i| (i / 2 + i % 2 * 16) as u16);
    // SAFETY: there are `keys` rows of at least 16 elements, by the assertion, and pairs take the
    // place of rows that have been read; arrays of 16 are 64 bytes.
    unsafe {
        let order: __m512i = transmute(order);
        let load = |key: usize| _mm512_loadu_ps(at.add(key * stride));
        let mut top = [_mm512_set1_ps(f32::MIN); 4];
        for key in (0..keys).step_by(4) {
            for i in 0..4 {
                // The second operand is kept if the first is NaN.
                top[i] = _mm512_max_ps(load((key + i).min(keys - 1)), top[i]);
            }
        }
        let top = _mm512_max_ps(_mm512_max_ps(top[0], top[1]), _mm512_max_ps(top[2], top[3]));
        let old = _mm512_loadu_ps(running.max.as_ptr());
        let rises =
            _mm512_cmp_ps_mask::<_CMP_GT_OQ>(top, _mm512_add_ps(old, _mm512_set1_ps(SLACK)));
        let max = _mm512_mask_mov_ps(old, rises, top);
        let factor = exp2(_mm512_sub_ps(old, max));
        let mut sum = [_mm512_setzero_ps(); 2];
        for pair in 0..keys / 2 {
            let low = exp2(_mm512_sub_ps(load(2 * pair), max));
            let high = exp2(_mm512_sub_ps(load(2 * pair + 1), max));
            sum = [_mm512_add_ps(sum[0], low), _mm512_add_ps(sum[1], high)];
            let halves: __m512i = transmute(_mm512_cvtne2ps_pbh(high, low));
            let pairs = _mm512_permutexvar_epi16(order, halves);
            _mm512_storeu_si512(at.add(pair * stride).cast(), pairs);
        }
        if keys % 2 == 1 {
            let low = exp2(_mm512_sub_ps(load(keys - 1), max));
            sum[0] = _mm512_add_ps(sum[0], low);
            let halves: __m512i = transmute(_mm512_cvtne2ps_pbh(_mm512_setzero_ps(), low));
            let pairs = _mm512_permutexvar_epi16(order, halves);
            _mm512_storeu_si512(at.add(keys / 2 * stride).cast(), pairs);
        }
        let sum = _mm512_add_ps(sum[0], sum[1]);
        let before = _mm512_loadu_ps(running.sum.as_ptr());
        _mm512_storeu_ps(running.sum.as_mut_ptr(), _mm512_fmadd_ps(before, factor, sum));
        _mm512_storeu_ps(running.max.as_mut_ptr(), max);
        _mm512_storeu_ps(running.factor.as_mut_ptr(), factor);
        rises != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Isa, isa};

    #[test]
    fn powers_of_two_are_close_enough_for_bf16() {
        if isa() < Isa::Avx512 {
            return;
        }
        // SAFETY: this machine has AVX-512; the array has 16 elements.
        let power = |x| unsafe {
            let mut y = [0.0; 16];
            _mm512_storeu_ps(y.as_mut_ptr(), exp2(_mm512_set1_ps(x)));
            y[0]
        };
        for i in 0..100_000 {
            let x = 8.0 - i as f32 * 1e-3;
            let (got, want) = (f64::from(power(x)), f64::from(x).exp2());
            assert!((got - want).abs() <= 9e-5 * want, "2^{x} = {got}, not {want}");
        }
        assert_eq!([0.0, -1.0, 3.0].map(power), [1.0, 0.5, 8.0]);
        assert_eq!([-200.0, -1e38, f32::NEG_INFINITY].map(power), [0.0; 3]);
        assert!(power(f32::NAN).is_nan());
    }
}
