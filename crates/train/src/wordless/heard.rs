//! What the network is told about pictures.

use aquatint_tensor::{Rng, Tensor};

use super::Wordless;
use crate::conditioning::Conditioning;
use crate::denoising::Denoising;
use crate::part::Part;
use crate::pictures::{View, small_batch};

/// What the network hears of some pictures.
pub(super) enum Heard {
    /// Not a thing.
    Nothing,
    /// The numbers of their classes.
    Classes(Vec<usize>),
    /// Small pictures, `[N, h, w, 3]`.
    Small(Tensor),
}

/// Noise on small pictures: none, or that of a stream, with these deviations.
pub(super) struct Noise(Option<(Vec<f32>, Part, Rng)>);

impl Noise {
    /// No noise.
    pub(super) const NONE: Self = Self(None);

    /// Up to `most` for each of the part's pictures, of `count` in all.
    pub(super) fn draw(most: f64, count: usize, part: Part, rng: &mut Rng) -> Self {
        let deviations = (0..count).map(|_| (most * rng.uniform()) as f32).collect();
        Self(Some((part.share(deviations), part, Rng::new(rng.below(1 << 32) as u64))))
    }

    /// The pictures, `[N, h, w, 3]`, with the noise.
    fn on(&self, pictures: Tensor) -> Tensor {
        match &self.0 {
            None => pictures,
            Some((deviations, part, rng)) => {
                let noise = part.randn(pictures.shape(), &mut rng.clone());
                pictures.add(&noise.scale_per_picture(deviations))
            }
        }
    }
}

impl Wordless {
    /// The network's answer for pictures of which it hears this.
    pub(super) fn answer(&self, xt: &Tensor, timesteps: &[f32], heard: &Heard) -> Tensor {
        match heard {
            Heard::Nothing => self.unet.forward(xt, timesteps, None),
            Heard::Classes(classes) => {
                let labels = Tensor::from_fn(&[classes.len()], |i| classes[i] as f32);
                self.unet.forward(xt, timesteps, Some(&labels))
            }
            Heard::Small(small) => self.unet.forward(&Tensor::cat([xt, small]), timesteps, None),
        }
    }

    /// What is heard of these views, which have these classes.
    pub(super) fn heard(&self, views: &[View<'_>], classes: Vec<usize>, noise: &Noise) -> Heard {
        match self.config.task.conditioning {
            Conditioning::Class => Heard::Classes(classes),
            Conditioning::LowResolution => {
                let Denoising { data, side, .. } = &self.denoising;
                Heard::Small(noise.on(small_batch(views, data.size, *side)))
            }
            _ => Heard::Nothing,
        }
    }
}
