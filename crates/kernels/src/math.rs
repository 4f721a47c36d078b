//! Branch-free functions of one number, for loops that the compiler turns into vector code, and
//! the macro that compiles such a loop once per instruction set.
//!
//! Nothing here calls the C library, and nothing asks for a fused multiply-add, so every
//! instruction set does the same roundings in the same order: the results are the same bits on
//! all of them. The error bounds below are tested on a dense sweep of all finite floats.

/// Compiles a function once per instruction set. The function gains a first argument, the
/// [`Isa`](crate::cpu::Isa) whose variant is called. Loops in the body should be over zipped
/// slices (or arrays of lanes, for sums), which LLVM then vectorises as wide as the set allows.
macro_rules! per_isa {
    ($(
        $(#[$meta:meta])*
        $vis:vis fn $name:ident $(<$f:ident: Fn($($in:ty),*) -> $y:ty>)? (
            $($arg:ident: $ty:ty),* $(,)?
        ) $(-> $ret:ty)? $body:block
    )*) => { $(
        $(#[$meta])*
        $vis fn $name $(<$f: Fn($($in),*) -> $y>)? (
            isa: $crate::cpu::Isa, $($arg: $ty),*
        ) $(-> $ret)? {
            #[inline(always)]
            fn portable $(<$f: Fn($($in),*) -> $y>)? ($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$f: Fn($($in),*) -> $y>)? ($($arg: $ty),*) $(-> $ret)? {
                portable($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
            fn avx512 $(<$f: Fn($($in),*) -> $y>)? ($($arg: $ty),*) $(-> $ret)? {
                portable($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::cpu::Isa;
                assert!(isa <= $crate::cpu::isa(), "this machine lacks {isa:?}");
                match isa {
                    // SAFETY: the assertion above: `cpu::isa` found these features.
                    Isa::Avx512 | Isa::Avx512Bf16 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    Isa::Portable => {}
                }
            }
            let _ = isa;
            portable($($arg),*)
        }
    )* };
}
pub(crate) use per_isa;

/// `eˣ`: relative error below 2e-7, gradual underflow, `∞` from 88.73 on, NaN for NaN.
///
/// `x = n ln 2 + r` with `|r| <= ln 2 / 2` (Cody and Waite 1980: ln 2 in two parts, the first
/// short enough that `n` times it is exact), then `2ⁿ` times a minimax polynomial of degree 6.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Comparisons with NaN are false, so NaN goes through both limits.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -105.0 { -105.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let p = 0.008_363_173 + r * 0.001_392_617_6;
    let p = 0.5 + r * (0.166_665_77 + r * (0.041_666_556 + r * p));
    let p = 1.0 + (r + r * r * p);
    // 2ⁿ in two factors: n reaches from -152 to 128, an f32 exponent only from -126 to 127.
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = n >> 1;
    p * power_of_2(half) * power_of_2(n.wrapping_sub(half))
}

/// `2ˣ`: relative error below 2e-7, gradual underflow, `∞` from 128 on, NaN for NaN.
///
/// `x = n + r` with `|r| <= ½`, which is exact, then `2ⁿ` times a minimax polynomial of degree 6.
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    // As in `exp`.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > 128.0 { 128.0 } else { x };
    let x = if x < -151.0 { -151.0 } else { x };
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    let p = 0.001_339_993_1 + r * 0.000_153_458_12;
    let p = 0.055_503_286 + r * (0.009_618_489 + r * p);
    let p = 1.0 + r * (std::f32::consts::LN_2 + r * (0.240_226_46 + r * p));
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = n >> 1;
    p * power_of_2(half) * power_of_2(n.wrapping_sub(half))
}

/// `2ⁿ` for `-126 <= n <= 127`.
#[inline(always)]
fn power_of_2(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

/// The error function: absolute error below 4e-7, exactly ±1 from 3.92 on.
///
/// A minimax rational function, `x P(x²) / Q(x²)` with both of degree 5.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let z = x * x;
    let p = 0.003_790_891_4 + z * (0.000_284_732_23 + z * 2.035_346e-6);
    let p = std::f32::consts::FRAC_2_SQRT_PI + z * (0.191_090_18 + z * (0.052_824_623 + z * p));
    let q = 0.015_020_537 + z * (0.001_167_320_6 + z * 3.793_136_3e-5);
    let q = 1.0 + z * (0.502_682 + z * (0.114_378_44 + z * q));
    let y = x * (p / q);
    if x.abs() > 3.92 { 1f32.copysign(x) } else { y }
}

/// Hyperbolic tangent: relative error below 4e-7, exactly ±1 from 9.02 on.
///
/// A minimax rational function, `x P(x²) / Q(x²)` with both of degree 4.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = 0.003_494_046_6 + z * (2.058_363_9e-5 + z * 1.331_922e-8);
    let p = 1.0 + z * (0.133_797_29 + z * p);
    let q = 0.025_871_122 + z * (0.000_328_311_1 + z * 7.762_095e-7);
    let q = 1.0 + z * (0.467_130_45 + z * q);
    let y = x * (p / q);
    if x.abs() > 9.02 { 1f32.copysign(x) } else { y }
}

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `x · sigmoid(x)`.
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// Derivative of [`silu`].
#[inline(always)]
pub fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    // s is 0 or 1 long before x is infinite; the limit keeps ∞ · 0 out.
    let z = if x.abs() > 128.0 { 128.0f32.copysign(x) } else { x };
    s * (1.0 + z * (1.0 - s))
}

/// `Φ(x)`, the distribution function of the standard normal: absolute error below 2e-7.
#[inline(always)]
pub fn normal_cdf(x: f32) -> f32 {
    0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

/// `x · Φ(x)`.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    x * normal_cdf(x)
}

/// Derivative of [`gelu`]: `Φ(x) + x φ(x)`.
#[inline(always)]
pub fn gelu_slope(x: f32) -> f32 {
    /// `1 / √(2π)`.
    const DENSITY_AT_0: f32 = 0.398_942_3;
    // The density is 0 long before x² overflows; the limit keeps ∞ · 0 out.
    let z = if x.abs() > 16.0 { 16.0f32.copysign(x) } else { x };
    normal_cdf(x) + z * (DENSITY_AT_0 * exp(-0.5 * z * z))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// About 700,000 floats of every sign and magnitude, and the special ones.
    fn sweep() -> impl Iterator<Item = f32> {
        let special = [0.0, -0.0, f32::MIN_POSITIVE, f32::MAX, f32::MIN, f32::EPSILON];
        (0..=u32::MAX).step_by(6151).map(f32::from_bits).filter(|x| x.is_finite()).chain(special)
    }

    /// `erf` in f64: the Taylor series below 3, the continued fraction of erfc above.
    fn erf_f64(x: f64) -> f64 {
        let a = x.abs();
        let value = if a < 3.0 {
            let mut term = a;
            let mut sum = a;
            for k in 1..100 {
                term *= -a * a / f64::from(k);
                sum += term / f64::from(2 * k + 1);
            }
            sum * std::f64::consts::FRAC_2_SQRT_PI
        } else {
            let fraction = (1..60).rev().fold(a, |f, k| a + 0.5 * f64::from(k) / f);
            1.0 - (-a * a).exp() / (fraction * std::f64::consts::PI.sqrt())
        };
        value.copysign(x)
    }

    fn dense(lo: f32, hi: f32) -> impl Iterator<Item = f32> {
        (0..=200_000).map(move |i| lo + (hi - lo) * (i as f32 / 200_000.0))
    }

    #[test]
    fn exp2_has_a_relative_error_below_2e_7() {
        for x in sweep().chain(dense(-152.0, 128.0)) {
            let (got, want) = (f64::from(exp2(x)), f64::from(x).exp2());
            if want > f64::from(f32::MAX) {
                assert_eq!(got, f64::INFINITY, "exp2({x})");
            } else {
                let unit = f64::from(f32::from_bits(1));
                assert!((got - want).abs() <= 2e-7 * want + unit, "exp2({x}) = {got}, not {want}");
            }
        }
        assert!(exp2(f32::NAN).is_nan());
        assert_eq!([exp2(f32::NEG_INFINITY), exp2(0.0), exp2(-3.0)], [0.0, 1.0, 0.125]);
    }

    #[test]
    fn exp_has_a_relative_error_below_2e_7() {
        for x in sweep().chain(dense(-104.0, 89.0)) {
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            if want > f64::from(f32::MAX) * (1.0 + 2e-7) {
                assert_eq!(got, f64::INFINITY, "exp({x})");
            } else if got.is_finite() {
                let unit = f64::from(f32::from_bits(1));
                assert!((got - want).abs() <= 2e-7 * want + unit, "exp({x}) = {got}, not {want}");
            } else {
                assert!(want > f64::from(f32::MAX) * (1.0 - 2e-7), "exp({x}) = {got}, not {want}");
            }
        }
    }

    #[test]
    fn erf_has_an_absolute_error_below_4e_7() {
        for x in sweep().chain(dense(-4.0, 4.0)) {
            let (got, want) = (f64::from(erf(x)), erf_f64(f64::from(x)));
            assert!((got - want).abs() <= 4e-7, "erf({x}) = {got}, not {want}");
        }
    }

    #[test]
    fn tanh_has_a_relative_error_below_4e_7() {
        for x in sweep().chain(dense(-9.5, 9.5)) {
            let (got, want) = (f64::from(tanh(x)), f64::from(x).tanh());
            assert!((got - want).abs() <= 4e-7 * want.abs(), "tanh({x}) = {got}, not {want}");
        }
    }

    #[test]
    fn special_values_go_where_they_should() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        assert_eq!(
            (exp(inf), exp(-inf), exp(0.0), exp(1e30), exp(-1e30)),
            (inf, 0.0, 1.0, inf, 0.0)
        );
        assert_eq!((erf(inf), erf(-inf), erf(1e30), erf(0.0)), (1.0, -1.0, 1.0, 0.0));
        assert_eq!((tanh(inf), tanh(-inf), tanh(-1e30)), (1.0, -1.0, -1.0));
        assert_eq!((sigmoid(inf), sigmoid(-inf)), (1.0, 0.0));
        assert_eq!((silu(inf), silu(-200.0), silu(1e30)), (inf, -0.0, 1e30));
        assert_eq!((silu_slope(200.0), silu_slope(-200.0)), (1.0, 0.0));
        assert_eq!((silu_slope(inf), silu_slope(-inf)), (1.0, 0.0));
        assert_eq!((gelu(inf), gelu(-1e30), gelu(1e30)), (inf, -0.0, 1e30));
        assert_eq!((gelu_slope(inf), gelu_slope(-inf), gelu_slope(1e30)), (1.0, 0.0, 1.0));
        for f in [exp, erf, tanh, sigmoid, silu, silu_slope, gelu, gelu_slope] {
            assert!(f(nan).is_nan() && f(-nan).is_nan());
        }
    }
}
