//! Random numbers: the generators of PyTorch and NumPy, draw for draw.
//!
//! A seed names the same picture here as in the program that first made it, so each kind of
//! stream follows its original in everything that can be seen. [`Rng`] is PyTorch's CPU generator
//! and draws all that training and shuffling need; [`Stream`] is any of the kinds, and draws
//! standard normals only.

mod kind;
mod mt19937;
mod numpy;
mod philox;
mod stream;
mod torch_cpu;
mod torch_cuda;

pub use self::kind::{RngKind, SeedTooLarge};
pub use self::numpy::Numpy;
pub use self::stream::Stream;
pub use self::torch_cpu::Rng;

#[cfg(test)]
mod tests;
