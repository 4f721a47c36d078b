//! A residual block without time, on a picture in bands.

use std::collections::VecDeque;

use aquatint_tensor::GroupMoments;

use super::{Resample, ResnetBlock2D};
use crate::bands::{Bands, Rows, Source, Waiting};

/// Most elements (1 GiB) of a hidden activation that is held rather than made again.
const HELD: usize = 1 << 28;

impl ResnetBlock2D {
    /// [`Self::forward`] of a block without time that keeps the resolution. Three passes: the
    /// moments of the input, those of the hidden activation, and the results. If the hidden
    /// activation is too large to be held from the second to the third, it is made twice.
    pub(crate) fn forward_bands(&self, source: Source) -> Bands {
        assert!(self.time_emb_proj.is_none() && self.resample == Resample::Keep, "of a U-Net");
        let (mut of_input, mut of_hidden) = (GroupMoments::default(), GroupMoments::default());
        source.each(|x, _| self.norm1.add_moments(&x, &mut of_input));

        let [outputs, inputs, ..] = *self.conv1.weight.shape() else {
            unreachable!("[O, I, 3, 3]")
        };
        let hold = source.elements() / inputs * outputs <= HELD;
        let mut held = VecDeque::new();
        let mut conv1 = Rows::new(&self.conv1);
        source.each(|x, last| {
            let h = self.norm1.forward_silu_band(&x, &of_input);
            drop(x);
            let h = conv1.push(h, last);
            h.iter().for_each(|h| self.norm2.add_moments(h, &mut of_hidden));
            if hold {
                held.push_back(h);
            }
        });

        let (mut conv1, mut conv2) = (Rows::new(&self.conv1), Rows::new(&self.conv2));
        let mut waiting = Waiting::default();
        let mut out = Bands::default();
        source.drain(|x, last| {
            let h = match hold {
                true => held.pop_front().expect("the bands are those of the second pass"),
                false => conv1.push(self.norm1.forward_silu_band(&x, &of_input), last),
            };
            waiting.push(match &self.conv_shortcut {
                Some(shortcut) => shortcut.forward(&x),
                None => x,
            });
            let Some(h) = h else { return };
            let activated = self.norm2.forward_silu_band(&h, &of_hidden);
            drop(h);
            let Some(h) = conv2.push(activated, last) else { return };
            out.push(waiting.take(h.dim(1)).add(&h));
        });
        out
    }
}
