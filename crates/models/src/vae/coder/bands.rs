//! Pictures whose activations are too large to be whole in memory, in bands.

use aquatint_nn::GroupNorm;
use aquatint_tensor::{GroupMoments, Tensor, release_idle_memory};

use super::{Decoder, Encoder, through};
use crate::bands::{Bands, First, Rows, Source, downsample};
use crate::vae::tiling::Limits;

impl Encoder {
    /// image `[1, H, W, inputs]` → `[1, H/f, W/f, outputs]`, levels with activations beyond the
    /// limits in bands.
    #[track_caller]
    pub(in crate::vae) fn forward_bands(&self, image: &Tensor, limits: Limits) -> Tensor {
        let plain = |bands| Source { bands, first: First::Nothing, most: limits.band };
        let bands = Bands::whole(image.clone());
        let mut source = Source { first: First::Conv(&self.conv_in), ..plain(bands) };
        for block in &self.down_blocks {
            if source.elements() <= limits.whole || !block.attentions.is_empty() {
                let mut x = through(&block.resnets, &block.attentions, source.join());
                for downsampler in &block.downsamplers {
                    x = downsampler.forward(&x);
                }
                source = plain(Bands::whole(x));
                continue;
            }
            for resnet in &block.resnets {
                source = plain(resnet.forward_bands(source));
            }
            for downsampler in &block.downsamplers {
                source = plain(downsample(downsampler.conv(), source));
            }
        }
        let x = self.mid_block.forward(source.join());
        self.conv_out.forward(&self.conv_norm_out.forward_silu(&x))
    }
}

impl Decoder {
    /// latents `[1, h, w, inputs]` → `[1, f·h, f·w, outputs]`, levels with activations beyond the
    /// limits in bands.
    #[track_caller]
    pub(in crate::vae) fn forward_bands(&self, latents: &Tensor, limits: Limits) -> Tensor {
        let plain = |bands| Source { bands, first: First::Nothing, most: limits.band };
        let x = self.mid_block.forward(self.conv_in.forward(latents));
        let mut source = plain(Bands::whole(x));
        for block in &self.up_blocks {
            if source.elements() <= limits.whole || !block.attentions.is_empty() {
                let x = through(&block.resnets, &block.attentions, source.join());
                source = plain(Bands::whole(x));
            } else {
                // What the levels before left is of other sizes.
                release_idle_memory();
                for resnet in &block.resnets {
                    source = plain(resnet.forward_bands(source));
                }
            }
            if let Some(upsampler) = block.upsamplers.first() {
                source.first = First::Upsample(upsampler.conv());
            }
        }
        let moments = moments(&self.conv_norm_out, &source);
        let mut conv_out = Rows::new(&self.conv_out);
        let mut image = Bands::default();
        source.drain(|x, last| {
            let x = self.conv_norm_out.forward_silu_band(&x, &moments);
            if let Some(rows) = conv_out.push(x, last) {
                image.push(rows);
            }
        });
        image.join()
    }
}

fn moments(norm: &GroupNorm, source: &Source) -> GroupMoments {
    let mut moments = GroupMoments::default();
    source.each(|x, _| norm.add_moments(&x, &mut moments));
    moments
}
