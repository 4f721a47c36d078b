//! How a step of the diffusion process becomes a vector.

use aquatint_nn::{Bias, Linear, Module};
use aquatint_tensor::Tensor;

/// What comes first in a sinusoidal embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinusoidOrder {
    /// As in Vaswani et al. 2017.
    SinCos,
    /// As in Stable Diffusion (diffusers' `flip_sin_to_cos`).
    CosSin,
}

/// Sinusoidal embedding of timesteps (Ho et al. 2020, after Vaswani et al. 2017, section 3.5):
/// `[N]` → `[N, channels]`.
///
/// Frequency k of K = channels / 2 is 10000^(−k / (K − `freq_shift`)). The arithmetic is f32 at
/// every step, because the published weights were trained on angles rounded that way.
///
/// # Panics
/// If `channels` is odd.
pub fn timestep_embedding(
    timesteps: &[f32],
    channels: usize,
    order: SinusoidOrder,
    freq_shift: f32,
) -> Tensor {
    assert!(channels.is_multiple_of(2), "a sinusoidal embedding of {channels} channels");
    let half = channels / 2;
    let frequencies: Vec<f32> = (0..half)
        .map(|k| {
            let exponent = -(10000f64.ln() as f32) * k as f32 / (half as f32 - freq_shift);
            (exponent as f64).exp() as f32
        })
        .collect();
    let mut out = Vec::with_capacity(timesteps.len() * channels);
    for &t in timesteps {
        let angles = frequencies.iter().map(|f| (t * f) as f64);
        let (sin, cos): (Vec<f32>, Vec<f32>) =
            angles.map(|a| (a.sin() as f32, a.cos() as f32)).unzip();
        let (first, second) = match order {
            SinusoidOrder::SinCos => (sin, cos),
            SinusoidOrder::CosSin => (cos, sin),
        };
        out.extend(first);
        out.extend(second);
    }
    Tensor::new(out, &[timesteps.len(), channels])
}

/// A kind of sinusoidal embedding, as a configuration describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sinusoids {
    /// Sines and cosines of each number.
    pub channels: usize,
    /// diffusers' key of the same name.
    pub flip_sin_to_cos: bool,
    /// See [`timestep_embedding`].
    pub freq_shift: f32,
}

impl Sinusoids {
    /// `[N]` → `[N, channels]`.
    pub(crate) fn of(&self, numbers: &[f32]) -> Tensor {
        let order = match self.flip_sin_to_cos {
            true => SinusoidOrder::CosSin,
            false => SinusoidOrder::SinCos,
        };
        timestep_embedding(numbers, self.channels, order, self.freq_shift)
    }
}

/// The two layers after the sinusoids.
#[derive(Clone, Debug, Module)]
pub struct TimestepEmbedding {
    linear_1: Linear,
    cond_proj: Option<Linear>,
    linear_2: Linear,
}

impl TimestepEmbedding {
    /// From `inputs` sinusoids to `channels`.
    pub fn new(inputs: usize, channels: usize) -> Self {
        Self {
            linear_1: Linear::new(inputs, channels, Bias::Yes),
            cond_proj: None,
            linear_2: Linear::new(channels, channels, Bias::Yes),
        }
    }

    /// The same layers that also hear a condition of so many channels (`time_cond_proj_dim`), or
    /// none.
    pub fn with_condition(mut self, channels: Option<usize>) -> Self {
        let &[_, inputs] = self.linear_1.weight.shape() else { unreachable!("of a linear layer") };
        self.cond_proj = channels.map(|channels| Linear::new(channels, inputs, Bias::No));
        self
    }

    /// x `[N, inputs]` → `[N, channels]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.linear_2.forward(&self.linear_1.forward(x).silu())
    }

    /// [`Self::forward`] of x `[N, inputs]` and the projection of a condition `[N, D]`.
    ///
    /// # Panics
    /// If the layers were not built for a condition.
    #[track_caller]
    pub fn forward_given(&self, x: &Tensor, condition: &Tensor) -> Tensor {
        let Some(cond_proj) = &self.cond_proj else {
            panic!("a time embedding without time_cond_proj_dim was given a condition")
        };
        self.forward(&x.add(&cond_proj.forward(condition)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // from diffusers.models.embeddings import get_timestep_embedding
    // get_timestep_embedding(torch.tensor([1.0, 500.0]), 4, True, 0)
    #[test]
    fn literals() {
        let e = timestep_embedding(&[1.0, 500.0], 4, SinusoidOrder::CosSin, 0.0).to_vec();
        #[rustfmt::skip]
        let expected = [
            0.54030234, 0.99995, 0.84147096, 0.009999833,
            -0.88384926, 0.2836622, -0.4677718, -0.9589243,
        ];
        for (a, b) in e.iter().zip(expected) {
            assert!((a - b).abs() < 1e-6, "{e:?}");
        }
    }

    #[test]
    fn shift_and_order() {
        // With freq_shift 1 the last of two frequencies is 1e-4.
        let e = timestep_embedding(&[1.0], 4, SinusoidOrder::SinCos, 1.0).to_vec();
        assert!((e[1] - 1e-4).abs() < 1e-9, "{e:?}");
        assert!((e[0] - 1f32.sin()).abs() < 1e-6 && (e[2] - 1f32.cos()).abs() < 1e-6, "{e:?}");
    }
}
