//! A class as the context of a U-Net: one word of one vector (Rombach et al. 2022, appendix E.2).

use aquatint_nn::{Embedding, Module};
use aquatint_tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::config::{MOST_CHANNELS, check_sizes};

/// The configuration, with the keys of the paper's code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassEmbedderConfig {
    /// Rows of the table. The last of 1001 stands for no class, for guidance.
    pub n_classes: usize,
    /// Channels of the context.
    pub embed_dim: usize,
}

impl Default for ClassEmbedderConfig {
    fn default() -> Self {
        Self { n_classes: 1001, embed_dim: 512 }
    }
}

impl ClassEmbedderConfig {
    /// Tells what we cannot build.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn validate(&self) -> Result<(), String> {
        let Self { n_classes, embed_dim } = *self;
        check_sizes(MOST_CHANNELS, &[("n_classes", n_classes), ("embed_dim", embed_dim)])
    }
}

/// A table with a vector for each class.
#[derive(Clone, Debug, Module)]
pub struct ClassEmbedder {
    embedding: Embedding,
    #[module(skip)]
    config: ClassEmbedderConfig,
}

impl ClassEmbedder {
    /// The table without its numbers.
    ///
    /// # Panics
    /// If [`ClassEmbedderConfig::validate`] finds an error.
    #[track_caller]
    pub fn new(config: &ClassEmbedderConfig) -> Self {
        if let Err(error) = config.validate() {
            panic!("class embedder configuration: {error}");
        }
        let embedding = Embedding::new(config.n_classes, config.embed_dim, 1.0);
        Self { embedding, config: config.clone() }
    }

    /// What it was built from.
    pub fn config(&self) -> &ClassEmbedderConfig {
        &self.config
    }

    /// Numbers of N classes → context `[N, 1, embed_dim]`.
    ///
    /// # Panics
    /// If a number is not below `n_classes`.
    #[track_caller]
    pub fn forward(&self, classes: &[u32]) -> Tensor {
        self.embedding.forward(classes, &[classes.len(), 1])
    }
}

#[cfg(test)]
mod tests {
    use aquatint_nn::ModuleExt;

    use super::*;

    #[test]
    fn a_class_is_a_context_of_one_word() {
        let config = ClassEmbedderConfig { n_classes: 3, embed_dim: 4 };
        let mut model = ClassEmbedder::new(&config);
        assert_eq!(model.named_parameters()[0].0, "embedding.weight");
        model.init(1);
        let context = model.forward(&[2, 0, 2]);
        assert_eq!(context.shape(), [3, 1, 4]);
        assert_eq!(context.narrow_rows(0, 1).to_vec(), context.narrow_rows(2, 1).to_vec());
        assert!(ClassEmbedderConfig { n_classes: 0, embed_dim: 4 }.validate().is_err());
    }
}
