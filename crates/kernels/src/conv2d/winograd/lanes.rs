//! Vectors for the transforms, and the choice between them.
//!
//! The transforms are generic over [`Lanes`]; everything below [`run`] is inlined into a function
//! that has the instruction set's features, and only there becomes vector code.

use crate::bf16;
use crate::cpu::Isa;

/// A vector of f32.
pub(super) trait Lanes: Copy {
    /// Numbers in a vector.
    const COUNT: usize;

    /// `x` in every lane.
    fn splat(x: f32) -> Self;

    /// The sum.
    fn add(self, other: Self) -> Self;

    /// The difference.
    fn sub(self, other: Self) -> Self;

    /// `self · scale`.
    fn scaled(self, scale: f32) -> Self;

    /// `self · scale + other`, rounded once where the instruction set can.
    fn scaled_add(self, scale: f32, other: Self) -> Self;

    /// The first `count` numbers from an address on (all lanes if that is fewer), then zeros.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load(from: *const f32, count: usize) -> Self;

    /// Writes the first `count` lanes, or all.
    ///
    /// # Safety
    /// So many numbers are writable.
    unsafe fn store(self, to: *mut f32, count: usize);

    /// Writes the first `count` lanes, or all, as pairs of bf16; an odd last one is paired with
    /// the lane after it.
    ///
    /// # Safety
    /// Half as many words, rounded up, are writable.
    unsafe fn store_pairs(self, to: *mut u32, count: usize);

    /// The lower and the upper halves of a vector of pairs of bf16.
    ///
    /// # Safety
    /// It is readable.
    unsafe fn load_pairs(from: *const u32) -> [Self; 2];

    /// Writes the first `count` lanes, or all, as pairs of bf16, one number of each vector.
    ///
    /// # Safety
    /// So many words are writable.
    unsafe fn zip_pairs(low: Self, high: Self, to: *mut u32, count: usize);
}

/// What any machine has.
#[derive(Clone, Copy)]
pub(super) struct Plain([f32; 8]);

