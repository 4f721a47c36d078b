//! LoRAs on the way from a file to a picture.

mod loras;
mod tiny;
mod written;

use std::path::Path;

use aquatint_checkpoint::lora::{LoraFile, Targets};
use aquatint_checkpoint::naming::Layout;
use aquatint_checkpoint::{DType, Family};
use aquatint_models::{ClipTextModel, UNet2DConditionModel};
use aquatint_nn::Module;
use aquatint_pipeline::lora::{LoraMode, LoraSpec};
use aquatint_pipeline::presets::preset;
use aquatint_pipeline::{
    Components, GenerateRequest, LoadOptions, ModelSource, Picture, Stages, png, text_to_image,
};
use aquatint_tensor::{Precision, Rng, Tensor};
use loras::{Tensors, by_kohya, by_peft, kohya, layers, low_rank, value, written};
use serde_json::{Map, Value};
use tempfile::TempDir;
use tiny::{tiny_components, tiny_xl};

fn saved(model: &Components, dtype: DType) -> (TempDir, ModelSource) {
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path(), dtype).unwrap();
    let source = ModelSource::folder(folder.path()).unwrap();
    (folder, source)
}

fn with(loras: Vec<LoraSpec>, lora_mode: LoraMode) -> LoadOptions {
    LoadOptions { loras, lora_mode, ..Default::default() }
}

fn picture(source: &ModelSource, options: &LoadOptions) -> Picture {
    let model = Components::load(source, options).unwrap_or_else(|error| panic!("{error}"));
    let prompt = "a cat".into();
    let request = GenerateRequest { prompt, seed: 7, steps: 4, ..Default::default() };
    text_to_image(&model, &request, &mut ()).unwrap().remove(0)
}

/// Peak signal-to-noise ratio, in dB.
fn psnr(a: &Picture, b: &Picture) -> f64 {
    let squares = a.rgb.iter().zip(&b.rgb).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
    let mean = squares.sum::<f64>() / a.rgb.len() as f64;
    10.0 * (255.0 * 255.0 / mean).log10()
}

/// Nobody's names matter: kohya's, the authors', PEFT's with its alpha attached or none, and those of
/// old diffusers.
#[test]
fn every_spelling_gives_the_same_bytes() {
    let model = tiny_components();
    let (folder, source) = saved(&model, DType::F32);
    let config: Value = source.json("unet/config.json").unwrap();
    let ldm = Layout::ldm(&Map::from_iter([("unet".to_owned(), config)])).unwrap();
    let attention = |path: &str| path.contains(".attn") || path.contains(".self_attn.");
    let mut layers = layers(&model);
    layers.retain(|(_, path, _)| attention(path));
    assert_eq!(layers.len(), 4 + 4 * 8);

    let authors = |part: &str, path: &str, down: bool| {
        if part != "unet" {
            return by_kohya("text_encoder", path, down).replace("lora_te_", "lora_te1_");
        }
        let stored = ldm.binding(part, &format!("{path}.weight")).unwrap().stored;
        let path = stored.strip_prefix("model.diffusion_model.").unwrap();
        by_kohya(part, path.strip_suffix(".weight").unwrap(), down)
    };
    let old = |part: &str, path: &str, down: bool| {
        let end = if down { "down" } else { "up" };
        match (part, path.rsplit_once(".attn")) {
            ("unet", Some((block, layer))) => {
                let (i, layer) = layer.split_once('.').unwrap();
                let layer = layer.strip_suffix(".0").unwrap_or(layer);
                format!("unet.{block}.attn{i}.processor.{layer}_lora.{end}.weight")
            }
            _ => format!("{part}.{path}.lora_linear_layer.{end}.weight"),
        }
    };
    // Most recent PEFT writes a U-Net alone like this.
    let bare = |part: &str, path: &str, down: bool| {
        by_peft(part, path, down).replace("unet.", "base_model.model.")
    };
    let short =
        |part: &str, path: &str, down: bool| by_peft(part, path, down).replace("text_model.", "");
    let dotted = |part: &str, path: &str, down: bool| {
        let end = if down { "down" } else { "up" };
        format!("{part}.{path}.lora.{end}.weight")
    };
    let bytes = |name: &str, tensors: &Tensors, metadata: &[(&str, &str)]| {
        let file = written(folder.path(), name, tensors, metadata);
        let picture = picture(&source, &with(vec![LoraSpec::new(file, 0.75)], LoraMode::Merged));
        let path = folder.path().join("out.png");
        png::save(&path, &picture, &Default::default()).unwrap();
        std::fs::read(path).unwrap()
    };
    let plain = bytes("kohya", &low_rank(&layers, 0.3, by_kohya), &[]);
    for (name, tensors) in [
        ("authors", low_rank(&layers, 0.3, authors)),
        ("peft", low_rank(&layers, 0.3, by_peft)),
        ("old", low_rank(&layers, 0.3, old)),
        ("bare", low_rank(&layers, 0.3, bare)),
        ("short", low_rank(&layers, 0.3, short)),
        ("dotted", low_rank(&layers, 0.3, dotted)),
    ] {
        assert!(bytes(name, &tensors, &[]) == plain, "{name}");
    }
    // Twice the rank as alpha, in a tensor or attached.
    let mut tensors = low_rank(&layers, 0.3, by_kohya);
    let alphas = layers.iter().map(|(part, path, _)| {
        (format!("{}.alpha", kohya(part, path)), Tensor::new(vec![8.0], &[1]))
    });
    tensors.extend(alphas.collect::<Tensors>());
    let scaled = bytes("alpha", &tensors, &[]);
    let settings = r#"{"unet.r": 4, "unet.lora_alpha": 8, "text_encoder.lora_alpha": 8}"#;
    let metadata = [("format", "pt"), ("lora_adapter_metadata", settings)];
    let attached = bytes("attached", &low_rank(&layers, 0.3, by_peft), &metadata);
    assert!(scaled == attached && scaled != plain);
}

