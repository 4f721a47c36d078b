//! What a file is, from the names and shapes of its tensors and the text attached to it.
//!
//! Weights say what they are for nearly everything: how many channels go in, how wide the U-Net is,
//! how wide the context, what else is added to the time. Two things they do not say. Models that
//! were trained on from others look like them: Turbo models. And what the U-Net predicts, ε or v,
//! is no weight. For 2.x, where both are common, what the writer of the file attached decides
//! (`modelspec.*`, the tensor `v_pred`, `global_step`); without that it is v at 768 pixels, as in
//! diffusers. `--family` overrules all of it.

mod additions;
mod sentence;
mod unet;

use std::collections::BTreeMap;

pub use additions::Addition;

use crate::Manifest;
use crate::family::Family;
use crate::naming::{Naming, Shapes, shapes};

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Detected {
    /// What it is.
    pub kind: Kind,
    /// The family of the model, or of the models for which a part or an addition is, if it shows.
    pub family: Option<Family>,
    /// Whose names it has, if it is a model or a part of one.
    pub naming: Option<Naming>,
    /// The parts in it, as diffusers calls their folders (see [`crate::naming::PARTS`]).
    pub parts: Vec<&'static str>,
    /// The parts that its family has and it has not.
    pub missing: Vec<&'static str>,
    /// `epsilon` or `v_prediction`, if the file says so; otherwise its preset's.
    pub prediction_type: Option<&'static str>,
    /// Whether the file says that its last timestep is pure noise (`rescale_betas_zero_snr`).
    pub zero_snr: bool,
    /// The name of some tensor, to be shown to who wonders what the file is.
    pub example: Option<String>,
}

/// Kinds of files.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A model, though parts may be missing.
    Model,
    /// A U-Net alone.
    UNet,
    /// An autoencoder alone.
    Autoencoder,
    /// A text encoder alone.
    TextEncoder,
    /// Something that is added to a model.
    Addition(Addition),
    /// A model of another kind, which has a name.
    Other(&'static str),
    /// A U-Net like ours of a size that was never published.
    UnknownUNet {
        /// Channels that go in.
        in_channels: usize,
        /// Channels of the highest resolution.
        width: usize,
        /// Channels of the context.
        context: Option<usize>,
    },
    /// Anything else.
    Unknown,
}

/// What the file with this manifest is.
pub fn detect(manifest: &Manifest) -> Detected {
    detect_shapes(&shapes(manifest), &manifest.metadata)
}

