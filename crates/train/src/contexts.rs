//! Captions as the frozen text encoder understands them.

use std::collections::HashMap;

use aquatint_pipeline::{TextEncoder, Tokenizer};
use aquatint_tensor::Tensor;
use rayon::prelude::*;

/// Numbers that are kept at most: 1 GiB.
const KEPT: usize = 1 << 28;

/// Remembers what the text encoder said about captions that come again and again.
#[derive(Default)]
pub struct Contexts {
    known: HashMap<String, Vec<f32>>,
    numbers: usize,
}

impl Contexts {
    /// The context of each caption: `[N, T, D]`. Captions for which `recurring` holds are
    /// remembered.
    ///
    /// Each caption goes through the encoder alone, so that its numbers do not depend on the
    /// company it is in or on whether it was remembered, not even in the last bit.
    pub fn of(
        &mut self,
        captions: &[String],
        recurring: impl Fn(usize) -> bool,
        tokenizer: &Tokenizer,
        encoder: &TextEncoder,
    ) -> Tensor {
        let said: Vec<Option<Vec<f32>>> = captions
            .par_iter()
            .map(|caption| {
                (!self.known.contains_key(caption)).then(|| {
                    let ids = tokenizer.encode(caption);
                    encoder.context(&ids, 1).to_vec()
                })
            })
            .collect();
        let width = encoder.config().hidden_size();
        let shape = [captions.len(), tokenizer.max_length(), width];
        let mut whole = Vec::with_capacity(shape.iter().product());
        for (i, (caption, said)) in captions.iter().zip(said).enumerate() {
            match said {
                None => whole.extend_from_slice(&self.known[caption]),
                Some(new) => {
                    whole.extend_from_slice(&new);
                    if recurring(i) && self.numbers + new.len() <= KEPT {
                        self.numbers += new.len();
                        self.known.insert(caption.clone(), new);
                    }
                }
            }
        }
        Tensor::new(whole, &shape)
    }
}