/// The tensors of LoHa or LoKr for each layer; full differences for biases.
fn other_kinds(model: &Components) -> Tensors {
    let mut tensors = Vec::new();
    for (i, (part, path, shape)) in layers(model).iter().enumerate() {
        let mut rng = Rng::new(i as u64);
        let (outputs, inputs) = (shape[0], shape[1..].iter().product::<usize>());
        let name = kohya(part, path);
        let mut add = |end: &str, shape: &[usize], scale: f32| {
            tensors.push((format!("{name}.{end}"), rng.randn(shape).scale(scale)));
        };
        let small = 0.1 / (inputs as f32).sqrt();
        match i % 4 {
            0 => {
                for end in ["hada_w1_a", "hada_w2_a"] {
                    add(end, &[outputs, 2], 0.5);
                }
                add("hada_w1_b", &[2, inputs], small);
                add("hada_w2_b", &[2, inputs], 0.5);
            }
            1 => {
                let right: Vec<usize> = [&[outputs / 2, shape[1] / 2], &shape[2..]].concat();
                add("lokr_w1", &[2, 2], 1.0);
                add("lokr_w2", &right, small);
            }
            2 => add("diff", shape, small),
            _ => {
                add("lora_down.weight", &[[2].as_slice(), &shape[1..]].concat(), 1.0);
                let ones = vec![1; shape.len() - 2];
                add("lora_up.weight", &[&[outputs, 2], &ones[..]].concat(), small);
                add("dora_scale", &[&[outputs, 1], &ones[..]].concat(), 1.0);
            }
        }
    }
    tensors.push(("lora_unet_conv_norm_out.w_norm".into(), Rng::new(1).randn(&[16]).scale(0.1)));
    tensors.push(("lora_unet_conv_in.diff_b".into(), Rng::new(2).randn(&[16]).scale(0.1)));
    tensors
}

#[test]
fn merged_and_at_run_time() {
    let model = tiny_components();
    let (folder, source) = saved(&model, DType::F32);
    let even = |(_, _, shape): &(&str, String, Vec<usize>)| {
        shape[0].is_multiple_of(2) && shape[1].is_multiple_of(2)
    };
    assert!(layers(&model).iter().all(even));
    let low = written(folder.path(), "low", &low_rank(&layers(&model), 0.2, by_kohya), &[]);
    let other = written(folder.path(), "other", &other_kinds(&model), &[]);
    let plain = picture(&source, &LoadOptions::default());
    for files in [&[&low][..], &[&other], &[&low, &low], &[&low, &other]] {
        let specs: Vec<LoraSpec> = files.iter().map(|file| LoraSpec::new(file, 0.6)).collect();
        let merged = picture(&source, &with(specs.clone(), LoraMode::Merged));
        assert!(psnr(&merged, &plain) < 30.0, "{files:?} change nothing");
        let beside = picture(&source, &with(specs.clone(), LoraMode::RunTime));
        let f32 = psnr(&merged, &beside);
        assert!(f32 >= 60.0, "{f32} dB of {files:?}");
        for int8 in [false, true] {
            let options = LoadOptions {
                precision: Precision::Bf16,
                int8,
                ..with(specs.clone(), LoraMode::RunTime)
            };
            let rounded = psnr(&picture(&source, &options), &merged);
            assert!(rounded > 30.0, "{rounded} dB of {files:?}, int8 {int8}");
        }
    }
}

