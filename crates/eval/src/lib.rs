//! Measures pictures: how far a set of them is from another (FID, KID, precision and recall), how
//! good they are by themselves (Inception score, CLIP score), and what an autoencoder loses.
//!
//! The mathematics is in [`distances`] and [`quality`], functions of numbers, in f64; networks come
//! in as [`Features`]; [`measure`] reads pictures a batch at a time and puts it together; a
//! [`Report`] is what came out. This crate knows no command line and no clock.

mod clip;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
pub mod distances;
mod error;
mod features;
mod inception;
pub mod linear;
pub mod measure;
mod network;
mod perceptual;
mod pictures;
pub mod quality;
mod report;
mod statistics;
mod watch;

pub use clip::Clip;
pub use error::EvalError;
pub use features::{Features, Looked, PerceptualDistance};
pub use inception::{Inception, Resizing};
pub use network::open_features;
pub use perceptual::{EfficientNet, open_distance};
pub use pictures::{Named, Pictures, Reading, Skipped};
pub use report::{Figure, Histogram, Report, SetReport, Sheet};
pub use statistics::{Moments, Statistics};
pub use watch::Watch;
