//! What the machine could do at most.

use std::time::Instant;

use aquatint_tensor::peak::multiply_add;
use aquatint_tensor::watch::{Products, Work};
use rayon::prelude::*;

/// Operations and bytes a second, on all threads together.
#[derive(Clone, Copy)]
pub struct Peaks {
    /// Products of f32.
    pub f32: f64,
    /// Products of bf16.
    pub bf16: f64,
    /// Products of bytes.
    pub int8: f64,
    /// Bytes read and written.
    pub memory: f64,
}

/// Each is measured so often, for about so long, and the best is taken.
const TIMES: usize = 8;
const ROUNDS: usize = 2_000_000;
/// f32 that no cache holds.
const COPIED: usize = 1 << 26;

impl Peaks {
    /// Measures them all: products that never leave their registers, and a copy.
    pub fn measure() -> Self {
        let [f32, bf16, int8] = [Products::F32, Products::Bf16, Products::Int8]
            .map(|products| best(|| multiply_add(products, ROUNDS) as f64));
        let (from, mut to) = (vec![1f32; COPIED], vec![0f32; COPIED]);
        let memory = best(|| {
            let pieces = to.par_chunks_mut(1 << 16).zip(from.par_chunks(1 << 16));
            pieces.for_each(|(to, from)| to.copy_from_slice(from));
            (2 * COPIED * size_of::<f32>()) as f64
        });
        Self { f32, bf16, int8, memory }
    }

    /// The higher of each.
    pub fn highest(self, other: Self) -> Self {
        Self {
            f32: self.f32.max(other.f32),
            bf16: self.bf16.max(other.bf16),
            int8: self.int8.max(other.int8),
            memory: self.memory.max(other.memory),
        }
    }

    /// How much there is of the work a second, and the most that there could be.
    pub fn rate(&self, work: Work, calls: usize, seconds: f64) -> [f64; 2] {
        let (amount, most) = match work {
            Work::Operations(Products::F32, operations) => (operations, self.f32),
            Work::Operations(Products::Bf16, operations) => (operations, self.bf16),
            Work::Operations(Products::Int8, operations) => (operations, self.int8),
            Work::Bytes(bytes) => (bytes, self.memory),
        };
        [amount as f64 * calls as f64 / seconds, most]
    }
}

/// The most a second that `work` returns.
fn best(mut work: impl FnMut() -> f64) -> f64 {
    let one = |_| {
        let start = Instant::now();
        let amount = work();
        amount / start.elapsed().as_secs_f64()
    };
    (0..TIMES).map(one).fold(0.0, f64::max)
}
