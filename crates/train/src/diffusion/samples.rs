//! What the network can do, as a sheet.

use aquatint_diffusion::Condition;
use aquatint_pipeline::{Picture, Tiling, contact_sheet, decode, square_columns};
use aquatint_tensor::{Rng, Tensor};

use super::Diffusion;
use crate::captions;
use crate::colours::{COLOURS, WHITE};
use crate::denoising::AT_ONCE;
use crate::inpainting::Holes;
use crate::part::Part;
use crate::pictures::View;

/// Held-out pictures that in-painting is shown on: two rows of eight.
const COMPLETED: usize = 16;
/// Held-out layouts that samples are drawn of.
const SHOWN: usize = 16;

impl Diffusion {
    /// Pictures of the prompts of the configuration.
    pub(super) fn prompted(&mut self) -> Option<Picture> {
        let prompts = match (&self.layouts, self.config.task.prompts.is_empty()) {
            (Some(layouts), true) => layouts.shown(SHOWN),
            _ => self.config.task.prompts.clone(),
        };
        let mut pictures = Vec::new();
        for (i, some) in prompts.chunks(AT_ONCE / 2).enumerate() {
            pictures.extend(self.drawn(some, None, (i * AT_ONCE / 2) as u64)?);
        }
        let columns = square_columns(pictures.len());
        (!pictures.is_empty()).then(|| contact_sheet(&pictures, columns))
    }

    /// Pictures for these prompts by DDIM, every one from a noise of its own.
    fn drawn(
        &mut self,
        prompts: &[String],
        beside: Option<&Tensor>,
        first_seed: u64,
    ) -> Option<Vec<Picture>> {
        let prompted = self.networks.contexts(prompts, |_| false);
        let empty = self.networks.contexts(&vec![String::new(); prompts.len()], |_| false);
        let Self { networks, denoising, config, .. } = &*self;
        let network = |xt: &Tensor, timesteps: &[f32], conditions: &[Condition]| {
            // Guidance asks for both, or at scale 1 for the prompts alone.
            let both = conditions.len() == 2;
            let twice = |x: &Tensor| if both { Tensor::cat_rows([x, x]) } else { x.clone() };
            let context =
                if both { Tensor::cat_rows([&empty, &prompted]) } else { prompted.clone() };
            networks.predict(xt, timesteps, &context, beside.map(twice).as_ref())
        };
        let sampling = denoising.sampling(config.task.sample_steps, config.task.guidance_scale);
        let channels = networks.components.config.unet.out_channels;
        let shape = [prompts.len(), denoising.side, denoising.side, channels];
        let latents = sampling.draw(network, shape, first_seed);
        // Where there are no numbers there is no picture; the loop says so of the next loss.
        decode(&networks.components.vae, &latents, Tiling::Auto).ok()
    }

    /// Held-out pictures with holes, and below each what the network makes of it.
    pub(super) fn completed(&mut self) -> Option<Picture> {
        let drawings = self.denoising.data.shown(COMPLETED);
        if drawings.is_empty() {
            return None;
        }
        let columns = (COMPLETED / 2).min(drawings.len());
        let (mut rng, mut rows) = (Rng::new(0), Vec::new());
        for (i, drawings) in drawings.chunks(columns).enumerate() {
            let views: Vec<View<'_>> =
                drawings.iter().map(|d| View::whole(d, COLOURS[WHITE].rgb)).collect();
            let prompts: Vec<String> = drawings.iter().map(|d| captions::plain(d, WHITE)).collect();
            let size = self.denoising.data.size;
            let holes = Holes::draw(&views, size, Part::WHOLE, &mut rng);
            let beside = holes.beside(&self.networks.components.vae);
            rows.extend(Picture::from_images(&holes.pictures));
            rows.extend(self.drawn(&prompts, Some(&beside), (i * columns) as u64)?);
        }
        Some(contact_sheet(&rows, columns))
    }
}
