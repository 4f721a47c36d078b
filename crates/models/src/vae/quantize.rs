//! Vectors from a codebook instead of any vectors (van den Oord et al. 2017, section 3.1).

use aquatint_nn::{Embedding, Init, Module};
use aquatint_tensor::Tensor;

/// Weight of the loss that draws the codebook towards the encoder. The paper has it on the other
/// term; the published models were trained with it here, by a mistake that they share.
const BETA: f32 = 0.25;

/// What latents became.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The nearest vectors of the codebook; their gradient goes straight through to the latents.
    /// `[N, h, w, D]`
    pub latents: Tensor,
    /// Their numbers, N·h·w of them.
    pub indices: Vec<u32>,
    /// What draws latents and codebook to each other (van den Oord et al. 2017, equation 3,
    /// second and third term). One number.
    pub loss: Tensor,
}

/// A codebook.
#[derive(Clone, Debug, Module)]
pub struct VectorQuantizer {
    embedding: Embedding,
}

impl VectorQuantizer {
    /// A codebook of `count` vectors of `channels` numbers.
    pub fn new(count: usize, channels: usize) -> Self {
        let mut embedding = Embedding::new(count, channels, 1.0);
        embedding.weight.set_init(Init::Uniform(1.0 / count as f32));
        Self { embedding }
    }

    /// latents `[N, h, w, D]` → the nearest vectors.
    #[track_caller]
    pub fn forward(&self, latents: &Tensor) -> Quantized {
        let codebook = self.embedding.weight.value().to_vec();
        let indices = nearest(&latents.to_vec(), &codebook, latents.channels());
        let entries = self.lookup(&indices, &latents.shape()[..latents.shape().len() - 1]);
        let to_codebook = entries.detach().sub(latents).sqr().mean();
        let to_latents = entries.sub(&latents.detach()).sqr().mean();
        Quantized {
            loss: to_codebook.add(&to_latents.scale(BETA)),
            latents: latents.add(&entries.sub(latents).detach()),
            indices,
        }
    }

    /// Vectors by their numbers → `prefix + [D]`.
    ///
    /// # Panics
    /// If there are more or fewer numbers than `prefix` says, or one is not in the codebook.
    #[track_caller]
    pub fn lookup(&self, indices: &[u32], prefix: &[usize]) -> Tensor {
        self.embedding.forward(indices, prefix)
    }
}

/// For each vector of `channels` numbers the first of the nearest in the codebook.
///
/// Distances are sums of squared differences, entry beside entry, which is exact where the
/// expansion into products loses digits, and as fast for the three to eight channels there are.
fn nearest(vectors: &[f32], codebook: &[f32], channels: usize) -> Vec<u32> {
    let count = codebook.len() / channels;
    let columns: Vec<Vec<f32>> = (0..channels)
        .map(|c| codebook.iter().skip(c).step_by(channels).copied().collect())
        .collect();
    let mut distances = vec![0.0f32; count];
    let index = |vector: &[f32]| {
        distances.fill(0.0);
        for (&x, column) in vector.iter().zip(&columns) {
            for (distance, e) in distances.iter_mut().zip(column) {
                *distance += (x - e) * (x - e);
            }
        }
        let mut best = 0;
        for (i, distance) in distances.iter().enumerate() {
            if *distance < distances[best] {
                best = i;
            }
        }
        best as u32
    };
    vectors.chunks_exact(channels).map(index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codebook() -> VectorQuantizer {
        let mut quantizer = VectorQuantizer::new(4, 2);
        let entries = vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        quantizer.embedding.weight.set(Tensor::new(entries, &[4, 2]));
        quantizer
    }

    #[test]
    fn the_nearest_entry_and_of_two_the_first() {
        let latents = Tensor::new(vec![0.9, 0.2, -3.0, 0.4, 0.1, 0.8], &[1, 1, 3, 2]);
        let quantized = codebook().forward(&latents);
        assert_eq!(quantized.indices, [1, 0, 2]);
        let expected = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        for (actual, expected) in quantized.latents.to_vec().into_iter().zip(expected) {
            assert!((actual - expected).abs() < 1e-6, "{:?}", quantized.latents);
        }
        assert_eq!(codebook().lookup(&[2, 3], &[1, 2, 1]).to_vec(), [0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn gradients_go_straight_through_to_the_latents() {
        let latents = Tensor::new(vec![0.9, 0.2], &[1, 1, 1, 2]).tracked();
        let grads = codebook().forward(&latents).latents.scale(3.0).sum().backward();
        assert_eq!(grads.get(&latents).expect("a gradient").to_vec(), [3.0, 3.0]);
    }
}
