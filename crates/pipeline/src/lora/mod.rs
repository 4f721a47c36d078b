//! LoRA and its kin: small files that change a model while it is loaded.
//!
//! [`LoraSpec`] says which file and how strongly, [`find`] knows where a name of a prompt
//! (`<lora:name:0.8>`) is on the disk, and the loading of a model does the rest: see
//! [`LoadOptions::loras`](crate::LoadOptions). What is in such a file is
//! [`aquatint_checkpoint::lora`]'s business.

mod adapters;
mod find;
mod spec;

pub use adapters::LoraUse;
pub(crate) use adapters::{Adapters, Filled, parameters};
pub(crate) use find::ENDINGS;
pub use find::{LoraNotFound, find};
pub use spec::{LoraMode, LoraSpec};
