//! U-Nets: `model.diffusion_model.*` of the latent-diffusion authors.
//!
//! Their `input_blocks.i` and `output_blocks.i` count what the constructor appends, level by level:
//! first the convolution, then at each level the residual blocks, each with the attention that
//! follows it, then what changes the resolution. The configuration says all of that.

use serde_json::Value;

use super::binding::{Rows, Then};
use super::config::{attends, block_types, class, layers, per_level};
use super::table::Table;

/// Leaves of a residual block: ours, theirs.
const RESNET: [(&str, &str); 6] = [
    ("norm1.", "in_layers.0."),
    ("conv1.", "in_layers.2."),
    ("time_emb_proj.", "emb_layers.1."),
    ("norm2.", "out_layers.0."),
    ("conv2.", "out_layers.3."),
    ("conv_shortcut.", "skip_connection."),
];

/// What is outside the blocks: ours, theirs.
const OUTSIDE: [(&str, &str); 11] = [
    ("time_embedding.linear_1.", "time_embed.0."),
    ("time_embedding.linear_2.", "time_embed.2."),
    // Consistency models take the guidance scale as an input; the authors' code has no such layer.
    ("time_embedding.cond_proj.", "time_embed.cond_proj."),
    ("add_embedding.linear_1.", "label_emb.0.0."),
    ("add_embedding.linear_2.", "label_emb.0.2."),
    ("class_embedding.", "label_emb."),
    ("conv_in.", "input_blocks.0.0."),
    ("conv_norm_out.", "out.0."),
    ("conv_out.", "out.2."),
    // These two are ours alone and have no other name.
    ("add_embedding.", "add_embedding."),
    ("draft.", "draft."),
];

/// Old diffusers' names of the four products of an attention that has no text: ours, theirs.
pub(super) const OLD_ATTENTION: [(&str, &str); 4] =
    [("to_q.", "query."), ("to_k.", "key."), ("to_v.", "value."), ("to_out.0.", "proj_attn.")];

/// The authors' names of a U-Net with this configuration.
///
/// # Errors
/// A sentence that names the key which we cannot read.
pub(super) fn ldm(config: &Value) -> Result<Table, String> {
    let shape = Shape::of(config)?;
    let mut table = Table::default();
    for (ours, theirs) in OUTSIDE {
        table.same(ours, theirs);
    }
    let last = shape.down.len() - 1;
    resnet(&mut table, "mid_block.resnets.0.", "middle_block.0.");
    resnet(&mut table, "mid_block.resnets.1.", "middle_block.2.");
    shape.attention(&mut table, "mid_block.attentions.0.", "middle_block.1.", last);

    let mut i = 1;
    for (level, kind) in shape.down.iter().enumerate() {
        for j in 0..shape.layers[level] {
            let (ours, theirs) = (format!("down_blocks.{level}"), format!("input_blocks.{i}"));
            resnet(&mut table, &format!("{ours}.resnets.{j}."), &format!("{theirs}.0."));
            if attends(kind) {
                let (ours, theirs) = (format!("{ours}.attentions.{j}."), format!("{theirs}.1."));
                shape.attention(&mut table, &ours, &theirs, level);
            }
            i += 1;
        }
        if level != last {
            let ours = format!("down_blocks.{level}.downsamplers.0.");
            if shape.resamples_by_resnet(kind, "downsample_type") {
                resnet(&mut table, &ours, &format!("input_blocks.{i}.0."));
            } else {
                table.same(ours + "conv.", format!("input_blocks.{i}.0.op."));
            }
            i += 1;
        }
    }
    let mut i = 0;
    for (block, kind) in shape.up.iter().enumerate() {
        let level = last - block;
        // One more than on the way down: it meets what came before the level.
        for j in 0..=shape.layers[level] {
            let (ours, theirs) = (format!("up_blocks.{block}"), format!("output_blocks.{i}"));
            resnet(&mut table, &format!("{ours}.resnets.{j}."), &format!("{theirs}.0."));
            if attends(kind) {
                let (ours, theirs) = (format!("{ours}.attentions.{j}."), format!("{theirs}.1."));
                shape.attention(&mut table, &ours, &theirs, level);
            }
            i += 1;
        }
        if block != last {
            let ours = format!("up_blocks.{block}.upsamplers.0.");
            // It is appended to the last residual block, behind that one's attention.
            let theirs = format!("output_blocks.{}.{}.", i - 1, 1 + usize::from(attends(kind)));
            if shape.resamples_by_resnet(kind, "upsample_type") {
                resnet(&mut table, &ours, &theirs);
            } else {
                table.same(ours + "conv.", theirs + "conv.");
            }
        }
    }
    Ok(table)
}

