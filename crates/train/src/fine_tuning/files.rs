//! What a fine-tuning leaves for others to draw with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::{DType, save};
use aquatint_tensor::Tensor;
use serde_json::json;

use super::adapters::{Adapter, Adapters};
use super::config::{LoraConfig, Naming};
use crate::error::TrainError;

/// The file in `folder` that has the folder's name, by which prompts will call it.
pub fn named(folder: &Path) -> PathBuf {
    let name = folder.file_name().map_or("lora".into(), |name| name.to_string_lossy());
    folder.join(format!("{name}.safetensors"))
}

/// Writes a LoRA into `folder`, in half precision.
pub fn lora(folder: &Path, adapters: &Adapters, config: &LoraConfig) -> Result<(), TrainError> {
    let mut tensors = Vec::new();
    let mut attached = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    for Adapter { part, layer, down, up } in &adapters.all {
        // A convolution's second matrix is one of single pixels.
        let mut shape = up.shape().to_vec();
        shape.resize(down.shape().len(), 1);
        let (down, up) = (down.value().detach(), up.value().detach().reshape(&shape));
        match config.naming {
            Naming::Kohya => {
                let prefix = if *part == "unet" { "lora_unet" } else { "lora_te" };
                let name = format!("{prefix}_{}", layer.replace('.', "_"));
                tensors.push((format!("{name}.lora_down.weight"), down));
                tensors.push((format!("{name}.lora_up.weight"), up));
                let alpha = Tensor::full(&[], config.alpha() as f32);
                tensors.push((format!("{name}.alpha"), alpha));
            }
            Naming::Peft => {
                tensors.push((format!("{part}.{layer}.lora_A.weight"), down));
                tensors.push((format!("{part}.{layer}.lora_B.weight"), up));
            }
        }
    }
    if config.naming == Naming::Peft {
        attached.insert("lora_adapter_metadata".into(), peft(adapters, config));
    }
    write(&named(folder), &tensors, DType::F16, &attached)
}

/// PEFT's settings of each part, as diffusers attaches them.
fn peft(adapters: &Adapters, config: &LoraConfig) -> String {
    let mut settings = serde_json::Map::new();
    for part in ["unet", "text_encoder"] {
        let of_part = adapters.all.iter().filter(|adapter| adapter.part == part);
        let layers: Vec<&str> = of_part.map(|adapter| adapter.layer.as_str()).collect();
        // What the path begins with depends on the version of transformers.
        let bare = |layer: &str| layer.rsplit('.').next().unwrap_or_default().to_owned();
        let layers: BTreeSet<String> = match part {
            "unet" => layers.into_iter().map(str::to_owned).collect(),
            _ => layers.into_iter().map(bare).collect(),
        };
        if layers.is_empty() {
            continue;
        }
        settings.insert(format!("{part}.r"), config.rank.into());
        settings.insert(format!("{part}.lora_alpha"), config.alpha().into());
        settings.insert(format!("{part}.target_modules"), json!(layers));
    }
    serde_json::Value::Object(settings).to_string()
}

/// Writes the vectors of a new word, `[n, D]`, into `folder`, in diffusers' form: one tensor that
/// is called by the word.
pub fn word(folder: &Path, name: &str, vectors: &Tensor) -> Result<(), TrainError> {
    let attached = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let file = folder.join("learned_embeds.safetensors");
    write(&file, &[(name.to_owned(), vectors.detach())], DType::F32, &attached)
}

fn write(
    path: &Path,
    tensors: &[(String, Tensor)],
    dtype: DType,
    attached: &BTreeMap<String, String>,
) -> Result<(), TrainError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
    save(path, tensors, dtype, attached).map_err(TrainError::io(path))
}
