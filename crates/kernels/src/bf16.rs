//! Rounding to bf16, the upper half of an f32, and pairs of bf16 in a 32-bit word.
//!
//! The half with the lower address, the first of a pair, is the lower half of the word.

use crate::cpu::{self, Isa};
use crate::math::per_isa;

/// `x` rounded to the nearest bf16, ties to even, as 16 bits.
#[inline(always)]
pub(crate) fn round(x: f32) -> u32 {
    let bits = x.to_bits();
    // A NaN must not be rounded up to infinity: keep its upper bits and make it quiet.
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    if x.is_nan() { bits >> 16 | 0x40 } else { rounded }
}

/// `x[i]` rounded to bf16, still as f32.
pub(crate) fn round_in_place(x: &mut [f32]) {
    round_slice(cpu::isa(), x);
}

per_isa! {
    fn round_slice(x: &mut [f32]) {
        for x in x {
            *x = f32::from_bits(round(*x) << 16);
        }
    }
}

/// `out[i]` = the pair `(x[2 i], x[2 i + 1])`; an odd last element is paired with 0.
pub(crate) fn pack(isa: Isa, x: &[f32], out: &mut [u32]) {
    assert_eq!(out.len(), x.len().div_ceil(2), "pairs from {} elements", x.len());
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512Bf16 {
        // SAFETY: the machine has it: every `isa` is from `cpu::isa` or `cpu::available`.
        return unsafe { avx512::pack(x, out) };
    }
    let _ = isa;
    for (out, x) in out.iter_mut().zip(x.chunks(2)) {
        *out = round(x[0]) | x.get(1).map_or(0, |&x| round(x) << 16);
    }
}

/// `out[i]` = the pair `(low[i], high[i])`; without `high`, pairs with 0.
pub(crate) fn interleave(isa: Isa, low: &[f32], high: Option<&[f32]>, out: &mut [u32]) {
    assert_eq!(low.len(), out.len(), "pairs");
    assert!(high.is_none_or(|high| high.len() == out.len()), "pairs");
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512Bf16 {
        // SAFETY: the machine has it: every `isa` is from `cpu::isa` or `cpu::available`.
        unsafe { avx512::interleave(low, high, out) };
        return;
    }
    let _ = isa;
    for (i, out) in out.iter_mut().enumerate() {
        *out = round(low[i]) | high.map_or(0, |high| round(high[i]) << 16);
    }
}

/// As [`interleave`] of rows that are pairs already: `out[2 i]` and `out[2 i + 1]` pair the lower
/// and the upper halves of `low[i]` and `high[i]`; an odd last element of `out` has no upper ones.
pub(crate) fn interleave_pairs(low: &[u32], high: Option<&[u32]>, out: &mut [u32]) {
    assert_eq!(low.len(), out.len().div_ceil(2), "pairs");
    assert!(high.is_none_or(|high| high.len() == low.len()), "pairs");
    let pair = |out: &mut [u32], low: u32, high: u32| {
        out[0] = low & 0xffff | high << 16;
        if let Some(second) = out.get_mut(1) {
            *second = low >> 16 | high & 0xffff_0000;
        }
    };
    let (whole, rest) = out.as_chunks_mut::<2>();
    let last = low.len() - 1;
    match high {
        Some(high) => {
            for ((out, &low), &high) in whole.iter_mut().zip(low).zip(high) {
                pair(out, low, high);
            }
            if !rest.is_empty() {
                pair(rest, low[last], high[last]);
            }
        }
        None => {
            for (out, &low) in whole.iter_mut().zip(low) {
                pair(out, low, 0);
            }
            if !rest.is_empty() {
                pair(rest, low[last], 0);
            }
        }
    }
}

