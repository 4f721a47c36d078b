//! A table of vectors.

use aquatint_tensor::{Tensor, Use};

use crate::{Init, Module, Param};

/// One vector for each id.
#[derive(Clone, Debug, Module)]
pub struct Embedding {
    /// `[ids, channels]`
    pub weight: Param,
}

impl Embedding {
    /// A table of `ids` vectors that begin as Gaussian noise of standard deviation `std`
    /// (PyTorch's default is 1).
    pub fn new(ids: usize, channels: usize, std: f32) -> Self {
        Self { weight: Param::new(&[ids, channels], Init::Normal(std)).used_as(Use::Table) }
    }

    /// The vectors of `ids` → `prefix + [channels]`, where `prefix` is the shape of the ids.
    ///
    /// # Panics
    /// If there are more or fewer ids than `prefix` says, or an id is not in the table.
    #[track_caller]
    pub fn forward(&self, ids: &[u32], prefix: &[usize]) -> Tensor {
        self.weight.value().embedding(ids, prefix)
    }
}
