//! LoRA in training (Hu et al. 2021, arXiv:2106.09685): two thin matrices beside each of some
//! weights, which stay as they are.

use std::collections::BTreeMap;

use aquatint_nn::{Beside, Init, Module, Param, join};
use aquatint_pipeline::Components;
use aquatint_tensor::{Rng, Tensor};

use super::config::LoraConfig;
use super::targets::{Targets, text_layers};
use crate::error::TrainError;

/// The change of one layer's weight, scale · up · down.
pub struct Adapter {
    /// The part of the model, as its folder is called.
    pub part: &'static str,
    /// The layer in that part.
    pub layer: String,
    /// A: `[r, in]` or `[r, in, kh, kw]`.
    pub down: Param,
    /// B: `[out, r]`.
    pub up: Param,
}

/// The changes of all layers that a configuration names.
pub struct Adapters {
    /// In the order of the layers.
    pub all: Vec<Adapter>,
    scale: f32,
    dropout: f64,
    /// The chosen parts of this step: one number for each part of each layer.
    masks: Vec<Tensor>,
}

impl Adapters {
    /// For the layers of these components; nothing is drawn yet.
    ///
    /// # Errors
    /// If the configuration names no layer of them.
    pub fn new(config: &LoraConfig, components: &Components) -> Result<Self, TrainError> {
        let targets = Targets::of(&config.targets).map_err(TrainError::Data)?;
        let mut layers: Vec<_> =
            targets.layers(&components.unet).into_iter().map(|layer| ("unet", layer)).collect();
        if layers.is_empty() {
            return Err(TrainError::Data(format!(
                "the U-Net has none of the layers that `task.lora.targets` names: {}",
                config.targets.join(", ")
            )));
        }
        if config.text_encoder {
            let found = text_layers(&components.text_encoder);
            if found.is_empty() || components.second_encoder.is_some() {
                return Err(TrainError::Data(
                    "`task.lora.text_encoder` is for models with one text encoder of CLIP's kind: \
                     leave it out"
                        .into(),
                ));
            }
            layers.extend(found.into_iter().map(|layer| ("text_encoder", layer)));
        }
        let of_layer = |(part, (layer, shape)): (&'static str, (String, Vec<usize>))| {
            let inputs = shape[1..].iter().product();
            let narrow = [&[config.rank], &shape[1..]].concat();
            let down = Param::new(&narrow, Init::kaiming_uniform(inputs));
            let up = Param::new(&[shape[0], config.rank], Init::Zeros);
            Adapter { part, layer, down, up }
        };
        Ok(Self {
            all: layers.into_iter().map(of_layer).collect(),
            scale: config.scale() as f32,
            dropout: config.dropout,
            masks: Vec::new(),
        })
    }

    /// Draws which parts of each change are left out until the next draw, if any are to be (rank
    /// dropout). The others are larger by as much.
    pub fn draw(&mut self, rng: &mut Rng) {
        if self.dropout == 0.0 {
            return;
        }
        let kept = 1.0 / (1.0 - self.dropout) as f32;
        self.masks.clear();
        for adapter in &self.all {
            let rank = adapter.down.shape()[0];
            let row: Vec<f32> =
                (0..rank).map(|_| if rng.uniform() < self.dropout { 0.0 } else { kept }).collect();
            let outputs = adapter.up.shape()[0];
            self.masks.push(Tensor::new(row.repeat(outputs), &[outputs, rank]));
        }
    }

    /// Leaves nothing out any more.
    pub fn draw_nothing(&mut self) {
        self.masks.clear();
    }

    /// Puts the matrices beside the weights of their layers.
    pub fn attach(&self, components: &mut Components) {
        let mut beside = BTreeMap::new();
        for (i, Adapter { part, layer, down, up }) in self.all.iter().enumerate() {
            let mut up = up.value().clone();
            if self.scale != 1.0 {
                up = up.scale(self.scale);
            }
            if let Some(mask) = self.masks.get(i) {
                up = up.mul(mask);
            }
            let up = up.with_precision(down.value().precision());
            let name = format!("{part}.{layer}.weight");
            beside.insert(name, Beside::LowRank { down: down.value().clone(), up });
        }
        each_weight(components, &mut |name, param| {
            if let Some(beside) = beside.remove(name) {
                param.set_beside(beside);
            }
        });
        assert!(beside.is_empty(), "changes of layers that are not there");
    }
}

/// Takes what stands beside weights away, so that the optimizer has the matrices for itself.
pub fn detach(components: &mut Components) {
    each_weight(components, &mut |_, param| param.clear_beside());
}

fn each_weight(components: &mut Components, f: &mut dyn FnMut(&str, &mut Param)) {
    components.unet.visit_mut("unet", &mut |name, param| f(name, param));
    components.text_encoder.visit_mut("text_encoder", &mut |name, param| f(name, param));
}

/// PEFT's names: `unet.mid_block.….to_q.lora_A.weight`.
impl Module for Adapters {
    fn visit<'a>(&'a self, path: &str, f: &mut dyn FnMut(&str, &'a Param)) {
        for Adapter { part, layer, down, up } in &self.all {
            let name = join(path, &format!("{part}.{layer}"));
            f(&join(&name, "lora_A.weight"), down);
            f(&join(&name, "lora_B.weight"), up);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &str, f: &mut dyn FnMut(&str, &'a mut Param)) {
        for Adapter { part, layer, down, up } in &mut self.all {
            let name = join(path, &format!("{part}.{layer}"));
            f(&join(&name, "lora_A.weight"), down);
            f(&join(&name, "lora_B.weight"), up);
        }
    }
}
