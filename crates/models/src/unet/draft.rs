//! A first guess at the clean latents, made of the prompt alone. An extension of ours.
//!
//! To put a thing where it belongs, a U-Net has to make a picture out of words that say the same at
//! every pixel, with convolutions that do the same at every pixel. It learns that, but slowly: on
//! small data a plain network of a hundredth of its cost is far ahead of it (see ARCHITECTURE.md).
//! So that network makes a draft, and the U-Net sees the draft beside the noisy latents: the
//! concatenation of Rombach et al. 2022, section 3.3, with a conditioning that is learned.

use aquatint_nn::{Bias, Conv2d, Linear, Module};
use aquatint_tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::config::{MOST_CHANNELS, check_sizes};

/// The key `draft` of a U-Net's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftConfig {
    /// Words of a context; those of other lengths are cut or repeat their last word.
    pub tokens: usize,
    /// Channels that are kept of each word.
    pub token_channels: usize,
    /// Width of the two layers between.
    pub hidden_size: usize,
    /// Height and width of the draft.
    pub size: usize,
}

impl DraftConfig {
    /// Tells what cannot be built.
    pub(super) fn validate(&self) -> Result<(), String> {
        let Self { tokens, token_channels, hidden_size, size } = *self;
        check_sizes(
            MOST_CHANNELS,
            &[
                ("draft.tokens", tokens),
                ("draft.token_channels", token_channels),
                ("draft.hidden_size", hidden_size),
            ],
        )?;
        check_sizes(1 << 7, &[("draft.size", size)])?;
        check_sizes(MOST_CHANNELS, &[("draft.tokens · token_channels", tokens * token_channels)])
    }
}

/// Three layers from a context to a small picture, and a convolution from there into the U-Net.
#[derive(Clone, Debug, Module)]
pub struct Draft {
    token_proj: Linear,
    linear_1: Linear,
    linear_2: Linear,
    linear_3: Linear,
    conv: Conv2d,
    #[module(skip)]
    config: DraftConfig,
}

impl Draft {
    /// From words of `context` channels to pictures of `latents` channels, and from these to the
    /// U-Net's `channels`.
    pub(super) fn new(
        config: &DraftConfig,
        context: usize,
        latents: usize,
        channels: usize,
    ) -> Self {
        let DraftConfig { tokens, token_channels, hidden_size, size } = *config;
        let linear = |inputs, outputs| Linear::new(inputs, outputs, Bias::Yes);
        Self {
            token_proj: linear(context, token_channels),
            linear_1: linear(tokens * token_channels, hidden_size),
            linear_2: linear(hidden_size, hidden_size),
            linear_3: linear(hidden_size, size * size * latents),
            conv: Conv2d::same3(latents, channels),
            config: config.clone(),
        }
    }

    /// context `[N, T, D]` → the draft `[N, size, size, latents]`.
    #[track_caller]
    pub fn forward(&self, context: &Tensor) -> Tensor {
        let DraftConfig { tokens, token_channels, size, .. } = self.config;
        let n = context.dim(0);
        let words = self.token_proj.forward(&with_tokens(context, tokens));
        let x = words.reshape(&[n, tokens * token_channels]);
        let x = self.linear_1.forward(&x).silu();
        let x = self.linear_2.forward(&x).silu();
        let x = self.linear_3.forward(&x);
        x.reshape(&[n, size, size, x.channels() / (size * size)])
    }

    /// The draft for latents of `[h, w]`, as what the U-Net adds to its first features.
    #[track_caller]
    pub(super) fn features(&self, context: &Tensor, [h, w]: [usize; 2]) -> Tensor {
        self.conv.forward(&resized(&self.forward(context), [h, w]))
    }
}

/// A context cut to `tokens` words, or with its last word repeated.
fn with_tokens(context: &Tensor, tokens: usize) -> Tensor {
    let &[n, t, d] = context.shape() else { panic!("context {:?}", context.shape()) };
    if t == tokens {
        return context.clone();
    }
    let rows: Vec<usize> =
        (0..n).flat_map(|i| (0..tokens).map(move |k| i * t + k.min(t - 1))).collect();
    context.reshape(&[n * t, d]).select_rows(&rows).reshape(&[n, tokens, d])
}

/// The nearest pixels.
fn resized(x: &Tensor, [h, w]: [usize; 2]) -> Tensor {
    let &[n, height, width, c] = x.shape() else { panic!("draft {:?}", x.shape()) };
    if [h, w] == [height, width] {
        return x.clone();
    }
    let nearest = |i: usize, wanted: usize, there: usize| i * there / wanted;
    let row = |y: usize| (0..w).map(move |x| (nearest(y, h, height), nearest(x, w, width)));
    let pixels: Vec<(usize, usize)> = (0..h).flat_map(row).collect();
    let rows: Vec<usize> = (0..n)
        .flat_map(|i| pixels.iter().map(move |(y, x)| (i * height + y) * width + x))
        .collect();
    x.reshape(&[n * height * width, c]).select_rows(&rows).reshape(&[n, h, w, c])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sizes_take_the_nearest_pixels() {
        let x = Tensor::from_fn(&[2, 2, 2, 1], |i| i as f32);
        assert_eq!(resized(&x, [1, 4]).to_vec(), [0.0, 0.0, 1.0, 1.0, 4.0, 4.0, 5.0, 5.0]);
        assert_eq!(resized(&x, [2, 2]).to_vec(), x.to_vec());
    }

    #[test]
    fn other_lengths_are_cut_or_repeat_the_last_word() {
        let x = Tensor::from_fn(&[2, 2, 1], |i| i as f32);
        assert_eq!(with_tokens(&x, 3).to_vec(), [0.0, 1.0, 1.0, 2.0, 3.0, 3.0]);
        assert_eq!(with_tokens(&x, 1).to_vec(), [0.0, 2.0]);
    }
}
