//! What a run looks like afterwards.

mod canvas;
pub mod plot;
