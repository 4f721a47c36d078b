//! Textual inversion (Gal et al. 2022, arXiv:2208.01618): a new word, of which only the embedding is
//! learned.

use aquatint_nn::{Init, ModuleExt, Param};
use aquatint_pipeline::{Components, TextEncoder};
use aquatint_tensor::Tensor;

use super::config::WordConfig;
use crate::error::TrainError;

/// The word in training.
pub struct Word {
    /// How it is written.
    pub name: String,
    /// Its vectors, `[n, D]`.
    pub vectors: Param,
    /// Those that it begins with.
    start: Tensor,
}

impl Word {
    /// Teaches the components the word, with the meaning of the one that it begins with.
    ///
    /// # Errors
    /// If the text encoder learns no words, the new word means something already or the other one
    /// nothing.
    pub fn new(config: &WordConfig, components: &mut Components) -> Result<Self, TrainError> {
        let wrong = |message: String| Err(TrainError::Data(message));
        let TextEncoder::Clip(encoder) = &mut components.text_encoder else {
            return wrong("the model's text encoder learns no words: it is BERT's".into());
        };
        if components.second_encoder.is_some() {
            return wrong("a word for two text encoders, SDXL's, cannot be trained".into());
        }
        let tokenizer = &mut components.tokenizer;
        let tokens = tokenizer.tokens(&config.start);
        if tokens.is_empty() {
            return wrong(format!("`task.word.start` is {:?}, which is no word", config.start));
        }
        let rows: Vec<usize> =
            (0..config.vectors).map(|i| tokens[i % tokens.len()] as usize).collect();
        let parameters = encoder.named_parameters();
        let table = parameters.iter().find(|(name, _)| name.ends_with("token_embedding.weight"));
        let start = table.expect("a text tower has a table").1.value().select_rows(&rows);
        let ids = encoder.add_tokens(&start).collect();
        tokenizer.add_word(&config.name, ids);
        let mut vectors = Param::new(start.shape(), Init::Zeros);
        vectors.set(start.clone());
        Ok(Self { name: config.name.clone(), vectors, start })
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.vectors.set(self.start.clone());
    }

    /// Has the text encoder use the vectors as they are now.
    pub fn tell(&self, components: &mut Components) {
        if let TextEncoder::Clip(encoder) = &mut components.text_encoder {
            encoder.replace_added(self.vectors.value());
        }
    }
}
