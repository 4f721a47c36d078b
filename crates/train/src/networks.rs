//! What the third stage trains: the U-Net, and the text encoder with it if asked.

use aquatint_models::unet::{Shortcuts, UNetConditions};
use aquatint_nn::{Module, Param, join};
use aquatint_pipeline::Components;
use aquatint_tensor::Tensor;

use crate::contexts::Contexts;

/// A model some parts of which are trained.
pub struct Networks {
    /// All parts.
    pub components: Components,
    /// Whether the text encoder is trained too, as the BERT of Rombach et al. 2022 was, section
    /// 4.3.1; otherwise it stays as it was loaded, as in Stable Diffusion.
    pub with_text_encoder: bool,
    /// Whether the U-Net's blocks are computed again in the backward pass, to keep less in memory.
    pub recompute: bool,
    known: Contexts,
}

/// Where the text encoder's weights are in a checkpoint. The U-Net's names have no prefix.
const TEXT_ENCODER: &str = "text_encoder";

impl Networks {
    /// Of these parts.
    pub fn new(components: Components, with_text_encoder: bool, recompute: bool) -> Self {
        Self { components, with_text_encoder, recompute, known: Contexts::default() }
    }

    /// The context of each caption, `[N, T, D]`, tracked if the text encoder is trained. What a
    /// frozen one says about captions for which `recurring` holds is remembered.
    pub fn contexts(&mut self, captions: &[String], recurring: impl Fn(usize) -> bool) -> Tensor {
        let Components { tokenizer, text_encoder, .. } = &self.components;
        if !self.with_text_encoder {
            return self.known.of(captions, recurring, tokenizer, text_encoder);
        }
        let ids: Vec<u32> = captions.iter().flat_map(|caption| tokenizer.encode(caption)).collect();
        text_encoder.context(&ids, captions.len())
    }

    /// The U-Net's answer to xt `[N, h, w, C]` with a context, and what is `beside` xt.
    pub fn predict(
        &self,
        xt: &Tensor,
        timesteps: &[f32],
        context: &Tensor,
        beside: Option<&Tensor>,
    ) -> Tensor {
        let unet = &self.components.unet;
        let shortcuts = Shortcuts { recompute: self.recompute, ..Shortcuts::default() };
        let (context, conditions) = (context.into(), UNetConditions::default());
        let whole = beside.map(|beside| Tensor::cat([xt, beside]));
        let x = whole.as_ref().unwrap_or(xt);
        unet.forward_shortened(x, timesteps, &context, &conditions, shortcuts, &mut |_, _| {})
    }
}

impl Module for Networks {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        self.components.unet.visit(path, f);
        if self.with_text_encoder {
            self.components.text_encoder.visit(&join(path, TEXT_ENCODER), f);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        self.components.unet.visit_mut(path, f);
        if self.with_text_encoder {
            self.components.text_encoder.visit_mut(&join(path, TEXT_ENCODER), f);
        }
    }
}
