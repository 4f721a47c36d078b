//! Which model is meant, and how it is loaded.

use aquatint_pipeline::attached::Attached;
use aquatint_pipeline::lora::LoraUse;
use aquatint_pipeline::{
    Components, LoadOptions, Model, ModelConfig, ModelSource, open_model, take_loras,
};

use crate::args::{AdapterArgs, DrawArgs, Dtype, MachineArgs};
use crate::failure::Failure;
use crate::{console, embedded};

/// The model that is meant.
pub fn source(draw: &DrawArgs) -> Result<ModelSource, Failure> {
    Ok(match &draw.model {
        Some(path) => {
            ModelSource::open_with(path, draw.parts.family, draw.parts.config.as_deref())?
        }
        None => embedded::model()?,
    })
}

/// How to load a model, and what pictures tell of that.
pub struct Loading {
    pub options: LoadOptions,
    pub attached: Vec<Attached>,
}

impl Loading {
    /// With the LoRAs that the prompt names.
    pub fn new(
        draw: &DrawArgs,
        adapters: &AdapterArgs,
        machine: &MachineArgs,
        prompt: &str,
    ) -> Result<Self, Failure> {
        let (_, asked) = take_loras(prompt);
        let asked = asked.iter().map(|l| (l.name.as_str(), l.weight, l.text_encoder_weight));
        let loras = adapters.specs(asked, draw.model.as_deref())?;
        let given = adapters.lora.len();
        let told = loras.iter().enumerate().map(|(i, lora)| Attached::lora(lora, i >= given));
        let embeddings = adapters.embedding.iter().map(|file| Attached::embedding(file));
        let attached = told.chain(embeddings).collect();
        let options = LoadOptions {
            precision: machine.dtype.into(),
            int8: matches!(machine.dtype, Dtype::Int8),
            parts: draw.parts.replaced(),
            embeddings: adapters.embedding.clone(),
            loras,
            lora_mode: adapters.lora_mode.into(),
            trainable: false,
        };
        Ok(Self { options, attached })
    }
}

/// A model that draws again and again: its parts stay in memory, if it is one with words.
pub fn keep_model<'a>(
    source: &'a ModelSource,
    options: &'a LoadOptions,
) -> Result<Box<dyn Model + 'a>, Failure> {
    Ok(match ModelConfig::read(source) {
        Ok(_) => Box::new(Components::load(source, options)?),
        Err(_) => open_model(source, options)?,
    })
}

/// Says what LoRAs change.
pub fn note_loras(loras: &[LoraUse]) {
    for LoraUse { spec, layers } in loras {
        let count = |n: usize| if n == 1 { "1 layer".into() } else { format!("{n} layers") };
        let layers = layers.iter().map(|(part, n)| format!("{} of {part}", count(*n)));
        let layers: Vec<String> = layers.collect();
        console::note(&format!("lora {spec}: {}", layers.join(", ")));
    }
}
