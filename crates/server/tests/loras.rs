//! LoRAs that a prompt names: those of the operator's folder, and no others.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aquatint_checkpoint::{DType, save};
use aquatint_nn::ModuleExt;
use aquatint_pipeline::{Components, GenerateRequest, ModelSource, png};
use aquatint_server::engine::{Engine, Settings, Wish};
use aquatint_server::{Refusal, Store};
use aquatint_tensor::{Rng, Tensor};
use common::{models, root};

/// Writes a LoRA of rank 2 for one layer of the shipped model.
fn lora(path: &Path) {
    let source = ModelSource::folder(root("models/seven-styles")).unwrap();
    let unet = Components::load(&source, &Default::default()).unwrap().unet;
    let layers = unet.named_parameters();
    let is = |name: &str| name.starts_with("mid_block") && name.ends_with("attn2.to_k.weight");
    let (name, layer) = layers.iter().find(|(name, _)| is(name)).expect("such a layer");
    let name = format!("lora_unet_{}", name.trim_end_matches(".weight").replace('.', "_"));
    let &[outputs, inputs] = layer.shape() else { panic!("a matrix") };
    let mut rng = Rng::new(1);
    let tensors = [
        (format!("{name}.lora_down.weight"), rng.randn(&[2, inputs])),
        (format!("{name}.lora_up.weight"), rng.randn(&[outputs, 2])),
        (format!("{name}.alpha"), Tensor::full(&[], 1.0)),
    ];
    save(path, &tensors, DType::F16, &BTreeMap::new()).unwrap();
}

#[test]
fn named_in_the_prompt_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("loras")).unwrap();
    lora(&at("loras/style.safetensors"));
    std::fs::copy(at("loras/style.safetensors"), at("secret.safetensors")).unwrap();
    let settings = Settings { lora_folders: vec![at("loras")], ..Default::default() };
    let store = Store::open(&at("data")).unwrap();
    let engine = Engine::start(settings, models(), store).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let draw = |prompt: &str| -> Result<_, Refusal> {
        let request = GenerateRequest { prompt: prompt.into(), steps: 2, ..Default::default() };
        let handle = engine.submit(Wish { request, ..Default::default() })?;
        let (_, bytes) = runtime.block_on(handle.pictures())?.remove(0);
        Ok(png::decode(&bytes).unwrap())
    };
    let (plain, _) = draw("a cat").unwrap();
    let (changed, texts) = draw("a cat<lora:style:2>").unwrap();
    assert_ne!(plain, changed);
    let (again, _) = draw("a cat").unwrap();
    assert_eq!(plain, again, "the model without it is as it was");
    let own: serde_json::Value = serde_json::from_str(&texts["aquatint"]).unwrap();
    assert_eq!(own["loras"][0]["file"], "style.safetensors", "no folder of the server is told");
    for (prompt, words) in [
        ("<lora:stile:1>", "has no LoRA `stile` (the nearest is `style`)"),
        ("<lora:../secret:1>", "has no LoRA `../secret`"),
        ("<lora:/etc/passwd:1>", "has no LoRA `/etc/passwd`"),
    ] {
        let sentence = draw(prompt).unwrap_err().message;
        assert!(sentence.contains(words), "{sentence}");
        assert!(!sentence.contains(&*folder.path().to_string_lossy()), "{sentence}");
    }
    assert_eq!(engine.drain(Duration::from_secs(5)), 0);
}
