//! What an in-painting U-Net sees beside the noisy latents: the mask, and the latents of what is
//! left of the picture (Rombach et al. 2022, section 4.5; the channels are in Stable Diffusion's
//! order).

use aquatint_pipeline::Autoencoder;
use aquatint_tensor::{Rng, Tensor};

use crate::masks::{Mask, at_latents, masked};
use crate::part::Part;
use crate::pictures::{View, batch};

/// Channels beside latents of `channels` channels.
pub fn channels_beside(channels: usize) -> usize {
    1 + channels
}

/// Some pictures, and what is painted of each.
pub struct Holes {
    /// The pictures without what is painted, `[N, size, size, 3]`.
    pub pictures: Tensor,
    masks: Vec<Mask>,
}

impl Holes {
    /// Draws a mask for each of these views of width `size`, a part of those of a step.
    pub fn draw(views: &[View<'_>], size: usize, part: Part, rng: &mut Rng) -> Self {
        let masks = (0..views.len() * part.of).map(|_| Mask::draw(size, rng)).collect();
        let masks: Vec<Mask> = part.share(masks);
        Self { pictures: masked(&batch(views, size, size), &masks), masks }
    }

    /// `[N, h, w, 1 + C]`: the mask, then the latents of the pictures.
    pub fn beside(&self, vae: &Autoencoder<'_>) -> Tensor {
        let mask = at_latents(&self.masks, vae.downsampling_factor());
        Tensor::cat([&mask, &vae.mode(&self.pictures)])
    }
}

#[cfg(test)]
mod tests {
    use aquatint_models::AutoencoderKLConfig;
    use aquatint_nn::ModuleExt;
    use aquatint_pipeline::AutoencoderConfig;

    use super::*;
    use crate::data::Drawing;

    #[test]
    fn the_mask_comes_first_and_what_is_under_it_is_not_seen() {
        let config = AutoencoderKLConfig {
            norm_num_groups: 4,
            block_out_channels: vec![8],
            ..Default::default()
        };
        let mut vae = Autoencoder::new(&AutoencoderConfig::Kl(config.clone()));
        vae.init(3);
        let white = Drawing { pixels: vec![255; 16 * 16 * 4], ..Drawing::default() };
        let black = Drawing { pixels: vec![0; 16 * 16 * 4], ..Drawing::default() };
        let of = |drawing: &Drawing| {
            let views = [View::whole(drawing, [0; 3]); 9];
            let holes = Holes::draw(&views, 16, Part::WHOLE, &mut Rng::new(8));
            let beside = holes.beside(&vae);
            assert_eq!(beside.shape(), [9, 16, 16, 1 + config.latent_channels]);
            let part = |start, len| beside.narrow(start, len).to_vec();
            (holes.masks, part(0, 1), part(1, 4))
        };
        let (masks, mask, latents) = of(&white);
        let (_, other_mask, other_latents) = of(&black);
        let painted = masks.iter().flat_map(|mask| &mask.painted).map(|&p| f32::from(p));
        assert!(mask == painted.collect::<Vec<f32>>() && mask == other_mask);
        let everything = masks.iter().position(|mask| mask.share() == 1.0);
        for (i, mask) in masks.iter().enumerate() {
            let of = |latents: &[f32]| latents[i * 16 * 16 * 4..][..16 * 16 * 4].to_vec();
            let same = of(&latents) == of(&other_latents);
            assert_eq!(same, mask.share() == 1.0, "picture {i}");
        }
        assert!(everything.is_some(), "the seed should draw a mask of everything");
    }
}
