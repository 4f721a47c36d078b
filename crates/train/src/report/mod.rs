//! What a run looks like afterwards.

mod canvas;
mod curves;
pub mod page;
pub mod plot;
pub(crate) mod tensorboard;