/// The numbers themselves, of a file of 16 bits, and the strength of each part.
#[test]
fn merged_numbers() {
    let model = tiny_components();
    let (folder, source) = saved(&model, DType::F16);
    let file = written(folder.path(), "lora", &low_rank(&layers(&model), 0.2, by_peft), &[]);
    let load = |loras: Vec<LoraSpec>| {
        let options = LoadOptions { trainable: true, ..with(loras, LoraMode::RunTime) };
        Components::load(&source, &options).unwrap()
    };
    let spec = LoraSpec { file, unet: 0.5, text_encoder: 0.0 };
    let (base, changed) = (load(vec![]), load(vec![spec]));
    let tensors = low_rank(&layers(&model), 0.2, by_peft);
    let get = |name: &str| tensors.iter().find(|(n, _)| n == name).unwrap().1.clone();
    for path in ["mid_block.attentions.0.proj_in", "down_blocks.0.resnets.0.conv1"] {
        let [down, up] = ["A", "B"].map(|which| get(&format!("unet.{path}.lora_{which}.weight")));
        let name = format!("{path}.weight");
        let [before, after] = [&base, &changed].map(|model| value(&model.unet, &name));
        let inputs = down.len() / loras::RANK;
        let (d, u) = (down.to_vec(), up.to_vec());
        for (at, (before, after)) in before.to_vec().iter().zip(after.to_vec()).enumerate() {
            let (o, i) = (at / inputs, at % inputs);
            let sum: f32 =
                (0..loras::RANK).map(|r| u[o * loras::RANK + r] * d[r * inputs + i]).sum();
            assert!((after - before - 0.5 * sum).abs() < 1e-5, "{path}");
        }
    }
    let name = "text_model.encoder.layers.0.self_attn.q_proj.weight";
    let [before, after] = [&base, &changed].map(|model| value(&model.text_encoder, name).to_vec());
    assert_eq!(before, after);
}

fn refused(source: &ModelSource, file: &Path) -> String {
    let options = with(vec![LoraSpec::new(file, 1.0)], LoraMode::Merged);
    let error = Stages::open(source, &options).err().expect("it must be refused").to_string();
    let start = format!("{} ", file.display());
    error.strip_prefix(&start).unwrap_or_else(|| panic!("no name of the file: {error}")).to_owned()
}

/// What is used is told, and what does not fit is named, before any number of the model is read.
#[test]
fn what_does_not_fit_is_named() {
    let model = tiny_components();
    let (folder, source) = saved(&model, DType::F32);
    let all = low_rank(&layers(&model), 0.2, by_kohya);
    let file = written(folder.path(), "all", &all, &[]);
    let options = with(vec![LoraSpec::new(&file, 1.0)], LoraMode::Merged);
    let stages = Stages::open(&source, &options).unwrap();
    let [used] = stages.loras() else { panic!("one LoRA") };
    let expected = [("text_encoder", 6), ("unet", layers(&model).len() - 6)];
    assert_eq!(used.layers, expected.map(|(part, n)| (part.to_owned(), n)).into());

    let (_other, xl) = saved(&tiny_xl(), DType::F32);
    let n = used.layers.values().sum::<usize>();
    let error = refused(&xl, &file);
    let start = "does not fit the model: its change of `lora_unet_";
    assert!(
        error.starts_with(start) && error.ends_with(&format!("of its {n} layers fit")),
        "{error}"
    );

    let q = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
    let mut few: Tensors = all.iter().filter(|(name, _)| name.starts_with(q)).cloned().collect();
    let te2 = "lora_te2_text_model_encoder_layers_0_mlp_fc1";
    few.extend([
        (format!("{te2}.lora_down.weight"), Tensor::zeros(&[4, 16])),
        (format!("{te2}.lora_up.weight"), Tensor::zeros(&[32, 4])),
    ]);
    assert_eq!(
        refused(&source, &written(folder.path(), "te2", &few, &[])),
        format!(
            "does not fit the model: it changes `{te2}`, which the model does not have (the nearest \
             is `lora_te_text_model_encoder_layers_0_mlp_fc1`); 1 of its 2 layers fit"
        )
    );
    let mut wide: Tensors = all.iter().filter(|(name, _)| name.starts_with(q)).cloned().collect();
    wide[0].1 = Tensor::zeros(&[4, 33]);
    assert_eq!(
        refused(&source, &written(folder.path(), "wide", &wide, &[])),
        format!(
            "does not fit the model: its change of `{q}` is [32, 33], but the model's \
             `unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight` is [32, 32]; 0 of \
             its 1 layers fit"
        )
    );
    let error = refused(&source, &folder.path().join("none.safetensors"));
    assert_eq!(error, "cannot be read: no such file or directory");
    let weights = folder.path().join("unet/diffusion_pytorch_model.safetensors");
    assert!(refused(&source, &weights).starts_with("is no LoRA: it is "));
}

