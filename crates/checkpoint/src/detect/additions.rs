//! Files that are no model: what is added to one, and models of other kinds.

use crate::family::Family;
use crate::naming::Shapes;

/// Something that is added to a model and does nothing alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Addition {
    /// Low-rank changes of weights; in whose naming.
    Lora(&'static str),
    /// Words learnt by textual inversion; how many vectors.
    Embedding(usize),
    /// A copy of the encoder half which looks at a second picture.
    ControlNet,
    /// Anything else that has a name.
    Named(&'static str),
}

impl Addition {
    /// What it is and what to do; `for_title` begins with a space, or is empty.
    pub(super) fn sentence(&self, for_title: &str) -> String {
        match self {
            Self::Lora(naming) => format!(
                "a LoRA{for_title} ({naming} naming), which changes a model and is none; give the \
                 model itself with -m and this file with --lora"
            ),
            Self::Embedding(vectors) => format!(
                "a textual inversion embedding{for_title} ({vectors} vectors), which is a word and \
                 no model; give the model it was made for with -m"
            ),
            Self::ControlNet => format!(
                "a ControlNet{for_title}, which steers a model and is none; give the model itself \
                 with -m"
            ),
            Self::Named(name) => format!(
                "{name}{for_title}, which is added to a model and is none; give the model itself \
                 with -m"
            ),
        }
    }
}

/// Parts of names that only LoRA files have, and whose naming it is. The first that is there
/// counts.
const LORA: [(&str, &str); 9] = [
    ("hada_w1_a", "LyCORIS'"),
    ("lokr_w", "LyCORIS'"),
    (".lora_down.", "kohya's"),
    (".lora_A.", "PEFT's"),
    (".lora_linear_layer.", "old diffusers'"),
    (".processor.to_", "old diffusers'"),
    (".to_q_lora.", "old diffusers'"),
    (".lora.down.", "old diffusers'"),
    ("dora_scale", "kohya's"),
];

/// The addition that a file is, and for which models, if that shows.
pub(super) fn find(file: &Shapes) -> Option<(Addition, Option<Family>)> {
    let has = |part: &str| file.keys().any(|name| name.contains(part));
    if let Some((_, naming)) = LORA.iter().find(|(part, _)| has(part)) {
        return Some((Addition::Lora(naming), lora_base(file)));
    }
    if ["control_model.", "controlnet_", "input_hint_block.", "lora_controlnet"]
        .iter()
        .any(|p| has(p))
    {
        return Some((Addition::ControlNet, by_context(context(file, "attn2.to_k.weight"))));
    }
    for (part, name) in [
        ("ip_adapter.", "an IP-Adapter"),
        ("image_proj.", "an IP-Adapter"),
        ("adapter.body.", "a T2I-Adapter"),
        ("motion_modules.", "a motion module (AnimateDiff)"),
    ] {
        if has(part) {
            return Some((Addition::Named(name), None));
        }
    }
    embedding(file)
}

/// Whether a few vectors as wide as a text encoder's are all there is.
fn embedding(file: &Shapes) -> Option<(Addition, Option<Family>)> {
    let (name, first) = file.iter().find(|(_, shape)| !shape.is_empty())?;
    let (vectors, width) = match **first {
        [width] => (1, width),
        [vectors, width] => (vectors, width),
        _ => return None,
    };
    let named = ["emb_params", "string_to_param", "clip_l", "clip_g", "<", "*"];
    let named = named.iter().any(|start| name.starts_with(start));
    if file.len() > 4 || vectors > 1000 || !(named || file.len() == 1) {
        return None;
    }
    let xl = file.contains_key("clip_l") && file.contains_key("clip_g");
    let family = if xl { Some(Family::Sdxl) } else { by_context(Some(width)) };
    (xl || family.is_some() || named).then_some((Addition::Embedding(vectors), family))
}

/// The family whose context a LoRA's keys take in.
fn lora_base(file: &Shapes) -> Option<Family> {
    let down = ["lora_down", "lora_A", "lora.down", "hada_w1_b", "lora_linear_layer.down"];
    let keys = file.iter().find(|(name, _)| {
        (name.contains("attn2_to_k")
            || name.contains("attn2.to_k")
            || name.contains("attn2.processor.to_k"))
            && down.iter().any(|part| name.contains(part))
    });
    by_context(keys.and_then(|(_, shape)| shape.get(1)).copied())
}

fn context(file: &Shapes, ending: &str) -> Option<usize> {
    let keys = file.iter().find(|(name, _)| name.ends_with(ending));
    keys.and_then(|(_, shape)| shape.get(1)).copied()
}

fn by_context(width: Option<usize>) -> Option<Family> {
    match width? {
        768 => Some(Family::Sd15),
        1024 => Some(Family::Sd2),
        2048 => Some(Family::Sdxl),
        _ => None,
    }
}

/// Parts of names that models of other kinds have.
const OTHERS: [(&str, &str); 18] = [
    ("double_blocks.", "a Flux or HunyuanVideo model"),
    ("single_transformer_blocks.", "a Flux model"),
    ("joint_blocks.", "a Stable Diffusion 3 model"),
    ("joint_transformer_blocks.", "an AuraFlow model"),
    ("context_embedder.", "a Stable Diffusion 3 model"),
    ("clip_txt_mapper.", "a Stable Cascade model"),
    ("channelwise.", "a Stable Cascade model"),
    ("scale_shift_table", "a PixArt or Sana model"),
    ("adaLN_modulation", "a diffusion transformer"),
    ("taesd_", "a TAESD preview decoder"),
    ("encoder.block.0.layer.0.", "a T5 text encoder"),
    ("model.layers.0.input_layernorm.", "a language model"),
    ("model.layers.0.mlp.gate_proj.", "a language model"),
    (".rdb1.", "an ESRGAN upscaler"),
    ("RDB1.", "an ESRGAN upscaler"),
    ("UPN3.", "an RDN upscaler"),
    ("params_ema", "a picture restorer (ESRGAN, SwinIR or alike)"),
    ("discriminator.main.", "a discriminator"),
];

/// The model of another kind that a file is.
pub(super) fn find_other(file: &Shapes) -> Option<&'static str> {
    // A single file may hold LPIPS and a discriminator beside its autoencoder.
    let latent = |name: &&&str| name.starts_with("model.diffusion_model.input_blocks.");
    let has = |part: &str| file.keys().any(|name| name.contains(part));
    if file.keys().find(latent).is_some()
        || has("decoder.conv_in.")
        || (has("up_blocks.") && has(".resnets."))
    {
        return None;
    }
    if let Some((_, name)) = OTHERS.iter().find(|(part, _)| has(part)) {
        return Some(name);
    }
    let vision = has("vision_model.") || has("visual.");
    (vision && !has("text_model.") && !has("resblocks.0.attn.in_proj") && !has("token_embedding"))
        .then_some("CLIP's picture encoder")
}
