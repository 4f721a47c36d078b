//! Reading and writing of tiles, and a GELU that is exact enough for bf16, 16 numbers at a time.

use super::COLS;
use std::arch::x86_64::*;
use std::mem::transmute;

/// Bits for the first `count` lanes, or all.
fn mask(count: usize) -> __mmask16 {
    if count >= 16 { !0 } else { (1 << count) - 1 }
}

/// At most 32 sums, with the residual added; zeros behind the last.
#[inline]
#[target_feature(enable = "avx512f")]
fn summed(sums: &[f32], residual: Option<&[f32]>) -> [__m512; 2] {
    let cols = sums.len();
    assert!(cols <= COLS && residual.is_none_or(|x| x.len() == cols));
    // SAFETY: the masks have `cols` bits together.
    let load = |x: &[f32]| unsafe {
        let low = _mm512_maskz_loadu_ps(mask(cols), x.as_ptr());
        let high = x.as_ptr().wrapping_add(16);
        [low, _mm512_maskz_loadu_ps(mask(cols.saturating_sub(16)), high)]
    };
    let [low, high] = load(sums);
    match residual.map(load) {
        Some([a, b]) => [_mm512_add_ps(a, low), _mm512_add_ps(b, high)],
        None => [low, high],
    }
}

/// Sums, what is added to them, and where they go.
type Row<'a> = (&'a [f32], Option<&'a [f32]>, *mut f32);

/// # Safety
/// For each row as many elements as there are sums are writable.
#[target_feature(enable = "avx512f")]
pub unsafe fn write<'a>(rows: impl Iterator<Item = Row<'a>>) {
    for (sums, residual, out) in rows {
        let [low, high] = summed(sums, residual);
        // SAFETY: given; the masks have as many bits as there are sums. Plain stores are
        // faster.
        unsafe {
            if sums.len() == COLS {
                _mm512_storeu_ps(out, low);
                _mm512_storeu_ps(out.wrapping_add(16), high);
                continue;
            }
            _mm512_mask_storeu_ps(out, mask(sums.len()), low);
            let high_mask = mask(sums.len().saturating_sub(16));
            _mm512_mask_storeu_ps(out.wrapping_add(16), high_mask, high);
        }
    }
}

/// As [`write`], in pairs of bf16.
///
/// # Safety
/// For each row half as many elements as there are sums, rounded up, are writable.
#[target_feature(enable = "avx512f,avx512bf16")]
pub unsafe fn write_rounded<'a>(rows: impl Iterator<Item = Row<'a>>) {
    for (sums, residual, out) in rows {
        let [low, high] = summed(sums, residual);
        // SAFETY: given; the mask has half as many bits as there are sums, and every bit
        // pattern is an integer.
        unsafe {
            let pairs: __m512i = transmute(_mm512_cvtne2ps_pbh(high, low));
            if sums.len() == COLS {
                _mm512_storeu_si512(out.cast(), pairs);
            } else {
                _mm512_mask_storeu_epi32(out.cast(), mask(sums.len().div_ceil(2)), pairs);
            }
        }
    }
}

/// Asks for the cache line of `at`, which may be anywhere.
pub fn prefetch(at: *const f32) {
    // SAFETY: a prefetch reads nothing, and every x86-64 has it.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
}

/// The same, to be written.
pub fn prefetch_to_write(at: *const f32) {
    // SAFETY: as above.
    unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast()) };
}

/// Φ with an absolute error below 1e-4; 0 and 1 from 4 on.
#[inline]
#[target_feature(enable = "avx512f")]
fn normal_cdf(x: __m512) -> __m512 {
    // Least largest error of x · Φ, an odd polynomial and ½.
    const P: [f32; 8] = [
        -1.301_295_1e-9,
        1.041_961e-7,
        -3.657_134_1e-6,
        7.485_507e-5,
        -1.006_490_6e-3,
        9.505_399e-3,
        -0.065_887_846,
        0.398_673_4,
    ];
    let z = _mm512_mul_ps(x, x);
    let mut p = _mm512_set1_ps(P[0]);
    for c in &P[1..] {
        p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(*c));
    }
    let y = _mm512_fmadd_ps(p, x, _mm512_set1_ps(0.5));
    // NaN is neither above nor below.
    let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_set1_ps(4.0));
    let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_set1_ps(-4.0));
    let y = _mm512_mask_mov_ps(y, above, _mm512_set1_ps(1.0));
    _mm512_mask_mov_ps(y, below, _mm512_setzero_ps())
}

/// `value · gelu(gate)` in place of the values, the first 16 of each row of `nr`.
#[target_feature(enable = "avx512f")]
pub fn geglu(sums: &mut [f32], nr: usize) {
    assert_eq!(nr, COLS);
    for row in sums.chunks_exact_mut(COLS) {
        // SAFETY: 32 elements are read, 16 of them written.
        unsafe {
            let (value, gate) =
                (_mm512_loadu_ps(row.as_ptr()), _mm512_loadu_ps(row[16..].as_ptr()));
            let gelu = _mm512_mul_ps(gate, normal_cdf(gate));
            _mm512_storeu_ps(row.as_mut_ptr(), _mm512_mul_ps(value, gelu));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Isa, isa};
    use crate::math;

    #[test]
    fn gelu_is_exact_enough_for_bf16() {
        if isa() < Isa::Avx512 {
            return;
        }
        let gelu = |x| {
            let mut row = [1.0; COLS];
            row[16..].fill(x);
            // SAFETY: this machine has AVX-512.
            unsafe { geglu(&mut row, COLS) };
            row[0]
        };
        for i in -60_000..60_000 {
            let x = i as f32 * 1e-4;
            let (got, want) = (gelu(x), math::gelu(x));
            assert!((got - want).abs() <= 2e-4 + 1e-6 * want.abs(), "gelu({x}) = {got}, {want}");
        }
        assert_eq!([100.0, 1e30, -100.0].map(gelu), [100.0, 1e30, -0.0]);
        assert!(gelu(f32::NAN).is_nan());
    }
}
