//! Captions as the model's text encoders understand them.

use std::collections::HashMap;

use aquatint_models::unet::UNetConditions;
use aquatint_pipeline::{Components, Encoded, encode};
use aquatint_tensor::Tensor;
use rayon::prelude::*;

/// Numbers that are kept at most: 1 GiB.
const KEPT: usize = 1 << 28;

/// What text encoders said, if they stay as they are.
#[derive(Default)]
pub struct Texts {
    known: HashMap<String, Encoded>,
    numbers: usize,
}

/// What the U-Net is told of some pictures.
pub struct Said {
    /// `[N, T, D]`
    pub context: Tensor,
    /// What SDXL is told besides.
    pub conditions: UNetConditions,
}

impl Texts {
    /// What the U-Net is told of pictures of width `size` with these captions, each read alone.
    /// What `frozen` text encoders say is remembered.
    pub fn said(
        &mut self,
        components: &Components,
        captions: &[String],
        frozen: bool,
        size: usize,
    ) -> Said {
        if !frozen {
            let all = captions.iter().map(|caption| encode(components, caption)).collect();
            return together(all, size);
        }
        let read = |caption: &String| match self.known.get(caption) {
            Some(encoded) => encoded.clone(),
            None => encode(components, caption),
        };
        let all: Vec<Encoded> = captions.par_iter().map(read).collect();
        for (caption, encoded) in captions.iter().zip(&all) {
            if self.numbers < KEPT && !self.known.contains_key(caption) {
                self.numbers += encoded.context.len();
                self.known.insert(caption.clone(), encoded.clone());
            }
        }
        together(all, size)
    }
}

fn together(all: Vec<Encoded>, size: usize) -> Said {
    let n = all.len();
    let (contexts, pooled): (Vec<_>, Vec<_>) =
        all.into_iter().map(|encoded| (encoded.context, encoded.pooled)).unzip();
    let text_embeds = pooled.into_iter().collect::<Option<Vec<Tensor>>>().map(stacked);
    // Original size, top and left of the crop, target size.
    let ids = [size, size, 0, 0, size, size].map(|pixels| pixels as f32);
    let time_ids = text_embeds.as_ref().map(|_| Tensor::new(ids.repeat(n), &[n, ids.len()]));
    let conditions = UNetConditions { text_embeds, time_ids, ..Default::default() };
    Said { context: stacked(contexts), conditions }
}

/// Along the first dimension.
fn stacked(rows: Vec<Tensor>) -> Tensor {
    let rows = rows.into_iter();
    rows.reduce(|above, below| Tensor::cat_rows([&above, &below])).expect("there is a caption")
}
