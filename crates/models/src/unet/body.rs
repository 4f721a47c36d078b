//! The way down and up again, which the conditional and the unconditional U-Net share.

use aquatint_nn::{Conv2d, Fused, GroupNorm, Module};
use aquatint_tensor::Tensor;

use super::Shortcuts;
use super::blocks::{DownBlock2D, MidBlock2D, Middle, UpBlock2D};
use super::layer::Manner;
use super::parts::{BlockKind, Level};
use crate::{Context, Probe};

/// What the blocks are built from, highest resolution first.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub levels: Vec<Level>,
    pub down: Vec<BlockKind>,
    pub up: Vec<BlockKind>,
    /// The lowest block, if there is one.
    pub middle: Option<(Level, Middle)>,
    /// Channels of the prediction.
    pub out_channels: usize,
}

/// All that follows `conv_in` and the embeddings. Its fields count as fields of the network.
#[derive(Clone, Debug, Module)]
pub(crate) struct Body {
    down_blocks: Vec<DownBlock2D>,
    mid_block: Option<MidBlock2D>,
    up_blocks: Vec<UpBlock2D>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Body {
    pub(crate) fn new(plan: &Plan) -> Self {
        let levels = &plan.levels;
        let (first, lowest) = (&levels[0], levels.len() - 1);
        let mut skips = vec![first.channels];
        let down_blocks = (0..=lowest)
            .map(|i| DownBlock2D::new(&levels[i], plan.down[i], i == lowest, &mut skips))
            .collect();
        let up_blocks = (0..=lowest)
            .rev()
            .map(|i| {
                let inputs = levels[(i + 1).min(lowest)].channels;
                UpBlock2D::new(&levels[i], inputs, plan.up[i], i == 0, &mut skips)
            })
            .collect();
        Self {
            down_blocks,
            mid_block: plan.middle.as_ref().map(|(level, m)| MidBlock2D::new(level, *m)),
            up_blocks,
            conv_norm_out: GroupNorm::new(first.resnet.groups, first.channels, first.resnet.eps),
            conv_out: Conv2d::same3(first.channels, plan.out_channels),
        }
    }

    /// x `[N, H, W, C]`, what `conv_in` made of the sample, emb `[N, time]`, context `[N, T, D]`
    /// if there is one → `[N, H, W, out_channels]`. `shortcuts` say what is not computed.
    #[track_caller]
    pub(crate) fn forward_with(
        &self,
        x: Tensor,
        emb: &Tensor,
        context: Option<&Context>,
        shortcuts: Shortcuts<'_>,
        probe: &mut Probe,
    ) -> Tensor {
        let Shortcuts { mut deep, token_merging, recompute } = shortcuts;
        let manner = |level| Manner {
            merging: if level == self.highest_attention() { token_merging } else { 0.0 },
            recompute,
        };
        let mut left: usize = self.up_blocks.iter().map(UpBlock2D::layers).sum();
        // Layers of the way up that are computed; each needs one result of the way down.
        let wanted = deep.as_deref().map_or(left, |deep| deep.wanted(left));
        let reusing = deep.as_deref().is_some_and(|deep| deep.kept.is_some());

        let mut x = x;
        let mut skips = vec![x.clone()];
        for (i, block) in self.down_blocks.iter().enumerate() {
            if skips.len() < wanted {
                x = block.forward(&x, emb, context, &mut skips, wanted, manner(i));
                probe(&format!("down_blocks.{i}"), &x);
            }
        }
        if let (Some(block), false) = (&self.mid_block, reusing) {
            x = block.forward(&x, emb, context, recompute);
            probe("mid_block", &x);
        }
        for (i, block) in self.up_blocks.iter().enumerate() {
            for layer in 0..block.layers() {
                if let Some(deep) = deep.as_deref_mut().filter(|deep| deep.branch + 1 == left) {
                    x = deep.kept.get_or_insert(x).clone();
                }
                if left <= wanted {
                    let manner = manner(self.up_blocks.len() - 1 - i);
                    x = block.layer(layer, &x, emb, context, &mut skips, manner);
                }
                left -= 1;
            }
            if left < wanted {
                x = block.upsample(x, emb, &skips);
                probe(&format!("up_blocks.{i}"), &x);
            }
        }
        let norm = Some(&self.conv_norm_out);
        self.conv_out.forward_fused(&x, &Fused { norm, ..Fused::default() })
    }

    /// The highest resolution that has attention; 0 is that of the sample.
    fn highest_attention(&self) -> usize {
        let levels = self.down_blocks.iter().zip(self.up_blocks.iter().rev());
        levels.take_while(|(down, up)| !down.attends() && !up.attends()).count()
    }
}
