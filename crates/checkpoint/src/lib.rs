//! Weights on disk. This crate knows names, shapes and bytes, and no model.
//!
//! [`Weights`] is an opened safetensors file, [`resolve`] takes from it exactly the tensors that a
//! model asks for, [`save`] writes one. Everything that is written goes through [`atomic`], so a
//! file is either the old one or the new one, never half of one. Nothing in a file is executed,
//! and no number in it is believed before it was compared with the size of the file.

pub mod atomic;
mod dtype;
mod error;
mod manifest;
mod resolve;
mod save;
mod weights;

pub use dtype::DType;
pub use error::LoadError;
pub use manifest::{Entry, Manifest};
pub use resolve::{IGNORED, LoadReport, MisShaped, nearest, resolve};
pub use save::{encode, save};
pub use weights::Weights;
