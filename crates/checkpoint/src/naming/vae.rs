//! First stages, KL or VQ: `first_stage_model.*` of the latent-diffusion authors.
//!
//! Their levels count from the highest resolution in both halves, diffusers' in the order of
//! computation.

use serde_json::Value;

use super::binding::Then;
use super::config::{attends, block_types, layers};
use super::table::Table;
use super::unet::OLD_ATTENTION;

/// Leaves of an attention: ours, theirs.
const ATTENTION: [(&str, &str); 4] =
    [("to_q.", "q."), ("to_k.", "k."), ("to_v.", "v."), ("to_out.0.", "proj_out.")];

/// What has the same name in both, besides the first convolutions of the halves.
const SAME: [&str; 3] = ["quant_conv.", "post_quant_conv.", "quantize."];

/// The authors' names of a first stage with this configuration.
///
/// # Errors
/// A sentence that names the key which we cannot read.
pub(super) fn ldm(config: &Value) -> Result<Table, String> {
    let mut table = Table::default();
    for name in SAME {
        table.same(name, name);
    }
    table.ignore("loss.", "the perceptual loss and the discriminator of its training");
    table.ignore("model_ema.", "running averages of its training");
    for half in ["encoder", "decoder"] {
        table.same(format!("{half}.conv_in."), format!("{half}.conv_in."));
        table.same(format!("{half}.conv_norm_out."), format!("{half}.norm_out."));
        table.same(format!("{half}.conv_out."), format!("{half}.conv_out."));
        for i in 0..2 {
            let theirs = format!("{half}.mid.block_{}.", i + 1);
            resnet(&mut table, &format!("{half}.mid_block.resnets.{i}."), &theirs);
        }
        let theirs = format!("{half}.mid.attn_1.");
        attention(&mut table, &format!("{half}.mid_block.attentions.0."), &theirs);
    }
    for block in blocks(config)? {
        let Block { ours, theirs, layers, resample, .. } = &block;
        for j in 0..*layers {
            resnet(&mut table, &format!("{ours}.resnets.{j}."), &format!("{theirs}.block.{j}."));
            if block.attends {
                let (ours, theirs) =
                    (format!("{ours}.attentions.{j}."), format!("{theirs}.attn.{j}."));
                attention(&mut table, &ours, &theirs);
            }
        }
        table.same(format!("{ours}.{resample}rs.0."), format!("{theirs}.{resample}."));
    }
    Ok(table)
}

/// diffusers' names: ours, but for attentions that were saved before diffusers 0.18.
pub(super) fn diffusers(config: &Value) -> Result<Table, String> {
    let mut table = Table::default();
    for name in SAME {
        table.same(name, name);
    }
    for half in ["encoder", "decoder"] {
        for name in
            ["conv_in", "conv_norm_out", "conv_out", "down_blocks", "mid_block", "up_blocks"]
        {
            table.same(format!("{half}.{name}."), format!("{half}.{name}."));
        }
    }
    let mut paths: Vec<String> =
        ["encoder", "decoder"].map(|half| format!("{half}.mid_block.attentions.0")).into();
    for block in blocks(config)?.iter().filter(|block| block.attends) {
        paths.extend((0..block.layers).map(|j| format!("{}.attentions.{j}", block.ours)));
    }
    for path in paths {
        for (ours, theirs) in OLD_ATTENTION {
            table.alias(format!("{path}.{ours}"), format!("{path}.{theirs}"));
        }
    }
    Ok(table)
}

/// A level of a half.
struct Block {
    ours: String,
    theirs: String,
    layers: usize,
    attends: bool,
    /// `downsample` or `upsample`: theirs, and ours but for the ending.
    resample: &'static str,
}

fn blocks(config: &Value) -> Result<Vec<Block>, String> {
    let down = block_types(config, "down_block_types")?;
    let up = block_types(config, "up_block_types")?;
    let layers_down = layers(config, "layers_per_block", down.len(), 1)?;
    let layers_up = layers(config, "layers_per_block", up.len(), 1)?;
    let encoder = down.iter().zip(layers_down).enumerate().map(|(level, (kind, layers))| Block {
        ours: format!("encoder.down_blocks.{level}"),
        theirs: format!("encoder.down.{level}"),
        layers,
        attends: attends(kind),
        resample: "downsample",
    });
    let decoder = up.iter().zip(layers_up).enumerate().map(|(i, (kind, layers))| Block {
        ours: format!("decoder.up_blocks.{i}"),
        theirs: format!("decoder.up.{}", up.len() - 1 - i),
        layers: layers + 1,
        attends: attends(kind),
        resample: "upsample",
    });
    Ok(encoder.chain(decoder).collect())
}

fn resnet(table: &mut Table, ours: &str, theirs: &str) {
    for leaf in ["norm1.", "conv1.", "norm2.", "conv2."] {
        table.same(format!("{ours}{leaf}"), format!("{theirs}{leaf}"));
    }
    table.same(format!("{ours}conv_shortcut."), format!("{theirs}nin_shortcut."));
}

/// 1×1 convolutions at the authors', linear layers at diffusers'.
fn attention(table: &mut Table, ours: &str, theirs: &str) {
    table.same(format!("{ours}group_norm."), format!("{theirs}norm."));
    for (leaf, their_leaf) in ATTENTION {
        let (ours, theirs) = (format!("{ours}{leaf}"), format!("{theirs}{their_leaf}"));
        table.bind(ours, theirs, None, Then::Squeeze(2));
    }
}
