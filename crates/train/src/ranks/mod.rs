//! Processes that train one model together.
//!
//! Each computes its part of every mini-batch and sees the same sums, so that all of them take the
//! same step with the same bits and none needs to be told the weights. Only the first writes.

mod buckets;
#[cfg(feature = "mpi")]
mod over_mpi;

pub use buckets::Buckets;
#[cfg(feature = "mpi")]
pub use over_mpi::Mpi;

/// What a process knows of the others.
pub trait Ranks {
    /// Which of them this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// Replaces every number by its sum over all processes, which all call this in the same order.
    fn sum(&self, numbers: &mut [f64]);

    /// Runs `pass`, which fills the buckets through the function that it is given, and replaces
    /// what is in them by sums over all processes. A bucket may be on its way before the pass ends.
    fn sum_during(&self, buckets: &mut Buckets, pass: &mut dyn FnMut(&mut Filled<'_>));
}

/// Takes number and content of a vector of [`Buckets`].
pub type Filled<'a> = dyn FnMut(usize, &[f32]) + 'a;

/// A single process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn count(&self) -> usize {
        1
    }

    fn sum(&self, _: &mut [f64]) {}

    fn sum_during(&self, buckets: &mut Buckets, pass: &mut dyn FnMut(&mut Filled<'_>)) {
        pass(&mut |index, values| buckets.vector_mut(index).copy_from_slice(values));
    }
}
