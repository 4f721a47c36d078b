//! What sets of pictures are compared by, each with its paper: functions of features.

mod frechet;
mod inception_score;
mod kernel;
mod manifold;

pub use frechet::frechet_distance;
pub use inception_score::{InceptionScore, inception_score};
pub use kernel::{KernelDistance, KernelOptions, kernel_distance};
pub use manifold::{Manifolds, Neighbour, manifolds, nearest};