/// diffusers' names: ours, but for attentions that were saved before diffusers 0.18.
pub(super) fn diffusers(config: &Value) -> Result<Table, String> {
    let shape = Shape::of(config)?;
    let mut table = Table::default();
    let inside = ["down_blocks.", "mid_block.", "up_blocks.", "time_embedding."];
    for name in OUTSIDE.into_iter().map(|(ours, _)| ours).chain(inside) {
        table.same(name, name);
    }
    if !shape.fused {
        return Ok(table);
    }
    let mut old = |path: String| {
        for (ours, theirs) in OLD_ATTENTION {
            table.alias(format!("{path}.{ours}"), format!("{path}.{theirs}"));
        }
    };
    old("mid_block.attentions.0".into());
    for (side, kinds) in [("down_blocks", &shape.down), ("up_blocks", &shape.up)] {
        for (block, kind) in kinds.iter().enumerate().filter(|(_, kind)| attends(kind)) {
            let more = if kind.contains("Up") { 1 } else { 0 };
            let level = if more == 1 { shape.up.len() - 1 - block } else { block };
            (0..shape.layers[level] + more)
                .for_each(|j| old(format!("{side}.{block}.attentions.{j}")));
        }
    }
    Ok(table)
}

/// What of a configuration the names depend on.
struct Shape<'a> {
    config: &'a Value,
    down: Vec<String>,
    up: Vec<String>,
    layers: Vec<usize>,
    /// Whether attention is without text, and its query, key and value one tensor at the authors'.
    fused: bool,
    /// Heads of each level.
    heads: Vec<usize>,
}

impl<'a> Shape<'a> {
    fn of(config: &'a Value) -> Result<Self, String> {
        let down = block_types(config, "down_block_types")?;
        let up = block_types(config, "up_block_types")?;
        if up.len() != down.len() {
            return Err(format!("there are {} blocks down and {} up", down.len(), up.len()));
        }
        let layers = layers(config, "layers_per_block", down.len(), 2)?;
        let fused = class(config) == "UNet2DModel";
        let heads = if fused {
            let channels = per_level(config, "block_out_channels", down.len(), None)?;
            // For this class the key means what it says. One head if it is null.
            let head_dims = match &config["attention_head_dim"] {
                Value::Null => channels.clone(),
                _ => per_level(config, "attention_head_dim", down.len(), None)?,
            };
            channels.iter().zip(head_dims).map(|(c, dim)| (c / dim).max(1)).collect()
        } else {
            vec![1; down.len()]
        };
        Ok(Self { config, down, up, layers, fused, heads })
    }

    fn attention(&self, table: &mut Table, ours: &str, theirs: &str, level: usize) {
        if !self.fused {
            table.same(ours, theirs);
            return;
        }
        table.same(format!("{ours}group_norm."), format!("{theirs}norm."));
        for (part, name) in ["to_q.", "to_k.", "to_v."].into_iter().enumerate() {
            // Head by head, its query, then its key, then its value.
            let rows = Rows { part, parts: 3, groups: self.heads[level] };
            let (ours, theirs) = (format!("{ours}{name}"), format!("{theirs}qkv."));
            table.bind(ours, theirs, Some(rows), Then::Squeeze(1));
        }
        let (ours, theirs) = (format!("{ours}to_out.0."), format!("{theirs}proj_out."));
        table.bind(ours, theirs, None, Then::Squeeze(1));
    }

    /// Whether a residual block changes the resolution, and no convolution.
    fn resamples_by_resnet(&self, block_type: &str, key: &str) -> bool {
        let by_type = attends(block_type) && self.config[key].as_str() == Some("resnet");
        block_type.starts_with("Resnet") || by_type
    }
}

fn resnet(table: &mut Table, ours: &str, theirs: &str) {
    for (leaf, their_leaf) in RESNET {
        table.same(format!("{ours}{leaf}"), format!("{theirs}{their_leaf}"));
    }
}
