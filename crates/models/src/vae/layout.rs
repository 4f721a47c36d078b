//! What the configurations of all autoencoders say about the two halves.

use super::coder::Layout;
use crate::config::{
    MOST_CHANNELS, MOST_LAYERS, MOST_LEVELS, check_divides, check_known, check_sizes,
};

const KEYS: [&str; 2] = ["down_block_types", "up_block_types"];
const DOWN_BLOCKS: &[&str] = &["DownEncoderBlock2D", "AttnDownEncoderBlock2D"];
const UP_BLOCKS: &[&str] = &["UpDecoderBlock2D", "AttnUpDecoderBlock2D"];

/// The halves, from the keys of a configuration that [`check_layout`] found good.
pub(super) fn layout(
    channels: &[usize],
    layers: usize,
    groups: usize,
    types: [&Vec<String>; 2],
    mid_attention: bool,
) -> Layout {
    let [down_attention, mut up_attention] =
        types.map(|types| types.iter().map(|kind| kind.starts_with("Attn")).collect::<Vec<_>>());
    up_attention.reverse();
    Layout {
        channels: channels.to_vec(),
        layers,
        groups,
        down_attention,
        up_attention,
        mid_attention,
    }
}

/// Tells which halves cannot be built.
pub(super) fn check_layout(
    channels: &[usize],
    layers: usize,
    groups: usize,
    types: [&Vec<String>; 2],
    act_fn: &str,
) -> Result<(), String> {
    let levels = channels.len();
    check_sizes(MOST_LEVELS, &[("the number of block_out_channels", levels)])?;
    check_sizes(MOST_LAYERS, &[("layers_per_block", layers)])?;
    check_sizes(MOST_LAYERS, &[("the number of residual blocks", levels * layers)])?;
    for ((key, types), known) in KEYS.into_iter().zip(types).zip([DOWN_BLOCKS, UP_BLOCKS]) {
        if types.len() != levels {
            return Err(format!("{key} has {} values for {levels} channels", types.len()));
        }
        types.iter().try_for_each(|kind| check_known(key, kind, known))?;
    }
    check_known("act_fn", act_fn, &["silu", "swish"])?;
    for &channels in channels {
        check_sizes(MOST_CHANNELS, &[("block_out_channels", channels)])?;
        check_divides("norm_num_groups", groups, channels)?;
    }
    Ok(())
}