/// Pairs of pixels of `c` elements from a row of pixels: for `j` up to the length of `out`, pixels
/// `first + 2 j · step` and `first + (2 j + 1) · step`; zeros for pixels outside the row.
pub(crate) fn pair_pixels(
    isa: Isa,
    x: &[f32],
    c: usize,
    first: isize,
    step: usize,
    out: &mut [u32],
) {
    let width = x.len() / c;
    let pixel = |i: usize| {
        let at = first + (i * step) as isize;
        (at >= 0 && (at as usize) < width).then(|| &x[at as usize * c..][..c])
    };
    #[cfg(target_arch = "x86_64")]
    if isa == Isa::Avx512Bf16 {
        // SAFETY: the machine has it: every `isa` is from `cpu::isa` or `cpu::available`.
        unsafe { avx512::pairs(pixel, c, out) };
        return;
    }
    let _ = isa;
    for (j, out) in out.chunks_exact_mut(c).enumerate() {
        let (low, high) = (pixel(2 * j), pixel(2 * j + 1));
        for (i, out) in out.iter_mut().enumerate() {
            *out = low.map_or(0, |x| round(x[i])) | high.map_or(0, |x| round(x[i]) << 16);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;
    use std::mem::transmute;

    /// 16 pairs for every 32 elements, and zeros for what the last pairs lack.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub fn pack(x: &[f32], out: &mut [u32]) {
        assert_eq!(out.len(), x.len().div_ceil(2));
        for i in (0..x.len()).step_by(32) {
            let left = x.len() - i;
            let mask = |count: usize| if count >= 16 { !0 } else { (1 << count) - 1 };
            // SAFETY: `left` elements are readable from `i` on and the words of their pairs
            // writable; the masks leave out what is beyond. Every bit pattern is an integer.
            unsafe {
                let at = x.as_ptr().add(i);
                let low = _mm512_maskz_loadu_ps(mask(left), at);
                let high =
                    _mm512_maskz_loadu_ps(mask(left.saturating_sub(16)), at.wrapping_add(16));
                let halves: __m512i = transmute(_mm512_cvtne2ps_pbh(high, low));
                let out = out.as_mut_ptr().add(i / 2);
                _mm512_mask_storeu_epi32(out.cast(), mask(left.div_ceil(2)), halves);
            }
        }
    }

    /// Pairs from two rows, `None` meaning zeros.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn pair(low: Option<&[f32]>, high: Option<&[f32]>, out: &mut [u32]) {
        let order: [u16; 32] = std::array::from_fn(|i| (i / 2 + i % 2 * 16) as u16);
        // SAFETY: both are 64 bytes.
        let order: __m512i = unsafe { transmute(order) };
        assert!(low.is_none_or(|x| x.len() == out.len()));
        assert!(high.is_none_or(|x| x.len() == out.len()));
        for i in (0..out.len()).step_by(16) {
            let left = out.len() - i;
            let mask = if left >= 16 { !0 } else { (1 << left) - 1 };
            // SAFETY: elements from `i` on, as many as there are, are read and written; every bit
            // pattern is an integer.
            unsafe {
                let load = |x: Option<&[f32]>| match x {
                    Some(x) => _mm512_maskz_loadu_ps(mask, x.as_ptr().add(i)),
                    None => _mm512_setzero_ps(),
                };
                let halves: __m512i = transmute(_mm512_cvtne2ps_pbh(load(high), load(low)));
                let pairs = _mm512_permutexvar_epi16(order, halves);
                _mm512_mask_storeu_epi32(out.as_mut_ptr().add(i).cast(), mask, pairs);
            }
        }
    }

    /// Pairs from two rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub fn interleave(low: &[f32], high: Option<&[f32]>, out: &mut [u32]) {
        pair(Some(low), high, out);
    }

    /// Pairs of pixels of `c` elements.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub fn pairs<'a>(pixel: impl Fn(usize) -> Option<&'a [f32]>, c: usize, out: &mut [u32]) {
        for (j, out) in out.chunks_exact_mut(c).enumerate() {
            pair(pixel(2 * j), pixel(2 * j + 1), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random as values;

    #[test]
    fn rounds_to_nearest_even_and_keeps_nan() {
        assert_eq!(round(1.0), 0x3f80);
        assert_eq!(round(f32::from_bits(0x3f80_8000)), 0x3f80);
        assert_eq!(round(f32::from_bits(0x3f81_8000)), 0x3f82);
        assert_eq!(round(f32::from_bits(0x3f80_8001)), 0x3f81);
        assert_eq!(round(f32::INFINITY), 0x7f80);
        assert!(f32::from_bits(round(f32::from_bits(0x7f80_0001)) << 16).is_nan());
    }

    #[test]
    fn variants_agree() {
        for isa in cpu::available() {
            for len in [1, 16, 31, 32, 67] {
                let (low, mut high) = (values(1, len), values(2, len));
                high[len / 2] = f32::NAN;
                let mut out = vec![0; len];
                interleave(isa, &low, Some(&high), &mut out);
                for i in 0..len {
                    assert_eq!(out[i], round(low[i]) | round(high[i]) << 16, "{isa:?} {len} {i}");
                }
                let mut out = vec![0; len.div_ceil(2)];
                pack(isa, &low, &mut out);
                for i in 0..out.len() {
                    let high = low.get(2 * i + 1).map_or(0, |&x| round(x) << 16);
                    assert_eq!(out[i], round(low[2 * i]) | high, "{isa:?} {len} {i}");
                }
                let (mut high_pairs, mut expected) = (out.clone(), vec![0; len]);
                pack(isa, &high, &mut high_pairs);
                for second in [Some(&high[..]), None] {
                    let mut words = vec![7; len];
                    interleave_pairs(&out, second.map(|_| &high_pairs[..]), &mut words);
                    interleave(isa, &low, second, &mut expected);
                    assert_eq!(words, expected, "{isa:?} {len}");
                }
            }
        }
    }
}
