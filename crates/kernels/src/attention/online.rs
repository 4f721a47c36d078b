//! Softmax while the scores arrive (Milakov and Gimelshein 2018): a running maximum and a running
//! sum for each query. Scores are in units of ln 2, that is, probabilities are powers of two.
//!
//! Rows are keys, columns are queries.

use crate::math::{exp2, per_isa};

/// Queries that one call works on.
pub(super) const QUERIES: usize = 16;

/// How far scores may exceed the maximum that is subtracted from them before that is raised, and
/// what was summed so far scaled down: powers up to 2⁸ lose nothing, and most blocks of keys have
/// only slightly larger scores than those before.
pub(super) const SLACK: f32 = 8.0;

/// What is known of some queries.
pub(super) struct Running {
    /// What is subtracted from the scores; the largest score is at most `SLACK` above.
    pub max: [f32; QUERIES],
    /// The sum of the powers so far.
    pub sum: [f32; QUERIES],
    /// What everything summed before has to be multiplied with.
    pub factor: [f32; QUERIES],
}

impl Running {
    /// Before the first key. Not -∞, so that rows of -∞ do not become NaN too early.
    pub const START: Self =
        Self { max: [f32::MIN; QUERIES], sum: [0.0; QUERIES], factor: [1.0; QUERIES] };
}

per_isa! {
    /// Turns the scores of a block of keys, rows of `stride` of which the first 16 count, into
    /// powers, and takes them into account. Whether any factor is not 1.
    pub fn advance(scores: &mut [f32], stride: usize, running: &mut Running) -> bool {
        let mut top = [f32::MIN; QUERIES];
        for row in scores.chunks(stride) {
            let (row, _) = row.split_first_chunk::<QUERIES>().expect("16 queries");
            for i in 0..QUERIES {
                // NaN is passed over, and comes back below.
                top[i] = if row[i] > top[i] { row[i] } else { top[i] };
            }
        }
        let mut raised = false;
        for i in 0..QUERIES {
            let old = running.max[i];
            running.max[i] = if top[i] > old + SLACK { top[i] } else { old };
            running.factor[i] = exp2(old - running.max[i]);
            raised |= running.max[i] != old;
        }
        let max = running.max;
        let mut sum = [0.0; QUERIES];
        for row in scores.chunks_mut(stride) {
            let (row, _) = row.split_first_chunk_mut::<QUERIES>().expect("16 queries");
            for i in 0..QUERIES {
                row[i] = exp2(row[i] - max[i]);
                sum[i] += row[i];
            }
        }
        for i in 0..QUERIES {
            running.sum[i] = running.sum[i] * running.factor[i] + sum[i];
        }
        raised
    }

    /// Multiplies each column of rows of `stride`, of which the first 16 count, by its factor.
    pub fn scale(rows: &mut [f32], stride: usize, factors: &[f32; QUERIES]) {
        for row in rows.chunks_mut(stride) {
            let (row, _) = row.split_first_chunk_mut::<QUERIES>().expect("16 queries");
            for i in 0..QUERIES {
                row[i] *= factors[i];
            }
        }
    }
}
