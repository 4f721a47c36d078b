//! The pictures of a step, and what they are called in it.

use aquatint_tensor::Rng;

use super::{Diffusion, DiffusionTask};
use crate::captions::{self, Form};
use crate::part::Part;

/// A part of the pictures of a step, and a caption for each.
pub(super) struct Captioned {
    /// The number of a training picture, and that of its background.
    pub(super) chosen: Vec<(usize, usize)>,
    /// What is said of it.
    pub(super) captions: Vec<String>,
    /// Whether the caption comes again and again.
    pub(super) recurring: Vec<bool>,
}

impl Diffusion {
    /// Draws captions for the pictures of a step, and the backgrounds that these name.
    pub(super) fn captioned(&mut self, step: u64, part: Part, rng: &mut Rng) -> Captioned {
        let DiffusionTask { variants_per_image, empty_captions, .. } = self.config.task;
        let batch = self.denoising.batch(step);
        let mut chosen = Vec::with_capacity(batch.len());
        let mut captions = Vec::with_capacity(batch.len());
        let mut recurring = Vec::with_capacity(batch.len());
        if let Some(layouts) = &self.layouts {
            for i in batch {
                chosen.push((i, rng.below(variants_per_image)));
                let empty = rng.uniform() < empty_captions;
                captions.push(if empty { String::new() } else { layouts.of_train[i].clone() });
            }
            let (chosen, captions) = (part.share(chosen), part.share(captions));
            return Captioned { recurring: vec![false; captions.len()], chosen, captions };
        }
        for i in batch {
            let drawing = &self.denoising.data.train[i];
            let form = Form::draw(rng);
            let variant = if form.names_colour() { rng.below(variants_per_image) } else { 0 };
            let colour = self.denoising.colour((i, variant));
            let caption = captions::write(drawing, form, colour, rng);
            let empty = rng.uniform() < empty_captions;
            chosen.push((i, variant));
            captions.push(if empty { String::new() } else { caption });
            recurring.push(empty || form == Form::Plain);
        }
        Captioned {
            chosen: part.share(chosen),
            captions: part.share(captions),
            recurring: part.share(recurring),
        }
    }
}
