//! Weights on disk. This crate knows names, shapes and bytes, and no model.
//!
//! [`Weights`] is an opened file of weights of any [`Container`], [`resolve`] takes from it exactly
//! the tensors that a model asks for, [`save`] writes a safetensors file. Everything that is written
//! goes through [`atomic`], so a file is either the old one or the new one, never half of one.
//! Nothing in a file is executed, pickles included, and no number in it is believed before it was
//! compared with the size of the file.

pub mod atomic;
mod container;
pub mod detect;
mod dtype;
mod encoding;
mod error;
pub mod family;
pub mod lora;
mod manifest;
pub mod naming;
pub mod npz;
mod pickle;
mod resolve;
mod save;
mod save_streamed;
mod source;
mod weights;

pub use container::{Container, LAYERS};
pub use detect::{Detected, Kind, detect};
pub use dtype::DType;
pub use error::LoadError;
pub use family::Family;
pub use manifest::{Entry, Manifest};
pub use resolve::{IGNORED, LoadReport, MisShaped, nearest, resolve};
pub use save::{encode, save};
pub use save_streamed::{Planned, save_streamed};
pub use weights::Weights;
