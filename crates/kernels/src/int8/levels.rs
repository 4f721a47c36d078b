//! Numbers to bytes: the range of some numbers, the scale and zero point it gives, the bytes.

use crate::cpu::Isa;
use crate::math::per_isa;

#[cfg(target_arch = "x86_64")]
mod avx512;

/// The smallest step, so that its reciprocal is finite: whatever is below half of it becomes 0.
const SMALLEST: f32 = f32::from_bits(7 << 23);

/// How bytes stand for numbers: `x = scale · (byte - zero)`.
///
/// Asymmetric (Jacob et al. 2018): the 256 levels reach from the smallest to the largest number,
/// of which one may be 0. After SiLU, whose results are hardly ever negative, that halves the step.
/// 0 is always exact, so padding is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Levels {
    /// The step between levels. NaN if one of the numbers was not finite.
    pub scale: f32,
    /// The byte that stands for 0.
    pub zero: i8,
}

impl Levels {
    /// The levels for `x`.
    pub fn of(isa: Isa, x: &[f32]) -> Self {
        let [low, high, finite] = match isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the machine has it: every `isa` is from `cpu::isa` or `cpu::available`.
            Isa::Avx512 | Isa::Avx512Bf16 => unsafe { avx512::range(x) },
            _ => range(isa, x),
        };
        if finite.is_nan() {
            return Self { scale: f32::NAN, zero: 0 };
        }
        // Divided before the difference is taken, which could overflow.
        let scale = (high / 255.0 - low / 255.0).max(SMALLEST);
        // Between 0 and 255 levels lie below 0; a half more, cut off, is the nearest number.
        Self { scale, zero: ((0.5 - low / scale) as i32 - 128).min(127) as i8 }
    }

    /// Writes the bytes that stand for `x`, and returns their sum.
    pub fn bytes(&self, isa: Isa, x: &[f32], out: &mut [i8]) -> i32 {
        assert_eq!(x.len(), out.len(), "bytes");
        let (inverse, zero) = (1.0 / self.scale, i32::from(self.zero));
        match isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx512 | Isa::Avx512Bf16 => unsafe { avx512::bytes(x, out, inverse, zero) },
            _ => bytes(isa, x, out, inverse, zero),
        }
    }
}

/// Lanes of the sums over a slice: enough to hide the latency of a comparison.
const LANES: usize = 32;

per_isa! {
    /// Pairs of bf16 as numbers, twice as many.
    pub(super) fn widen(pairs: &[f32], out: &mut [f32]) {
        for (pair, out) in pairs.iter().zip(out.as_chunks_mut::<2>().0) {
            let bits = pair.to_bits();
            *out = [f32::from_bits(bits << 16), f32::from_bits(bits & 0xffff_0000)];
        }
    }

    /// The least and the greatest of the elements and 0, and 0 or, if one is not finite, NaN.
    fn range(x: &[f32]) -> [f32; 3] {
        let smaller = |a: f32, b: f32| if b < a { b } else { a };
        let larger = |a: f32, b: f32| if b > a { b } else { a };
        let (mut low, mut high, mut finite) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        let (whole, rest) = x.as_chunks::<LANES>();
        for x in whole {
            for i in 0..LANES {
                low[i] = smaller(low[i], x[i]);
                high[i] = larger(high[i], x[i]);
                // 0 · x is NaN for NaN and infinities.
                finite[i] += 0.0 * x[i];
            }
        }
        for (i, &x) in rest.iter().enumerate() {
            low[i] = smaller(low[i], x);
            high[i] = larger(high[i], x);
            finite[i] += 0.0 * x;
        }
        // By halves, so that vectors are joined and not lanes one by one.
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                low[i] = smaller(low[i], low[i + half]);
                high[i] = larger(high[i], high[i + half]);
                finite[i] += finite[i + half];
            }
            half /= 2;
        }
        [low[0], high[0], finite[0]]
    }

    /// `out[i]` = `x[i] · inverse`, rounded to the nearest whole number, ties to even, plus `zero`,
    /// limited to a byte. Returns the sum of all.
    fn bytes(x: &[f32], out: &mut [i8], inverse: f32, zero: i32) -> i32 {
        /// Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the sum.
        const ROUND: f32 = 12_582_912.0;
        let (low, high) = ((-128 - zero) as f32, (127 - zero) as f32);
        for (out, &x) in out.iter_mut().zip(x) {
            let level = x * inverse;
            let level = if level > low { level } else { low };
            let level = if level < high { level } else { high };
            *out = ((level + ROUND).to_bits() as i32).wrapping_add(zero) as i8;
        }
        out.iter().map(|&byte| i32::from(byte)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu;
    use crate::testing::random;

    fn both(x: &[f32]) -> (Levels, Vec<i8>) {
        let mut results = cpu::available().map(|isa| {
            let levels = Levels::of(isa, x);
            let mut bytes = vec![99; x.len()];
            let sum = levels.bytes(isa, x, &mut bytes);
            assert_eq!(sum, bytes.iter().map(|&byte| i32::from(byte)).sum::<i32>());
            (levels, bytes)
        });
        let first = results.next().unwrap();
        for other in results {
            assert_eq!(first.0.scale.to_bits(), other.0.scale.to_bits());
            assert_eq!((first.0.zero, &first.1), (other.0.zero, &other.1));
        }
        first
    }

    #[test]
    fn every_number_is_within_half_a_step() {
        for (seed, len) in [1, 15, 64, 65, 1000].into_iter().enumerate() {
            for (shift, size) in
                [(0.0, 1.0), (0.9, 1.0), (-5.0, 0.1), (0.0, 1e-30), (0.0, 3e38), (7.0, 0.0)]
            {
                let x: Vec<f32> =
                    random(seed as u64, len).iter().map(|x| (x + shift) * size).collect();
                let (levels, bytes) = both(&x);
                for (&x, &byte) in x.iter().zip(&bytes) {
                    let y = f64::from(levels.scale)
                        * f64::from(i32::from(byte) - i32::from(levels.zero));
                    let error = (y - f64::from(x)).abs() / f64::from(levels.scale);
                    // The zero point is rounded too, but what that cuts off is half a step as well.
                    assert!(error <= 0.5001, "{x} became {y}, {error} steps away");
                }
            }
        }
    }

    #[test]
    fn zero_is_exact_and_the_ends_are_the_last_levels() {
        let (levels, bytes) = both(&[-0.25, 0.0, 3.0, 255.0 / 64.0 - 0.25]);
        assert_eq!(levels, Levels { scale: 1.0 / 64.0, zero: -112 });
        assert_eq!(bytes, [-128, -112, 80, 127]);
        assert_eq!(both(&[0.0; 40]).1, [-128; 40]);
    }

    #[test]
    fn what_is_not_finite_makes_the_scale_nan() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 31, 64, 69] {
                let mut x = random(1, 70);
                x[at] = bad;
                assert!(both(&x).0.scale.is_nan(), "{bad} at {at}");
            }
        }
        // Denormals and the largest numbers are finite.
        assert!(both(&[f32::MAX, f32::MIN, f32::from_bits(1)]).0.scale.is_finite());
        assert_eq!(both(&[f32::from_bits(1), 0.0]).1, [-128; 2]);
    }
}
