//! What a model is conditioned on: CLIP as transformers has it, OpenCLIP, the BERT of latent
//! diffusion's text-to-image model, and the table of classes.

use serde_json::Value;

use super::binding::{Rows, Then};
use super::config::{class, layers};
use super::table::Table;

/// Why a projection may be left out.
const NO_PROJECTION: &str =
    "the projection into CLIP's common space, which this model does not use";

/// The last layer of CLIP where a model takes the states before it: SD 2.x does, of 24.
const UNUSED_LAYER: &str = "the last layer, which this model does not compute";

/// CLIP by transformers' names, which are ours.
///
/// # Errors
/// A sentence that names the key which we cannot read.
pub(super) fn transformers(config: &Value) -> Result<Table, String> {
    let mut table = Table::default();
    let used = layers(config, "num_hidden_layers", 1, 12)?[0];
    for part in ["embeddings.", "final_layer_norm."] {
        table.same(format!("text_model.{part}"), format!("text_model.{part}"));
        // Without the prefix: some files of 2022, and what transformers since 5.6 may write.
        table.alias(format!("text_model.{part}"), part);
    }
    for i in 0..used {
        let layer = format!("text_model.encoder.layers.{i}.");
        table.same(layer.as_str(), layer.as_str());
        table.alias(layer.as_str(), format!("encoder.layers.{i}."));
        // stable-diffusion.cpp renames OpenCLIP's tensors but leaves them fused.
        for (part, name) in ["q_proj", "k_proj", "v_proj"].into_iter().enumerate() {
            let rows = Some(Rows { part, parts: 3, groups: 1 });
            let ours = format!("{layer}self_attn.{name}.");
            table.bind_alias(ours, format!("{layer}self_attn.in_proj."), rows, Then::Same);
        }
    }
    table.ignore(format!("text_model.encoder.layers.{used}."), UNUSED_LAYER);
    if projects(config) {
        table.same("text_projection.", "text_projection.");
        let theirs = "text_model.text_projection";
        table.bind_alias("text_projection.weight", theirs, None, Then::Transpose);
    } else {
        table.ignore("text_projection.", NO_PROJECTION);
        table.ignore("text_model.text_projection", NO_PROJECTION);
    }
    table.ignore("vision_model.", "CLIP's other tower");
    table.ignore("visual_projection.", "CLIP's other tower");
    Ok(table)
}

/// CLIP by OpenCLIP's names: query, key and value are one tensor, and the projection lies on its
/// side.
///
/// # Errors
/// A sentence that names the key which we cannot read.
pub(super) fn open_clip(config: &Value) -> Result<Table, String> {
    let mut table = Table::default();
    table.same("text_model.embeddings.token_embedding.", "token_embedding.");
    table.same("text_model.embeddings.position_embedding.weight", "positional_embedding");
    table.same("text_model.final_layer_norm.", "ln_final.");
    if projects(config) {
        table.bind("text_projection.weight", "text_projection", None, Then::Transpose);
    } else {
        table.ignore("text_projection", NO_PROJECTION);
    }
    table.ignore("visual.", "CLIP's other tower");
    let used = layers(config, "num_hidden_layers", 1, 12)?[0];
    for i in 0..used {
        let (ours, theirs) =
            (format!("text_model.encoder.layers.{i}."), format!("transformer.resblocks.{i}."));
        for (leaf, their_leaf) in [
            ("layer_norm1.", "ln_1."),
            ("layer_norm2.", "ln_2."),
            ("mlp.fc1.", "mlp.c_fc."),
            ("mlp.fc2.", "mlp.c_proj."),
            ("self_attn.out_proj.", "attn.out_proj."),
        ] {
            table.same(format!("{ours}{leaf}"), format!("{theirs}{their_leaf}"));
        }
        for (part, name) in ["q_proj", "k_proj", "v_proj"].into_iter().enumerate() {
            for kind in ["weight", "bias"] {
                let rows = Some(Rows { part, parts: 3, groups: 1 });
                let ours = format!("{ours}self_attn.{name}.{kind}");
                table.bind(ours, format!("{theirs}attn.in_proj_{kind}"), rows, Then::Same);
            }
        }
    }
    table.ignore(format!("transformer.resblocks.{used}."), UNUSED_LAYER);
    Ok(table)
}

/// The text encoder of `text2img-large` by the names of `x_transformer.py`: its layers are
/// attentions and multilayer perceptrons in turn, each a list of a norm and the thing itself.
///
/// # Errors
/// A sentence that names the key which we cannot read.
pub(super) fn ldm_bert(config: &Value) -> Result<Table, String> {
    let mut table = Table::default();
    table.same("model.embed_tokens.", "token_emb.");
    table.same("model.embed_positions.", "pos_emb.emb.");
    table.same("model.layer_norm.", "norm.");
    table.same("to_logits.", "to_logits.");
    for i in 0..layers(config, "encoder_layers", 1, 12)?[0] {
        let ours = format!("model.layers.{i}.");
        let (attention, mlp) = (2 * i, 2 * i + 1);
        for (leaf, layer, their_leaf) in [
            ("self_attn_layer_norm.", attention, "0."),
            ("self_attn.q_proj.", attention, "1.to_q."),
            ("self_attn.k_proj.", attention, "1.to_k."),
            ("self_attn.v_proj.", attention, "1.to_v."),
            ("self_attn.out_proj.", attention, "1.to_out."),
            ("final_layer_norm.", mlp, "0."),
            ("fc1.", mlp, "1.net.0.0."),
            ("fc2.", mlp, "1.net.2."),
        ] {
            let theirs = format!("attn_layers.layers.{layer}.{their_leaf}");
            table.same(format!("{ours}{leaf}"), theirs);
        }
    }
    Ok(table)
}

/// The same by the names of diffusers' `LDMBertModel`, which are ours.
pub(super) fn diffusers_bert() -> Table {
    let mut table = Table::default();
    table.same("model.", "model.");
    table.same("to_logits.", "to_logits.");
    table
}

/// The embedding of a class, which diffusers has no model for; we keep the authors' name.
pub(super) fn class_embedder() -> Table {
    let mut table = Table::default();
    table.same("embedding.", "embedding.");
    table
}

fn projects(config: &Value) -> bool {
    class(config) == "CLIPTextModelWithProjection"
}
