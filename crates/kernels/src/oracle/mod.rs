//! What the operations are, in f64: plain loops for tests, which also tell how large the terms of
//! every sum are, because that is what a rounding error is relative to.

use std::fmt::Display;

mod attention;
mod convolution;
mod epilogue;
mod norm;
mod product;

pub use attention::attention;
pub use convolution::conv2d;
pub use epilogue::epilogue;
#[cfg(not(miri))]
pub use epilogue::gelu;
pub use norm::{group_norm, unit_rows};
pub use product::{linear, product};

/// A sum in f64.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exact {
    /// The sum.
    pub value: f64,
    /// The sum of the magnitudes of its terms.
    pub size: f64,
}

impl Exact {
    /// With another term.
    pub fn add(&mut self, term: f64) {
        self.value += term;
        self.size += term.abs();
    }

    /// A number that is off by as much as one of so large terms.
    pub fn of_size(value: f64, size: f64) -> Self {
        Self { value, size: size.max(value.abs()) }
    }
}

/// How far a result may be from the exact one.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Times the size of the sum.
    pub relative: f64,
    /// Added to that: what is lost where numbers underflow.
    pub absolute: f64,
}

impl Tolerance {
    /// Of sums of `terms` products in f32, in any order. Sums of products below the normal numbers
    /// may lose all of each.
    pub fn of_sum(terms: usize) -> Self {
        let terms = (terms + 4) as f64;
        Self { relative: terms * f64::from(f32::EPSILON), absolute: terms * 1e-45 }
    }

    /// `factor` times as much.
    pub fn times(self, factor: f64) -> Self {
        Self { relative: factor * self.relative, absolute: factor * self.absolute }
    }

    /// And so much more, however small the sum is.
    pub fn or(self, absolute: f64) -> Self {
        Self { absolute: self.absolute + absolute, ..self }
    }
}

/// Panics unless every element is near the exact one: NaN where that is NaN and only there,
/// infinite where that is, and anything if its terms are too large for an f32.
#[track_caller]
pub fn assert_near(got: &[f32], want: &[Exact], tolerance: Tolerance, what: impl Display) {
    assert_eq!(got.len(), want.len(), "{what}: lengths");
    for (i, (&got, want)) in got.iter().zip(want).enumerate() {
        let (wide, Exact { value, size }) = (f64::from(got), *want);
        let near = if value.is_nan() {
            got.is_nan()
        } else if value.is_infinite() {
            wide == value
        } else if size >= f64::from(f32::MAX) {
            true
        } else {
            // Written so that NaN fails.
            (wide - value).abs() <= tolerance.relative * size + tolerance.absolute
        };
        assert!(near, "{what}: element {i}: {got:e}, not {want:?} within {tolerance:?}");
    }
}

/// `x` rounded to bf16 if `rounded`.
pub fn operand(x: &[f32], rounded: bool) -> Vec<f64> {
    let mut x = x.to_vec();
    if rounded {
        crate::bf16::round_in_place(&mut x);
    }
    crate::testing::wide(&x)
}
