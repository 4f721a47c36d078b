//! One function for each thing that can be measured.

mod caption;
mod compare;
mod gather;
mod reconstruct;

use std::path::PathBuf;

use crate::Reading;
use crate::distances::KernelOptions;

pub use caption::clip_score;
pub use compare::{fid, inception_score, kid, nearest, prdc};
pub use gather::Input;
pub use reconstruct::reconstruction;

/// How to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// How pictures are read.
    pub reading: Reading,
    /// Parts of the Inception score.
    pub splits: usize,
    /// Which order the parts of the Inception score are in.
    pub seed: u32,
    /// How KID is estimated.
    pub kernel: KernelOptions,
    /// To which neighbour the balls of precision and recall reach.
    pub neighbours: usize,
    /// Where the statistics of the first set are written to.
    pub save: Option<PathBuf>,
}

/// Pictures whose features are kept, unless [`Reading::most`] says otherwise: 400 MB of
/// Inception's.
pub const MOST_KEPT: usize = 50_000;

impl Default for Options {
    fn default() -> Self {
        Self {
            reading: Reading { batch: 16, most: None },
            splits: 10,
            seed: 2020,
            kernel: KernelOptions::default(),
            neighbours: 5,
            save: None,
        }
    }
}

/// "FD-EffNet" → "fd_effnet".
fn key(title: &str) -> String {
    title.to_lowercase().replace([' ', '-'], "_")
}
