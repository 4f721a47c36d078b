//! The layers of a model, under all names that files have for them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::naming::Layout;

/// A layer of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The part it belongs to, as its folder is called.
    pub part: String,
    /// Its path there: `mid_block.attentions.0.proj_in`.
    pub layer: String,
    /// The shape of its weight.
    pub weight: Option<Vec<usize>>,
    /// The shape of its bias.
    pub bias: Option<Vec<usize>>,
}

/// The layers of a model.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    pub(super) targets: Vec<Target>,
    /// What a file calls a layer → which of them it is.
    pub(super) spelled: BTreeMap<String, usize>,
    /// What a person calls the model, if it is one of those that files are made for.
    pub(super) base: Option<&'static str>,
}

/// Beginnings of kohya's names, where underscores stand for dots, by part.
const KOHYA: [(&str, &[&str]); 4] = [
    // The last is LyCORIS' own.
    ("unet", &["lora_unet_", "lycoris_unet_", "lycoris_"]),
    ("text_encoder", &["lora_te_", "lora_te1_", "lycoris_te_", "lycoris_te1_"]),
    ("text_encoder_2", &["lora_te2_", "lycoris_te2_"]),
    ("bert", &["lora_te_"]),
];

/// What old diffusers called the layers of a text encoder's attention.
const OLD_TEXT: [(&str, &str); 4] =
    [("q_proj", "to_q"), ("k_proj", "to_k"), ("v_proj", "to_v"), ("out_proj", "to_out")];

/// The models that files are made for, by the channels of their context.
const BASES: [(usize, &str); 3] =
    [(768, "Stable Diffusion 1.x"), (1024, "Stable Diffusion 2.x"), (2048, "Stable Diffusion XL")];

/// What a person calls the models with a context of so many channels.
pub fn base(context: usize) -> Option<&'static str> {
    BASES.iter().find(|(width, _)| *width == context).map(|(_, name)| *name)
}

impl Targets {
    /// Adds the layers of a part: the names and shapes of its parameters, which follow from its
    /// configuration.
    pub fn add(&mut self, part: &str, config: &Value, parameters: &[(String, Vec<usize>)]) {
        let mut layers = BTreeMap::<&str, [Option<Vec<usize>>; 2]>::new();
        for (name, shape) in parameters {
            for (i, end) in [".weight", ".bias"].into_iter().enumerate() {
                if let Some(layer) = name.strip_suffix(end) {
                    layers.entry(layer).or_default()[i] = Some(shape.clone());
                }
            }
        }
        let authors = authors_names(part, config);
        for (layer, [weight, bias]) in layers {
            let (part, index) = (part.to_owned(), self.targets.len());
            let theirs = authors.as_ref().and_then(|layout| theirs(layout, &part, layer));
            for name in spellings(&part, layer, theirs.as_deref()) {
                // The first text encoder has the bare names.
                self.spelled.entry(name).or_insert(index);
            }
            self.targets.push(Target { part, layer: layer.into(), weight, bias });
        }
        if part == "unet" {
            let width = &config["cross_attention_dim"];
            let width = width.as_u64().or_else(|| width[0].as_u64());
            self.base = width.and_then(|width| base(usize::try_from(width).ok()?));
        }
    }
}

/// Everything that files call a layer.
fn spellings(part: &str, layer: &str, theirs: Option<&str>) -> Vec<String> {
    let prefixes = KOHYA.iter().find(|(name, _)| *name == part).map_or(&[][..], |row| row.1);
    let mut names = Vec::new();
    // transformers since 5.6 leaves out how the path begins.
    let short = layer.strip_prefix("text_model.").filter(|_| part.starts_with("text_encoder"));
    for layer in [Some(layer), short].into_iter().flatten() {
        let flat = layer.replace('.', "_");
        names.extend([format!("{part}.{layer}"), layer.to_owned()]);
        names.extend(prefixes.iter().map(|prefix| format!("{prefix}{flat}")));
    }
    if let Some(theirs) = theirs {
        names.push(format!("lora_unet_{}", theirs.replace('.', "_")));
        names
            .extend(["diffusion_model.", "model.diffusion_model."].map(|p| format!("{p}{theirs}")));
    }
    let mut old = Vec::new();
    for name in &names {
        // The processors of old diffusers left the index out.
        old.extend(name.strip_suffix("to_out.0").map(|start| format!("{start}to_out")));
        for (new, ancient) in OLD_TEXT {
            let start = name.strip_suffix(new).filter(|start| start.ends_with("self_attn."));
            old.extend(start.map(|start| format!("{start}{ancient}")));
        }
    }
    names.extend(old);
    names
}

/// The latent-diffusion authors' names of a U-Net, if its configuration has them.
fn authors_names(part: &str, config: &Value) -> Option<Layout> {
    let configs = Map::from_iter([(part.to_owned(), config.clone())]);
    if part == "unet" { Layout::ldm(&configs).ok() } else { None }
}

/// The authors' name of a layer, if it is a tensor of its own there.
fn theirs(layout: &Layout, part: &str, layer: &str) -> Option<String> {
    let binding = layout.binding(part, &format!("{layer}.weight"))?;
    let whole = binding.rows.is_none();
    let stored = binding.stored.strip_prefix("model.diffusion_model.").filter(|_| whole)?;
    stored.strip_suffix(".weight").map(str::to_owned)
}
