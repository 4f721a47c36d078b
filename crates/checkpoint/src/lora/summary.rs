//! What there is to say about a file without a model.

use std::collections::{BTreeMap, BTreeSet};

use super::file::LoraFile;

/// What a file changes, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraSummary {
    /// Kind of change, as [`super::Form::name`] has it → layers; `bias` for biases alone.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Part of a model → layers.
    pub parts: BTreeMap<&'static str, usize>,
    /// The ranks that occur, the smallest first.
    pub ranks: Vec<usize>,
    /// What changes are multiplied by, alpha / r: the least and the most.
    pub scales: [f32; 2],
    /// Whether rows or columns get lengths of their own (DoRA).
    pub dora: bool,
    /// What a person calls the models that it was made for, if that shows.
    pub base: Option<&'static str>,
    /// Tensors that change no layer, with the reason why that does not matter.
    pub ignored: Vec<(String, &'static str)>,
}

impl LoraFile {
    /// What the file changes, and how.
    pub fn summary(&self) -> LoraSummary {
        let (mut kinds, mut parts) = (BTreeMap::new(), BTreeMap::new());
        for layer in &self.layers {
            let kind = layer.form.as_ref().map_or("bias", |form| form.name());
            *kinds.entry(kind).or_default() += 1;
            *parts.entry(part(&layer.name)).or_default() += 1;
        }
        let ranks = self.layers.iter().filter_map(|layer| layer.form.as_ref()?.rank(&self.weights));
        let ranks: BTreeSet<usize> = ranks.collect();
        let scales = self.layers.iter().map(|layer| layer.scale);
        let scales =
            scales.fold([f32::INFINITY, f32::NEG_INFINITY], |[a, b], s| [a.min(s), b.max(s)]);
        LoraSummary {
            kinds,
            parts,
            ranks: ranks.into_iter().collect(),
            scales,
            dora: self.layers.iter().any(|layer| layer.dora.is_some()),
            base: self.base(),
            ignored: self.ignored.clone(),
        }
    }
}

/// The part that a layer's name speaks of.
fn part(layer: &str) -> &'static str {
    let starts = |with: &[&str]| with.iter().any(|with| layer.starts_with(with));
    match layer {
        _ if starts(&["lora_te2_", "lycoris_te2_", "text_encoder_2."]) => "text_encoder_2",
        _ if starts(&["lora_te", "lycoris_te", "text_encoder.", "text_model."]) => "text_encoder",
        _ => "unet",
    }
}
