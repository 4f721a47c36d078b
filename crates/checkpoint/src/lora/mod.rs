//! Files that change a model's weights: LoRA and its kin.
//!
//! Such a file holds small tensors for each layer that it changes, and what the layer's weight is
//! changed by is computed from them ([`Form`]): a product of two thin matrices, a product of such
//! products number by number, a Kronecker product, or simply all of it. [`LoraFile`] sorts the
//! tensors of a file by layer, whoever named them; [`Targets`] knows under which names files call
//! the layers of a model; [`LoraFile::bind`] ties the one to the other, strictly: what does not fit
//! is refused by name. Numbers are read when a [`Change`] is asked for its product, so no more than
//! one layer's are in memory.

mod algebra;
mod bind;
mod error;
mod file;
mod form;
mod role;
mod settings;
mod summary;
mod targets;

pub use bind::{Change, What};
pub use error::LoraError;
pub use file::LoraFile;
pub use form::{Delta, Form};
pub use summary::LoraSummary;
pub use targets::{Target, Targets, base};
