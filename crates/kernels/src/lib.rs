//! The floor of Aquatint: loops over slices and sizes, nothing else.
//!
//! One file or folder an operation. In each: the instruction sets, the choice between them at run
//! time, and tests of every variant against plain loops that define the operation (`reference.rs`,
//! or a function among the tests). This is the only crate with `unsafe`.
//!
//! Shapes: activations are channels-last, `[N, H, W, C]` or `[B, T, C]`, always contiguous;
//! weights keep PyTorch's layouts, `[O, I, kh, kw]` and `[out, in]`.
//!
//! Work is cut, and sums are ordered, by the sizes alone, never by the number of threads: the
//! same inputs give the same bits on one thread and on many.
#![allow(unsafe_code)]

mod activations;
#[cfg(all(test, not(miri)))]
mod adversarial;
pub mod attention;
mod bf16;
pub mod cancel;
pub mod conv2d;
pub mod cpu;
pub mod depthwise;
pub mod elementwise;
mod epilogue;
pub mod gemm;
pub mod group_norm;
pub mod int8;
mod lanes;
pub mod layer_norm;
pub mod loss;
mod math;
pub mod max_pool;
mod microkernel;
mod numbers;
pub mod optimizer;
#[cfg(test)]
mod oracle;
mod pages;
pub mod parallel;
pub mod peak;
pub mod pool3;
pub mod reduce;
mod scratch;
pub mod shuffle;
#[cfg(test)]
mod small_shapes;
#[cfg(test)]
mod testing;
pub mod upsample;
pub mod watch;
mod weight;

pub use activations::{Activations, ActivationsMut, has_pairs, widen};
pub use epilogue::{Epilogue, Nonlinearity};
pub use numbers::Numbers;
pub use pages::large as large_pages;
pub use scratch::release as release_scratch_memory;
pub use weight::Weight;

/// The type in which products are formed. Sums are always f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// f32 products: agrees with PyTorch's f32 to rounding.
    #[default]
    F32,
    /// Operands rounded to bf16 (AVX-512 BF16 where the chip has it), sums in f32.
    Bf16,
}
