//! The operations against f64 on inputs that are hard on them: numbers of very different size, those
//! below the normal ones and near the largest, NaN and infinities, sums of nothing, groups whose
//! elements are all the same. Sizes and kinds of numbers are drawn by proptest, the same in every
//! run.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::testing::random;

mod attention;
mod depthwise;
mod elementwise;
mod functions;
mod norms;
mod pools;
mod products;
mod weights;

/// Kinds of numbers.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// In [-1, 1).
    Plain,
    /// With exponents from -40 to 40.
    Scattered,
    /// Most below the normal numbers.
    Denormal,
    /// About 1e18: products of two do not overflow, nor do sums of some.
    Huge,
    /// Zeros of both signs but for every seventh.
    Sparse,
    /// Three NaN.
    Nan,
    /// Three infinities, not all of one sign.
    Infinite,
}

/// All kinds, those without NaN and infinities first.
const KINDS: [Kind; 7] = [
    Kind::Plain,
    Kind::Scattered,
    Kind::Denormal,
    Kind::Huge,
    Kind::Sparse,
    Kind::Nan,
    Kind::Infinite,
];

/// The first so many kinds are finite.
const FINITE: usize = 5;

impl Kind {
    /// `len` numbers of the kind.
    fn numbers(self, seed: u64, len: usize) -> Vec<f32> {
        let mut x = random(seed, len);
        let exponents = random(seed ^ 0x5eed, len);
        for (i, (x, e)) in x.iter_mut().zip(exponents).enumerate() {
            *x *= match self {
                Self::Scattered => (40.0 * e).exp2(),
                Self::Denormal => (-130.0 + 8.0 * e).exp2(),
                Self::Huge => 1e18,
                Self::Sparse if i % 7 > 0 => 0.0,
                _ => 1.0,
            };
        }
        let special = match self {
            Self::Nan => [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001)],
            Self::Infinite => [f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY],
            _ => return x,
        };
        for (i, special) in special.into_iter().enumerate().take(len) {
            x[(seed as usize * 31 + i * 53) % len] = special;
        }
        x
    }
}

/// Calls `test` with values of a strategy; one that fails is made as simple as possible.
fn for_all<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let run = |value| {
        test(value);
        Ok(())
    };
    TestRunner::new_with_rng(config, rng).run(&strategy, run).unwrap_or_else(|e| panic!("{e}"));
}

/// The largest finite magnitude.
fn largest(x: &[f32]) -> f64 {
    x.iter().filter(|x| x.is_finite()).fold(0.0, |largest, x| largest.max(x.abs().into()))
}
