//! The few models that are in memory.

use aquatint_pipeline::attached::Attached;
use aquatint_pipeline::lora::LoraSpec;
use aquatint_pipeline::{
    Components, LatentPreview, Model, ModelConfig, ModelError, Tiling, Upscaler, open_model,
};
use aquatint_tensor::release_idle_memory;

use super::kept::Kept;
use super::models::{Catalogue, Known, ModelFiles};

/// A model in memory.
pub(crate) enum Loaded<'a> {
    /// One that reads words.
    Words(Box<Components>),
    /// One that reads none.
    Wordless(Box<Kept<'a>>),
    /// A network that enlarges.
    Network(Box<Upscaler>),
}

/// A model in memory, and what belongs to it.
pub(crate) struct Held<'a> {
    model: usize,
    loras: Vec<LoraSpec>,
    bytes: u64,
    pub loaded: Loaded<'a>,
    pub preview: Option<LatentPreview>,
    /// What pictures tell of its LoRAs.
    pub attached: Vec<Attached>,
}

/// The models in memory, the one that was used last at the end.
pub(crate) struct Shelf<'a> {
    held: Vec<Held<'a>>,
    most: u64,
}

impl<'a> Shelf<'a> {
    /// For so many bytes of weights.
    pub fn new(most: u64) -> Self {
        Self { held: Vec::new(), most }
    }

    /// The model with these LoRAs, which takes the place of those that were not used for longest.
    pub fn take(
        &mut self,
        catalogue: &'a Catalogue,
        model: usize,
        loras: Vec<LoraSpec>,
    ) -> Result<&Held<'a>, ModelError> {
        let is = |held: &Held<'_>| held.model == model && held.loras == loras;
        if let Some(at) = self.held.iter().position(is) {
            let held = self.held.remove(at);
            self.held.push(held);
        } else {
            let known = &catalogue.all()[model];
            while !self.held.is_empty() && self.bytes() + known.bytes > self.most {
                self.held.remove(0);
                self.tell(catalogue);
                release_idle_memory();
            }
            self.held.push(load(known, model, loras)?);
        }
        self.tell(catalogue);
        Ok(&self.held[self.held.len() - 1])
    }

    /// Forgets all, because nobody knows in which state they are.
    pub fn clear(&mut self, catalogue: &Catalogue) {
        self.held.clear();
        self.tell(catalogue);
    }

    fn bytes(&self) -> u64 {
        self.held.iter().map(|held| held.bytes).sum()
    }

    fn tell(&self, catalogue: &Catalogue) {
        catalogue.tell_loaded(self.held.iter().map(|held| held.model).collect());
    }
}

fn load(known: &Known, model: usize, loras: Vec<LoraSpec>) -> Result<Held<'_>, ModelError> {
    let options = &known.entry.options;
    let attached = loras.iter().map(|lora| {
        let mut attached = Attached::lora(lora, true);
        // Pictures go to others, whom our folders do not concern.
        attached.file = attached.file.file_name().map(Into::into).unwrap_or_default();
        attached
    });
    let attached = attached.collect();
    let (loaded, preview) = match &known.entry.files {
        ModelFiles::Network(weights) => {
            (Loaded::Network(Box::new(Upscaler::of(weights, options)?)), None)
        }
        ModelFiles::Diffusion(source) if ModelConfig::read(source).is_ok() => {
            let mut options = options.clone();
            options.loras.extend(loras.iter().cloned());
            let components = Components::load(source, &options)?;
            let preview = preview(&components)?;
            (Loaded::Words(Box::new(components)), Some(preview))
        }
        ModelFiles::Diffusion(source) => {
            let kept = Box::new(Kept::new(open_model(source, options)?));
            let preview = preview(&*kept)?;
            (Loaded::Wordless(kept), Some(preview))
        }
    };
    release_idle_memory();
    Ok(Held { model, loras, bytes: known.bytes, loaded, preview, attached })
}

/// Colours for latents, from the autoencoder itself.
fn preview(model: &dyn Model) -> Result<LatentPreview, ModelError> {
    let vae = model.decoder()?;
    let channels = model.outline().latent_channels;
    Ok(LatentPreview::fitted(channels, |latents| vae.decode(latents, Tiling::Off)))
}
