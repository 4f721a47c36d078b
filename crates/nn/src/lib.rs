//! Layers as plain structs, and the one trait that knows their weights by name.
//!
//! The path of a field is the name of its weight: `#[derive(Module)]` on
//! `struct Mlp { fc1: Linear, fc2: Linear }` yields `fc1.weight`, `fc1.bias`, `fc2.weight`, … as
//! PyTorch would:
//!
//! ```
//! use aquatint_nn::{Bias, Linear, Module, ModuleExt};
//!
//! #[derive(Module)]
//! struct Mlp {
//!     fc1: Linear,
//!     fc2: Linear,
//! }
//!
//! let mut mlp = Mlp { fc1: Linear::new(2, 8, Bias::Yes), fc2: Linear::new(8, 1, Bias::No) };
//! let names: Vec<String> = mlp.named_parameters().into_iter().map(|(name, _)| name).collect();
//! assert_eq!(names, ["fc1.weight", "fc1.bias", "fc2.weight"]);
//! mlp.init(1);
//! ```
//!
//! Building a module allocates nothing: each [`Param`] holds its shape and its
//! [`Init`] until it is filled, from a file or by [`ModuleExt::init`].
//!
//! A layer computes the same whether its weights are tracked or not; training differs from
//! inference only in a call of [`ModuleExt::track`].

extern crate self as aquatint_nn;

mod batch_norm;
mod beside;
mod conv2d;
mod embedding;
mod hash;
mod init;
mod linear;
mod module;
mod norm;
mod param;

pub use aquatint_nn_derive::Module;
pub use batch_norm::BatchNorm2d;
pub use beside::Beside;
pub use conv2d::{Conv2d, Fused};
pub use embedding::Embedding;
pub use hash::fnv1a;
pub use init::Init;
pub use linear::{Bias, Linear};
pub use module::{Module, ModuleExt, join};
pub use norm::{GroupNorm, LayerNorm};
pub use param::Param;
