//! What the network can do, as a sheet.

use aquatint_diffusion::Condition;
use aquatint_pipeline::{Picture, Tiling, contact_sheet, decode, square_columns};
use aquatint_tensor::Tensor;

use super::Wordless;
use super::heard::{Heard, Noise};
use crate::classes::Classes;
use crate::colours::COLOURS;
use crate::conditioning::Conditioning;
use crate::denoising::{AT_ONCE, Denoising};
use crate::pictures::{View, batch};

/// Columns of a sheet of large pictures over the small ones that they are made of.
const COLUMNS: usize = 8;

impl Wordless {
    /// Samples of the classes in turn or of nothing; or, of held-out pictures, small ones, what
    /// is made of them, and themselves.
    pub(super) fn sheet(&self) -> Option<Picture> {
        let count = self.config.task.samples;
        let Denoising { data, side, .. } = &self.denoising;
        if self.config.task.conditioning != Conditioning::LowResolution {
            let mut pictures = Vec::new();
            for first in (0..count).step_by(AT_ONCE / 2) {
                let some = first..(first + AT_ONCE / 2).min(count);
                let heard = self.classes.as_ref().map_or(Heard::Nothing, |classes| {
                    Heard::Classes(some.clone().map(|i| i % classes.names.len()).collect())
                });
                pictures.extend(self.drawn(&heard, some.len(), first as u64)?);
            }
            return Some(contact_sheet(&pictures, square_columns(pictures.len())));
        }
        let drawings = data.shown(count);
        if drawings.is_empty() {
            return None;
        }
        let views: Vec<View<'_>> = drawings
            .iter()
            .zip(COLOURS.iter().cycle())
            .map(|(drawing, colour)| View::whole(drawing, colour.rgb))
            .collect();
        let mut rows = Vec::new();
        for (i, views) in views.chunks(COLUMNS).enumerate() {
            let heard = self.heard(views, Vec::new(), &Noise::NONE);
            let Heard::Small(small) = &heard else { return None };
            rows.extend(Picture::from_images(&enlarged(small, data.size / side)));
            rows.extend(self.drawn(&heard, views.len(), (i * COLUMNS) as u64)?);
            rows.extend(Picture::from_images(&batch(views, data.size, data.size)));
        }
        Some(contact_sheet(&rows, COLUMNS.min(views.len())))
    }

    /// Samples of which the network hears this. Where there are no numbers there is no picture; the
    /// loop says so of the next loss.
    fn drawn(&self, heard: &Heard, count: usize, first_seed: u64) -> Option<Vec<Picture>> {
        let null = self.classes.as_ref().map_or(0, Classes::null);
        let network = |xt: &Tensor, timesteps: &[f32], conditions: &[Condition]| match heard {
            // Guidance asks for both, or at scale 1 for the classes alone.
            Heard::Classes(classes) if conditions.len() == 2 => {
                let both = [vec![null; classes.len()], classes.clone()].concat();
                self.answer(xt, timesteps, &Heard::Classes(both))
            }
            heard => self.answer(xt, timesteps, heard),
        };
        let task = &self.config.task;
        let sampling = self.denoising.sampling(task.sample_steps, task.guidance_scale);
        let side = self.denoising.side;
        let shape = [count, side, side, self.config.model.unet.out_channels];
        let latents = sampling.draw(network, shape, first_seed);
        decode(&self.vae, &latents, Tiling::Auto).ok()
    }
}

/// Every pixel of `[N, h, w, C]` as a square of `factor` × `factor`.
fn enlarged(small: &Tensor, factor: usize) -> Tensor {
    let mut large = small.clone();
    (0..factor.ilog2()).for_each(|_| large = large.upsample_nearest2());
    large
}
