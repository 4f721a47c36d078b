//! Tensors that remember how they were made.
//!
//! A [`Tensor`] is a shape and a contiguous run of f32 numbers. Operations are methods, one file
//! each under `ops/`: forward, backward and the finite-difference test of the one by the other.
//! A tensor is *tracked* if it was made from a tracked one; [`Tensor::tracked`] begins a track
//! and [`Tensor::backward`] follows it home. Code that computes does not know the difference.
//!
//! This crate knows no layer and no file. Shapes that do not fit are bugs and panic with both.

pub mod gradcheck;
mod ops;
mod pool;
pub mod rng;
mod storage;
mod tape;
mod tensor;

pub use aquatint_kernels::cancel::{CancelToken, Cancelled, cancellable};
pub use aquatint_kernels::group_norm::GroupMoments;
pub use aquatint_kernels::pool3::Pool3;
pub use aquatint_kernels::{Nonlinearity, Numbers, Precision, cpu, optimizer, peak, watch};
pub use ops::{ChannelOrder, Conv2dFusion, Conv2dOptions, Epilogue, GroupNormWeights, Mask};
pub use pool::{peak as peak_memory, release as release_idle_memory};
pub use rng::{Rng, RngKind};
pub use storage::Use;
pub use tape::{Grads, Whole};
pub use tensor::Tensor;
