//! The loss of drafts, for a U-Net that makes drafts of the prompt alone.

use aquatint_tensor::{Rng, Tensor};

use super::{Diffusion, DiffusionTask};
use crate::captions;
use crate::part::Part;

impl Diffusion {
    /// How far drafts of plain captions are from the latents.
    pub(super) fn draft_loss(&mut self, part: Part, rng: &mut Rng) -> Option<Tensor> {
        let DiffusionTask { variants_per_image, draft_batch_size, .. } = self.config.task;
        if self.config.model.unet.draft.is_none() || draft_batch_size == 0 {
            return None;
        }
        let pictures = self.denoising.data.train.len();
        let chosen: Vec<(usize, usize)> = (0..draft_batch_size)
            .map(|_| (rng.below(pictures), rng.below(variants_per_image)))
            .collect();
        let chosen = part.share(chosen);
        let caption = |&chosen: &(usize, usize)| {
            captions::plain(&self.denoising.data.train[chosen.0], self.denoising.colour(chosen))
        };
        let captions: Vec<String> = chosen.iter().map(caption).collect();
        let context = self.networks.contexts(&captions, |_| true);
        let draft = self.networks.components.unet.draft(&context)?;
        Some(draft.sub(&self.denoising.x0(&chosen)).sqr().mean())
    }
}