/// What a file with these tensors and this attached text is.
pub fn detect_shapes(file: &Shapes, metadata: &BTreeMap<String, String>) -> Detected {
    let mut found = Detected {
        kind: Kind::Unknown,
        family: None,
        naming: None,
        parts: Vec::new(),
        missing: Vec::new(),
        prediction_type: says_prediction(file, metadata),
        zero_snr: file.contains_key("ztsnr"),
        example: file.keys().next().map(|&name| name.to_owned()),
    };
    if let Some((addition, family)) = additions::find(file) {
        found.kind = Kind::Addition(addition);
        found.family = family;
        return found;
    }
    if let Some(name) = additions::find_other(file) {
        found.kind = Kind::Other(name);
        return found;
    }
    let unet = unet::Facts::of(file);
    let mut parts: Vec<(&'static str, Naming)> =
        MARKS.iter().filter(|mark| mark.is_in(file)).map(|mark| (mark.part, mark.naming)).collect();
    parts.dedup_by_key(|(part, _)| *part);
    if let Some(facts) = &unet {
        parts.insert(0, ("unet", facts.naming));
        match facts.family() {
            Ok(family) => found.family = Some(among_look_alikes(family, &found, metadata)),
            Err(Some(name)) => found.kind = Kind::Other(name),
            Err(None) => {
                let &unet::Facts { in_channels, width, context, .. } = facts;
                found.kind = Kind::UnknownUNet { in_channels, width, context };
            }
        }
    }
    let needs = found.family.map_or(&[][..], needs);
    if needs.contains(&"vqvae") {
        let vae = parts.iter_mut().filter(|(part, _)| *part == "vae");
        vae.for_each(|(part, _)| *part = "vqvae");
    }
    found.naming = parts.first().map(|&(_, naming)| naming);
    found.parts = parts.into_iter().map(|(part, _)| part).collect();
    if found.family.is_some() {
        let is_missing = |part: &&&str| !found.parts.contains(part);
        found.missing = needs.iter().filter(is_missing).copied().collect();
        found.kind = if found.parts == ["unet"] { Kind::UNet } else { Kind::Model };
    } else if unet.is_none() {
        match found.parts.as_slice() {
            [] => {}
            ["vae"] => found.kind = Kind::Autoencoder,
            parts if !parts.contains(&"vae") => found.kind = Kind::TextEncoder,
            _ => {}
        }
    }
    found
}

/// A sign that a part is in a file: the beginning of a name.
struct Mark {
    part: &'static str,
    naming: Naming,
    start: &'static str,
}

impl Mark {
    fn is_in(&self, file: &Shapes) -> bool {
        file.range(self.start..).next().is_some_and(|(name, _)| name.starts_with(self.start))
    }
}

const fn mark(part: &'static str, naming: Naming, start: &'static str) -> Mark {
    Mark { part, naming, start }
}

/// In the order of [`crate::naming::PARTS`], so that neighbours are marks of one part.
const MARKS: &[Mark] = &[
    mark("vae", Naming::Ldm, "first_stage_model.decoder."),
    mark("vae", Naming::Ldm, "vae.decoder.up."),
    mark("vae", Naming::Diffusers, "vae.decoder.up_blocks."),
    mark("vae", Naming::Diffusers, "vqvae.decoder."),
    mark("vae", Naming::Ldm, "decoder.up.0."),
    mark("vae", Naming::Diffusers, "decoder.up_blocks.0."),
    mark("text_encoder", Naming::Ldm, "cond_stage_model.transformer.text_model."),
    mark("text_encoder", Naming::Ldm, "cond_stage_model.transformer.embeddings."),
    mark("text_encoder", Naming::Ldm, "cond_stage_model.model."),
    mark("text_encoder", Naming::Ldm, "conditioner.embedders.0.transformer."),
    mark("text_encoder", Naming::Diffusers, "text_encoder."),
    mark("text_encoder", Naming::Diffusers, "text_model.encoder."),
    mark("text_encoder", Naming::Diffusers, "encoder.layers.0.self_attn."),
    mark("text_encoder", Naming::Ldm, "transformer.resblocks."),
    mark("text_encoder", Naming::Ldm, "model.transformer.resblocks."),
    mark("text_encoder_2", Naming::Ldm, "conditioner.embedders.1.model."),
    mark("text_encoder_2", Naming::Ldm, "conditioner.embedders.0.model."),
    mark("text_encoder_2", Naming::Ldm, "cond_stage_model.1."),
    mark("text_encoder_2", Naming::Diffusers, "text_encoder_2."),
    mark("bert", Naming::Ldm, "cond_stage_model.transformer.attn_layers."),
    mark("bert", Naming::Ldm, "transformer.attn_layers."),
    mark("bert", Naming::Ldm, "attn_layers.layers."),
    mark("bert", Naming::Diffusers, "model.embed_positions."),
    mark("bert", Naming::Diffusers, "bert.model."),
    mark("class_embedder", Naming::Ldm, "cond_stage_model.embedding."),
    mark("class_embedder", Naming::Diffusers, "class_embedder."),
];

/// The parts that a family's models have.
fn needs(family: Family) -> &'static [&'static str] {
    use Family::{
        BsrSr, CelebaHq, Cin256, Cin256V2, LdmInpainting, LsunChurches, Sdxl, SdxlInpainting,
        SdxlLcm, SdxlRefiner, SdxlTurbo, Text2ImgLarge,
    };
    match family {
        Sdxl | SdxlInpainting | SdxlLcm | SdxlTurbo => {
            &["unet", "vae", "text_encoder", "text_encoder_2"]
        }
        SdxlRefiner => &["unet", "vae", "text_encoder_2"],
        Text2ImgLarge => &["unet", "vqvae", "bert"],
        Cin256 | Cin256V2 => &["unet", "vqvae", "class_embedder"],
        CelebaHq | LsunChurches | BsrSr | LdmInpainting => &["unet", "vqvae"],
        _ => &["unet", "vae", "text_encoder"],
    }
}

/// What the file says that the U-Net predicts.
fn says_prediction(file: &Shapes, metadata: &BTreeMap<String, String>) -> Option<&'static str> {
    let keys = ["modelspec.prediction_type", "modelspec.predict_key", "prediction_type"];
    let said = keys.iter().find_map(|key| metadata.get(*key)).map(|said| said.to_lowercase());
    match said.as_deref() {
        Some("v" | "v_prediction" | "v-prediction") => return Some("v_prediction"),
        Some("epsilon" | "eps") => return Some("epsilon"),
        _ => {}
    }
    if file.contains_key("v_pred") {
        return Some("v_prediction");
    }
    // diffusers goes by this number, too: the steps of the training of 2.0's base model.
    let trained = metadata.get("global_step").is_some_and(|steps| steps == "875000");
    trained.then_some("epsilon")
}

/// Of the families whose weights look like `family`'s, the one that the attached text speaks for.
fn among_look_alikes(
    family: Family,
    found: &Detected,
    metadata: &BTreeMap<String, String>,
) -> Family {
    let keys = ["modelspec.architecture", "modelspec.title", "modelspec.resolution"];
    let said: String =
        keys.iter().filter_map(|key| metadata.get(*key)).fold(String::new(), |mut all, value| {
            all += &value.to_lowercase();
            all + " "
        });
    let turbo = said.contains("turbo");
    match family {
        Family::Sdxl if turbo => Family::SdxlTurbo,
        Family::Sd2 if turbo => Family::SdTurbo,
        Family::Sd2 if found.prediction_type == Some("epsilon") => Family::Sd2Base,
        Family::Sd2 if found.prediction_type.is_none() && said.contains("512") => Family::Sd2Base,
        other => other,
    }
}
