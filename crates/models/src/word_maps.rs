//! Which words the pixels of a picture look at.

use std::sync::{Mutex, PoisonError};

use aquatint_tensor::{Mask, Tensor};

/// How much attention each word of a prompt gets from each place of a picture: cross-attention's
/// probabilities, averaged over heads, layers and steps (Tang et al. 2022, arXiv:2210.04885,
/// section 2.2, but one map for each resolution). Shared with a [`Context`](crate::Context), it
/// hears every layer that looks at that.
#[derive(Debug, Default)]
pub struct WordMaps(Mutex<Vec<WordMap>>);

/// The maps of all words at one resolution.
#[derive(Clone, Debug)]
pub struct WordMap {
    /// Places in the picture, row by row.
    pub places: usize,
    /// Words, those that fill the prompt up included.
    pub words: usize,
    /// Sums over `heard` layers, `[places, words]`.
    sums: Vec<f32>,
    heard: usize,
}

impl WordMap {
    /// The share of `word` at each place, 0 to 1: what all words get at a place is 1.
    pub fn of(&self, word: usize) -> Vec<f32> {
        let shares = self.sums.chunks_exact(self.words);
        shares.map(|shares| shares[word] / self.heard as f32).collect()
    }
}

impl WordMaps {
    /// The maps, those of the most places first.
    pub fn maps(&self) -> Vec<WordMap> {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        maps.sort_by_key(|map| std::cmp::Reverse(map.places));
        maps
    }

    /// Hears the queries `[1, Tq, C]` of a layer that looks at the keys `[1, Tk, C]`.
    #[track_caller]
    pub(crate) fn hear(&self, q: &Tensor, k: &Tensor, heads: usize) {
        let (&[1, places, channels], &[1, words, _]) = (q.shape(), k.shape()) else {
            panic!("maps of queries {:?} and keys {:?}", q.shape(), k.shape())
        };
        let depth = channels / heads;
        let mut shares = vec![0.0; places * words];
        for first in (0..words).step_by(depth) {
            // Where values are 1 for one word and 0 for the others, attention to them is what the
            // word gets. There is room for as many words as a head has channels.
            let values = Tensor::from_fn(&[1, words, channels], |i| {
                let (word, lane) = (i / channels, i % channels % depth);
                if word == first + lane { 1.0 } else { 0.0 }
            });
            let got = q.attention(k, &values, heads, Mask::None).to_vec();
            let here = depth.min(words - first);
            for (shares, got) in shares.chunks_exact_mut(words).zip(got.chunks_exact(channels)) {
                for head in got.chunks_exact(depth) {
                    for (share, got) in shares[first..][..here].iter_mut().zip(head) {
                        *share += got / heads as f32;
                    }
                }
            }
        }
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = maps.iter_mut().find(|map| (map.places, map.words) == (places, words));
        match known {
            Some(map) => {
                map.sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
                map.heard += 1;
            }
            None => maps.push(WordMap { places, words, sums: shares, heard: 1 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aquatint_nn::{Bias, ModuleExt};
    use aquatint_tensor::Rng;

    use super::*;
    use crate::Context;
    use crate::attention::Attention;

    /// The softmax of the products, spelt out.
    fn plain(q: &[f32], k: &[f32], heads: usize, [places, words, c]: [usize; 3]) -> Vec<f32> {
        let d = c / heads;
        let mut shares = vec![0.0; places * words];
        for (place, head) in (0..places).flat_map(|p| (0..heads).map(move |h| (p, h))) {
            let scores: Vec<f32> = (0..words)
                .map(|word| {
                    let at = |x: &[f32], row: usize| x[row * c + head * d..][..d].to_vec();
                    let (q, k) = (at(q, place), at(k, word));
                    q.iter().zip(&k).map(|(a, b)| a * b).sum::<f32>() / (d as f32).sqrt()
                })
                .collect();
            let sum: f32 = scores.iter().map(|s| s.exp()).sum();
            for (word, score) in scores.iter().enumerate() {
                shares[place * words + word] += score.exp() / sum / heads as f32;
            }
        }
        shares
    }

    #[test]
    fn shares_are_those_of_the_softmax() {
        // More words than a head has channels, in two heads.
        let (places, words, c, heads) = (6, 7, 6, 2);
        let mut rng = Rng::new(1);
        let (q, k) = (rng.randn(&[1, places, c]), rng.randn(&[1, words, c]));
        let maps = WordMaps::default();
        maps.hear(&q, &k, heads);
        let expected = plain(&q.to_vec(), &k.to_vec(), heads, [places, words, c]);
        let [map] = &maps.maps()[..] else { panic!("one resolution") };
        for word in 0..words {
            for (place, share) in map.of(word).into_iter().enumerate() {
                assert!((share - expected[place * words + word]).abs() < 1e-6, "{place} {word}");
            }
        }
        // Means, however often.
        let once = map.of(3);
        maps.hear(&q, &k, heads);
        assert_eq!(maps.maps()[0].of(3), once);
    }

    #[test]
    fn a_context_with_a_listener_changes_nothing_and_tells_of_one_row() {
        let mut attention = Attention::new(8, 5, 2, Bias::No);
        attention.init(3);
        let mut rng = Rng::new(4);
        let (x, words) = (rng.randn(&[2, 4, 8]), rng.randn(&[2, 3, 5]));
        let plain = attention.forward_to(&x, &Context::new(words.clone()), &x);
        let maps = Arc::new(WordMaps::default());
        let context = Context::new(words).heard_by(1, maps.clone());
        assert_eq!(attention.forward_to(&x, &context, &x).to_vec(), plain.to_vec());
        let [map] = &maps.maps()[..] else { panic!("one resolution") };
        assert_eq!((map.places, map.words), (4, 3));
        let all: Vec<f32> = (0..3).map(|word| map.of(word)[2]).collect();
        assert!((all.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{all:?}");
    }
}
