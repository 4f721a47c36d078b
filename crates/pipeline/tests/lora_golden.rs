//! LoRA and its kin against diffusers and PEFT, on hashed numbers; see tools/reference/loras.py.

#[path = "../../models/tests/common/mod.rs"]
mod common;
mod loras;

use std::collections::BTreeMap;

use aquatint_checkpoint::DType;
use aquatint_checkpoint::lora::{LoraFile, Targets};
use aquatint_models::{ClipTextModel, UNet2DConditionModel};
use aquatint_pipeline::lora::{LoraMode, LoraSpec};
use aquatint_pipeline::{
    Autoencoder, Components, GenerateRequest, LoadOptions, ModelConfig, ModelSource, SecondEncoder,
    TextEncoder, Tiling, Tokenizer, decode, denoise, encode_prompt,
};
use aquatint_tensor::Tensor;
use common::{Golden, fill, hashed, number, numbers};
use loras::{Tensors, written};
use serde::de::DeserializeOwned;
use serde_json::Value;

fn part<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("a configuration of diffusers")
}

/// The model of a golden without any change.
fn base(golden: &Golden) -> Components {
    let parts: BTreeMap<String, Value> = golden.config();
    let config = ModelConfig {
        noise_levels: None,
        text_encoder: part(&parts["text_encoder"]),
        text_encoder_2: parts.get("text_encoder_2").map(part),
        zeros_for_empty_prompt: true,
        unet: part(&parts["unet"]),
        vae: part(&parts["vae"]),
        scheduler: part(&parts["scheduler"]),
    };
    let mut second = ClipTextModel::with_projection(config.text_encoder_2.as_ref().unwrap());
    let mut text_encoder = TextEncoder::new(&config.text_encoder, false);
    let (mut unet, mut vae) =
        (UNet2DConditionModel::new(&config.unet), Autoencoder::new(&config.vae));
    fill(&mut second);
    fill(&mut text_encoder);
    fill(&mut unet);
    fill(&mut vae);
    let tokenizer = Tokenizer::open_clip();
    Components {
        tokenizer: Tokenizer::clip(),
        text_encoder,
        second_encoder: Some(SecondEncoder { tokenizer, text_encoder: second }),
        unet,
        vae,
        config,
    }
}

/// Every layer of SDXL's U-Net in the authors' names, and of both text encoders, merged and beside.
#[test]
fn sdxl_with_a_lora_agrees_with_diffusers() {
    let mut golden = Golden::open("lora_tiny_xl");
    let inputs = golden.inputs();
    let shapes: BTreeMap<String, Vec<usize>> = part(&inputs["shapes"]);
    let mut tensors: Tensors =
        shapes.iter().map(|(name, shape)| (name.clone(), hashed(name, shape))).collect();
    let alpha = number(&inputs["alpha"]) as f32;
    for name in shapes.keys().filter_map(|name| name.strip_suffix(".lora_up.weight")) {
        tensors.push((format!("{name}.alpha"), Tensor::new(vec![alpha], &[1])));
    }
    let folder = tempfile::tempdir().unwrap();
    base(&golden).save(folder.path(), DType::F32).unwrap();
    let file = written(folder.path(), "lora", &tensors, &[]);
    let source = ModelSource::folder(folder.path()).unwrap();
    let request: GenerateRequest = part(&inputs["request"]);
    for lora_mode in [LoraMode::Merged, LoraMode::RunTime] {
        let loras = vec![LoraSpec::new(&file, number(&inputs["strength"]))];
        let options = LoadOptions { loras, lora_mode, ..Default::default() };
        let model = Components::load(&source, &options).unwrap();
        let embeds = encode_prompt(&model, &request);
        golden.check("context", &embeds.prompt.context);
        golden.check("pooled", embeds.prompt.pooled.as_ref().unwrap());
        let Components { unet, vae, config, .. } = &model;
        let seeds = request.picture_seeds();
        let latents = denoise(unet, config, &request, &embeds, &seeds, &mut (), &|_| {}).unwrap();
        golden.check("empty.latents", &latents);
        let picture = &decode(vae, &latents, Tiling::Auto).unwrap()[0];
        let expected: Vec<u8> = numbers(golden.value("empty.pixels"));
        let last = expected.len() - 1;
        for (k, expected) in expected.iter().enumerate() {
            let pixel = picture.rgb[k * (picture.rgb.len() - 1) / last];
            assert!(pixel.abs_diff(*expected) <= 1, "{lora_mode:?}: {pixel} is not {expected}");
        }
    }
}

/// Every formula, as PEFT's layers have it.
#[test]
fn every_form_agrees_with_peft() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden/lora_forms.json");
    let golden: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(golden.len(), 14);
    let folder = tempfile::tempdir().unwrap();
    for (form, golden) in golden {
        let shape: Vec<usize> = numbers(&golden["shape"]);
        let ends: BTreeMap<String, Vec<usize>> = part(&golden["tensors"]);
        let named = |(end, shape): (&String, &Vec<usize>)| {
            let name = format!("{form}.{end}");
            (name.clone(), hashed(&name, shape))
        };
        let mut tensors: Tensors = ends.iter().map(named).collect();
        let alpha = number(&golden["alpha"]) as f32;
        tensors.push((format!("{form}.alpha"), Tensor::new(vec![alpha], &[1])));
        let file = LoraFile::open(written(folder.path(), &form, &tensors, &[])).unwrap();

        let mut targets = Targets::default();
        let parameter = format!("{form}.weight");
        targets.add("unet", &Value::Null, &[(parameter.clone(), shape.clone())]);
        let [change] = &file.bind(&targets).unwrap()[..] else { panic!("one change of {form}") };
        assert_eq!(change.parameter, parameter);
        let base = hashed(&parameter, &shape);
        let expected: Vec<f64> = numbers(&golden["delta"]);
        let largest = expected.iter().fold(0f64, |a, b| a.max(b.abs()));
        for strength in [1.0, -0.5] {
            let delta = file.delta(change, strength, &base).unwrap().whole(&shape).to_vec();
            for (delta, expected) in delta.into_iter().zip(&expected) {
                let error = (f64::from(delta) - f64::from(strength) * expected).abs();
                assert!(error < 1e-6 * largest, "{form}: {delta}, {expected} × {strength}");
            }
        }
    }
}