/// Files of other containers, and a model in one.
#[test]
fn every_container() {
    let model = tiny_components();
    let (folder, source) = saved(&model, DType::F32);
    let safe = written(folder.path(), "lora", &low_rank(&layers(&model), 0.2, by_kohya), &[]);
    let at = |name: &str| folder.path().join(name);
    let tensors = written::read(&safe);
    written::torch_zip(&at("lora.pt"), &tensors, false);
    written::torch_legacy(&at("lora.ckpt"), &tensors);
    let (narrow, _) = saved(&model, DType::F16);
    let half = written::read(&narrow.path().join("unet/diffusion_pytorch_model.safetensors"));
    written::gguf(&at("unet.gguf"), &half);
    written::safetensors(&at("unet.safetensors"), &half);
    let draw = |lora: &str, unet: Option<&str>| {
        let mut options = with(vec![LoraSpec::new(at(lora), 0.6)], LoraMode::Merged);
        options.parts.extend(unet.map(|unet| ("unet", at(unet))));
        picture(&source, &options)
    };
    let first = draw("lora.safetensors", None);
    assert_eq!(draw("lora.pt", None), first);
    assert_eq!(draw("lora.ckpt", None), first);
    let of_half = draw("lora.safetensors", Some("unet.safetensors"));
    assert_eq!(draw("lora.pt", Some("unet.gguf")), of_half);
    assert!(of_half != first);
}

/// Names as they are in files that people share, of full size.
#[test]
fn names_of_published_files() {
    let known = |family: Family, names: &[(&str, &[usize], &[usize])]| {
        let configs = preset(family);
        let mut targets = Targets::default();
        let mut add = |part: &str, module: &dyn Module| {
            let mut parameters = Vec::new();
            module.visit("", &mut |name, p| parameters.push((name.into(), p.shape().to_vec())));
            targets.add(part, &configs[part], &parameters);
        };
        let config = |part: &str| configs[part].clone();
        let unet = serde_json::from_value(config("unet")).unwrap();
        add("unet", &UNet2DConditionModel::new(&unet));
        for part in ["text_encoder", "text_encoder_2"] {
            if configs.contains_key(part) {
                let text = serde_json::from_value(config(part)).unwrap();
                add(part, &ClipTextModel::with_projection(&text));
            }
        }
        let [a, b] = ["lora_down", "lora_up"];
        let tensors = names.iter().flat_map(|(name, down, up)| {
            [(a, down), (b, up)].map(|(end, s)| (format!("{name}.{end}.weight"), Tensor::zeros(s)))
        });
        let folder = tempfile::tempdir().unwrap();
        let file = written(folder.path(), "lora", &tensors.collect::<Tensors>(), &[]);
        let file = LoraFile::open(file).unwrap();
        let bound = file.bind(&targets).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(bound.len(), names.len());
    };
    let ff = "transformer_blocks_0_ff_net_0_proj";
    known(
        Family::Sd15,
        &[
            ("lora_unet_down_blocks_0_attentions_0_proj_in", &[4, 320, 1, 1], &[320, 4, 1, 1]),
            (&format!("lora_unet_up_blocks_3_attentions_2_{ff}"), &[4, 320], &[2560, 4]),
            ("lora_unet_up_blocks_0_upsamplers_0_conv", &[4, 1280, 3, 3], &[1280, 4, 1, 1]),
            ("lora_te_text_model_encoder_layers_11_mlp_fc1", &[4, 768], &[3072, 4]),
            ("lora_unet_mid_block_resnets_1_time_emb_proj", &[4, 1280], &[1280, 4]),
        ],
    );
    known(
        Family::Sdxl,
        &[
            (&format!("lora_unet_input_blocks_4_1_{ff}"), &[4, 640], &[5120, 4]),
            ("lora_unet_input_blocks_8_1_proj_out", &[4, 1280], &[1280, 4]),
            ("lora_unet_middle_block_1_transformer_blocks_9_attn2_to_k", &[4, 2048], &[1280, 4]),
            ("lora_unet_output_blocks_2_2_conv", &[4, 1280, 3, 3], &[1280, 4, 1, 1]),
            (
                "lora_unet_output_blocks_5_1_transformer_blocks_1_attn1_to_out_0",
                &[4, 640],
                &[640, 4],
            ),
            ("lora_unet_output_blocks_8_0_skip_connection", &[4, 640, 1, 1], &[320, 4, 1, 1]),
            ("lora_unet_input_blocks_3_0_op", &[4, 320, 3, 3], &[320, 4, 1, 1]),
            ("lora_unet_time_embed_0", &[4, 320], &[1280, 4]),
            ("lora_unet_label_emb_0_2", &[4, 1280], &[1280, 4]),
            ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", &[4, 768], &[768, 4]),
            ("lora_te2_text_model_encoder_layers_31_mlp_fc2", &[4, 5120], &[1280, 4]),
            ("lora_te2_text_projection", &[4, 1280], &[1280, 4]),
        ],
    );
}
