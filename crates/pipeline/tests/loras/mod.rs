//! LoRA files made on the spot, in any spelling.

#![allow(dead_code, reason = "not every test file needs everything")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::{DType, save};
use aquatint_nn::Module;
use aquatint_nn::ModuleExt;
use aquatint_pipeline::Components;
use aquatint_tensor::{Rng, Tensor};

pub const RANK: usize = 4;

/// The tensors of a file.
pub type Tensors = Vec<(String, Tensor)>;

/// The layers of a model that have a matrix or a kernel: part, path, shape of the weight.
pub fn layers(model: &Components) -> Vec<(&'static str, String, Vec<usize>)> {
    let mut found = Vec::new();
    let mut add = |part, module: &dyn Module| {
        module.visit("", &mut |name, parameter| {
            if let Some(path) = name.strip_suffix(".weight")
                && parameter.shape().len() > 1
                && !path.contains("embedding.")
                && !path.ends_with("_embedding")
            {
                found.push((part, path.to_owned(), parameter.shape().to_vec()));
            }
        });
    };
    add("text_encoder", &model.text_encoder);
    add("unet", &model.unet);
    found
}

/// The two matrices for each of these layers, of `strength`; `name` spells the name of one.
pub fn low_rank(
    layers: &[(&'static str, String, Vec<usize>)],
    strength: f32,
    name: impl Fn(&str, &str, bool) -> String,
) -> Tensors {
    let mut tensors = Vec::new();
    for (i, (part, path, shape)) in layers.iter().enumerate() {
        let mut rng = Rng::new(i as u64);
        let narrow: Vec<usize> = [&[RANK], &shape[1..]].concat();
        let ones = vec![1; shape.len() - 2];
        let wide: Vec<usize> = [&[shape[0], RANK], &ones[..]].concat();
        let inputs = shape[1..].iter().product::<usize>() as f32;
        let down = rng.randn(&narrow).scale(1.0 / inputs.sqrt());
        tensors.push((name(part, path, true), down));
        tensors.push((name(part, path, false), rng.randn(&wide).scale(strength)));
    }
    tensors
}

/// kohya's name of a layer.
pub fn kohya(part: &str, path: &str) -> String {
    let part = if part == "unet" { "unet" } else { "te" };
    format!("lora_{part}_{}", path.replace('.', "_"))
}

/// kohya's names of the matrices.
pub fn by_kohya(part: &str, path: &str, down: bool) -> String {
    format!("{}.lora_{}.weight", kohya(part, path), if down { "down" } else { "up" })
}

/// PEFT's names of the matrices, as diffusers writes them.
pub fn by_peft(part: &str, path: &str, down: bool) -> String {
    format!("{part}.{path}.lora_{}.weight", if down { "A" } else { "B" })
}

/// Writes a file, and says where it is.
pub fn written(
    folder: &Path,
    name: &str,
    tensors: &[(String, Tensor)],
    metadata: &[(&str, &str)],
) -> PathBuf {
    let path = folder.join(format!("{name}.safetensors"));
    let metadata: BTreeMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    save(&path, tensors, DType::F32, &metadata).expect("a file");
    path
}

/// The value of a parameter.
pub fn value(module: &impl Module, wanted: &str) -> Tensor {
    let parameters = module.named_parameters();
    let found = parameters.iter().find(|(name, _)| name == wanted);
    found.expect("a parameter of this name").1.value().clone()
}
