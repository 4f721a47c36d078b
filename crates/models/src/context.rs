//! What attention across looks at.

use std::sync::{Arc, Mutex, PoisonError};

use aquatint_nn::Linear;
use aquatint_tensor::{Epilogue, Tensor};

use crate::WordMaps;

/// The words of a prompt, and what the layers have made of them: every step of a picture looks at
/// the same words, so each layer's keys and values are made once.
#[derive(Debug)]
pub struct Context {
    words: Tensor,
    /// Weights, and the results of their layers.
    made: Mutex<Vec<(Tensor, Tensor)>>,
    /// Who wants to know what the pixels of one of the B look at.
    listener: Option<(usize, Arc<WordMaps>)>,
}

impl Context {
    /// Of words `[B, T, channels]`.
    pub fn new(words: Tensor) -> Self {
        Self { words, made: Mutex::default(), listener: None }
    }

    /// The same, with every layer that looks at the words of number `row` of the B told to `maps`.
    pub fn heard_by(self, row: usize, maps: Arc<WordMaps>) -> Self {
        Self { listener: Some((row, maps)), ..self }
    }

    /// Tells who listens of queries `[B, Tq, C]` for keys `[B, Tk, C]`, which are made if there is
    /// somebody.
    pub(crate) fn tell(&self, heads: usize, queries: impl FnOnce() -> Tensor, keys: &Tensor) {
        if let Some((row, maps)) = &self.listener {
            let one = |x: Tensor| Tensor::new(x.to_vec(), x.shape()).narrow_rows(*row, 1);
            maps.hear(&one(queries()), &one(keys.clone()), heads);
        }
    }

    /// The words `[B, T, channels]`.
    pub fn words(&self) -> &Tensor {
        &self.words
    }

    /// What `layer` makes of the words, for attention alone. It is kept as long as the context,
    /// unless it is tracked.
    #[track_caller]
    pub fn through(&self, layer: &Linear) -> Tensor {
        let weight = layer.weight.value();
        let made = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // The weight is known by where its numbers are; as it is kept, no other takes their place.
        let known = made().iter().find(|(w, _)| w.is_same(weight)).map(|(_, y)| y.clone());
        known.unwrap_or_else(|| {
            let y = layer.forward_with(&self.words, &Epilogue::rounded());
            if !y.is_tracked() {
                made().push((weight.clone(), y.clone()));
            }
            y
        })
    }
}

impl From<&Tensor> for Context {
    fn from(words: &Tensor) -> Self {
        Self::new(words.clone())
    }
}

#[cfg(test)]
mod tests {
    use aquatint_nn::{Bias, ModuleExt};
    use aquatint_tensor::Rng;

    use super::*;

    #[test]
    fn each_layer_is_asked_once() {
        let context = Context::new(Rng::new(1).randn(&[2, 3, 4]));
        let layers = [1, 2].map(|seed| {
            let mut layer = Linear::new(4, 6, Bias::No);
            layer.init(seed);
            layer
        });
        for layer in [&layers[0], &layers[1], &layers[0]] {
            let expected = layer.forward(context.words());
            assert_eq!(context.through(layer).to_vec(), expected.to_vec());
        }
        assert!(context.through(&layers[0]).is_same(&context.through(&layers[0])));
        assert!(!context.through(&layers[0]).is_same(&context.through(&layers[1])));
    }

    #[test]
    fn what_is_trained_is_made_anew() {
        let context = Context::new(Rng::new(1).randn(&[1, 3, 4]));
        let mut layer = Linear::new(4, 6, Bias::No);
        layer.init(1);
        layer.track();
        assert!(context.through(&layer).is_tracked());
        assert!(!context.through(&layer).is_same(&context.through(&layer)));
    }
}
