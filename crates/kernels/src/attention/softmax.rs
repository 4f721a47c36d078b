//! The row-wise parts of attention.

use crate::lanes;
use crate::math::{exp, per_isa};

per_isa! {
    /// Replaces every element by `exp(x - max)` and returns their sum.
    pub fn exponentials(row: &mut [f32]) -> f32 {
        let max = lanes::max(row);
        for x in row.iter_mut() {
            *x = exp(*x - max);
        }
        lanes::sums([row], |[x]| [x])[0]
    }

    /// `p *= share`, and `dp = p · (dp - delta)`: from the gradient of the probabilities to that of
    /// the scores.
    pub fn score_grad(p: &mut [f32], share: f32, dp: &mut [f32], delta: f32) {
        for (p, dp) in p.iter_mut().zip(dp) {
            *p *= share;
            *dp = *p * (*dp - delta);
        }
    }

    /// `Σ a b`.
    pub fn row_dot(a: &[f32], b: &[f32]) -> f32 {
        lanes::sums([a, b], |[a, b]| [a * b])[0]
    }
}