impl Plain {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Lanes for Plain {
    const COUNT: usize = 8;

    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; 8])
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn scaled(self, scale: f32) -> Self {
        Self(self.0.map(|a| a * scale))
    }

    #[inline(always)]
    fn scaled_add(self, scale: f32, other: Self) -> Self {
        self.zip(other, |a, b| a * scale + b)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32, count: usize) -> Self {
        let mut lanes = [0.0; 8];
        for (i, lane) in lanes.iter_mut().enumerate().take(count) {
            // SAFETY: `i < count`.
            *lane = unsafe { *from.add(i) };
        }
        Self(lanes)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, count: usize) {
        for (i, &lane) in self.0.iter().enumerate().take(count) {
            // SAFETY: `i < count`.
            unsafe { *to.add(i) = lane };
        }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, to: *mut u32, count: usize) {
        for (i, two) in self.0.chunks_exact(2).enumerate().take(count.div_ceil(2)) {
            // SAFETY: `i` is less than half of `count`, rounded up.
            unsafe { *to.add(i) = bf16::round(two[0]) | bf16::round(two[1]) << 16 };
        }
    }

    #[inline(always)]
    unsafe fn load_pairs(from: *const u32) -> [Self; 2] {
        // SAFETY: given.
        let pairs: [u32; 8] = std::array::from_fn(|i| unsafe { *from.add(i) });
        [pairs.map(|pair| f32::from_bits(pair << 16)), pairs.map(|p| f32::from_bits(p & !0xffff))]
            .map(Self)
    }

    #[inline(always)]
    unsafe fn zip_pairs(low: Self, high: Self, to: *mut u32, count: usize) {
        for (i, (low, high)) in low.0.into_iter().zip(high.0).enumerate().take(count) {
            // SAFETY: `i < count`.
            unsafe { *to.add(i) = bf16::round(low) | bf16::round(high) << 16 };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::Lanes;
    use std::arch::x86_64::*;
    use std::mem::transmute;

    fn mask(count: usize) -> __mmask16 {
        (1 << count) - 1
    }

    // SAFETY of all the blocks below: `super::run` alone picks this type, and it asserts that the
    // machine has AVX-512, with bf16 where pairs are stored; addresses are the caller's promise.
    impl Lanes for __m512 {
        const COUNT: usize = 16;

        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_set1_ps(x) }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_add_ps(self, other) }
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_sub_ps(self, other) }
        }

        #[inline(always)]
        fn scaled(self, scale: f32) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_mul_ps(self, _mm512_set1_ps(scale)) }
        }

        #[inline(always)]
        fn scaled_add(self, scale: f32, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { _mm512_fmadd_ps(self, _mm512_set1_ps(scale), other) }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32, count: usize) -> Self {
            // SAFETY: see above.
            unsafe {
                if count >= 16 {
                    _mm512_loadu_ps(from)
                } else {
                    _mm512_maskz_loadu_ps(mask(count), from)
                }
            }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32, count: usize) {
            // SAFETY: see above.
            unsafe {
                if count >= 16 {
                    _mm512_storeu_ps(to, self);
                } else {
                    _mm512_mask_storeu_ps(to, mask(count), self);
                }
            }
        }

        #[inline(always)]
        unsafe fn store_pairs(self, to: *mut u32, count: usize) {
            // SAFETY: see above; every bit pattern is an integer.
            unsafe {
                let pairs: __m256i = transmute(_mm512_cvtneps_pbh(self));
                if count >= 16 {
                    _mm256_storeu_si256(to.cast(), pairs);
                } else {
                    let pairs = _mm512_castsi256_si512(pairs);
                    _mm512_mask_storeu_epi32(to.cast(), mask(count.div_ceil(2)), pairs);
                }
            }
        }

        #[inline(always)]
        unsafe fn load_pairs(from: *const u32) -> [Self; 2] {
            // SAFETY: see above; a bf16 is the upper half of an f32.
            unsafe {
                let pairs = _mm512_loadu_si512(from.cast());
                let high = _mm512_and_si512(pairs, _mm512_set1_epi32(!0xffff));
                let low = _mm512_slli_epi32::<16>(pairs);
                [_mm512_castsi512_ps(low), _mm512_castsi512_ps(high)]
            }
        }

        #[inline(always)]
        unsafe fn zip_pairs(low: Self, high: Self, to: *mut u32, count: usize) {
            const ORDER: [u16; 32] = {
                let mut order = [0; 32];
                let mut i = 0;
                while i < 32 {
                    order[i] = (i / 2 + i % 2 * 16) as u16;
                    i += 1;
                }
                order
            };
            // SAFETY: see above; every bit pattern is an integer.
            unsafe {
                let halves: __m512i = transmute(_mm512_cvtne2ps_pbh(high, low));
                let pairs =
                    _mm512_permutexvar_epi16(_mm512_loadu_si512(ORDER.as_ptr().cast()), halves);
                if count >= 16 {
                    _mm512_storeu_si512(to.cast(), pairs);
                } else {
                    _mm512_mask_storeu_epi32(to.cast(), mask(count), pairs);
                }
            }
        }
    }
}

/// Work for vectors of any kind.
pub(super) trait Job {
    /// Does it. To be marked `#[inline(always)]`, with all that it calls.
    fn run<V: Lanes>(&self);
}

/// Does `job` with the vectors of `isa`.
///
/// # Panics
/// If this machine lacks `isa`.
pub(super) fn run(isa: Isa, job: &impl Job) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::__m512;

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")]
        fn avx512_bf16(job: &impl Job) {
            job.run::<__m512>();
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
        fn avx512(job: &impl Job) {
            job.run::<__m512>();
        }

        #[target_feature(enable = "avx2,fma")]
        fn avx2(job: &impl Job) {
            job.run::<Plain>();
        }

        assert!(isa <= crate::cpu::isa(), "this machine lacks {isa:?}");
        match isa {
            // SAFETY: the assertion above: `cpu::isa` found these features.
            Isa::Avx512Bf16 => return unsafe { avx512_bf16(job) },
            // SAFETY: as above.
            Isa::Avx512 => return unsafe { avx512(job) },
            // SAFETY: as above.
            Isa::Avx2 => return unsafe { avx2(job) },
            Isa::Portable => {}
        }
    }
    let _ = isa;
    job.run::<Plain>();
}
