//! The same weights through each container and naming give the same pictures, to the last bit.

mod tiny;
mod written;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::DType;
use aquatint_checkpoint::naming::Naming;
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::{
    Components, Conversion, ConvertOptions, GenerateRequest, LoadOptions, ModelSource, Picture,
    png, text_to_image,
};
use aquatint_tensor::Tensor;
use tiny::{tiny_components, tiny_xl};
use written::{Tensors, gguf, read, recoded, safetensors, sharded, torch_legacy, torch_zip};

/// Weights that f16 and bf16 have exactly: whole 256ths up to one.
fn simplify(module: &mut impl Module) {
    for (_, parameter) in module.named_parameters_mut() {
        let simple = |v: f32| (v * 256.0).round().clamp(-256.0, 256.0) / 256.0;
        let values = parameter.value().to_vec().into_iter().map(simple).collect();
        let shape = parameter.shape().to_vec();
        parameter.set(Tensor::new(values, &shape));
    }
}

fn simple(mut components: Components) -> Components {
    simplify(&mut components.text_encoder);
    if let Some(second) = &mut components.second_encoder {
        simplify(&mut second.text_encoder);
    }
    simplify(&mut components.unet);
    simplify(&mut components.vae);
    components
}

/// The whole PNG.
fn draw(path: &Path, config: Option<&Path>) -> Vec<u8> {
    let source = ModelSource::open_with(path, None, config).unwrap_or_else(|e| panic!("{e}"));
    let components = Components::load(&source, &LoadOptions::default());
    let components = components.unwrap_or_else(|error| panic!("{error}"));
    let request =
        GenerateRequest { prompt: "a cat".into(), seed: 7, steps: 3, ..Default::default() };
    let picture: &Picture = &text_to_image(&components, &request, &mut ()).unwrap()[0];
    png::encode(picture, &Default::default())
}

const PARTS: [&str; 4] = ["unet", "vae", "text_encoder", "text_encoder_2"];

fn stem(part: &str) -> &'static str {
    if part.starts_with("text") { "model" } else { "diffusion_pytorch_model" }
}

/// A copy of the folder `model` with its weights written otherwise.
fn folder(model: &Path, name: &str, write: impl Fn(&Path, &str, &Tensors)) -> PathBuf {
    let copy = model.with_file_name(name);
    for part in ["", "scheduler", "tokenizer", "tokenizer_2"].iter().chain(&PARTS) {
        if !model.join(part).is_dir() {
            continue;
        }
        fs::create_dir_all(copy.join(part)).unwrap();
        for entry in fs::read_dir(model.join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "safetensors") {
                write(&copy.join(part), stem(part), &read(&path));
            } else if path.is_file() {
                fs::copy(&path, copy.join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    copy
}

fn options(naming: Naming) -> ConvertOptions {
    ConvertOptions {
        naming,
        folder: naming == Naming::Diffusers,
        dtype: None,
        family: None,
        config: None,
        parts: Default::default(),
    }
}

fn convert(from: &Path, to: &Path, options: &ConvertOptions) -> Conversion {
    let conversion = Conversion::plan(from, options).unwrap_or_else(|error| panic!("{error}"));
    let (mut seen, mut count) = (0, 0);
    conversion
        .write(to, &mut |bytes| {
            (seen, count) = (seen + bytes, count + 1);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((seen, count), (conversion.bytes(), conversion.tensors()));
    conversion
}

#[test]
fn every_container_gives_the_same_picture() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let model = at("model");
    simple(tiny_components()).save(&model, DType::F32).unwrap();
    let expected = draw(&model, None);
    assert_ne!(expected, {
        let other = at("other");
        tiny_components().save(&other, DType::F32).unwrap();
        draw(&other, None)
    });

    let half = |tensors: &Tensors| recoded(tensors, DType::F16);
    for (name, copy) in [
        (
            "f16",
            folder(&model, "f16", |to, stem, tensors| {
                safetensors(&to.join(format!("{stem}.safetensors")), &half(tensors));
            }),
        ),
        (
            "bf16",
            folder(&model, "bf16", |to, stem, tensors| {
                let tensors = recoded(tensors, DType::Bf16);
                safetensors(&to.join(format!("{stem}.safetensors")), &tensors);
            }),
        ),
        (
            "fp16 variants",
            folder(&model, "variants", |to, stem, tensors| {
                safetensors(&to.join(format!("{stem}.fp16.safetensors")), &half(tensors));
            }),
        ),
        (
            "pickles",
            folder(&model, "pickles", |to, stem, tensors| {
                let stem = if stem == "model" { "pytorch_model" } else { stem };
                torch_zip(&to.join(format!("{stem}.bin")), tensors, false);
            }),
        ),
        ("shards", folder(&model, "shards", sharded)),
    ] {
        assert_eq!(draw(&copy, None), expected, "a folder of {name}");
    }

    // In the authors' names, with the configurations of the folder.
    let single = at("single.safetensors");
    convert(&model, &single, &options(Naming::Ldm));
    assert_eq!(draw(&single, Some(&model)), expected, "a single file");
    let tensors = read(&single);
    assert!(tensors.contains_key("model.diffusion_model.input_blocks.0.0.weight"));
    // ggml's matrices are halves, its vectors are not.
    let mixed = half(&tensors).into_iter().map(|(name, stored)| {
        let stored = if stored.shape.len() > 1 { stored } else { tensors[&name].clone() };
        (name, stored)
    });
    let mixed: Tensors = mixed.collect();
    type Write<'a> = &'a dyn Fn(&Path);
    let writers: [(&str, Write<'_>); 10] = [
        ("f16.safetensors", &|path| safetensors(path, &half(&tensors))),
        ("bf16.safetensors", &|path| safetensors(path, &recoded(&tensors, DType::Bf16))),
        ("f64.safetensors", &|path| safetensors(path, &recoded(&tensors, DType::F64))),
        ("plain.pt", &|path| torch_zip(path, &tensors, false)),
        ("lightning.ckpt", &|path| torch_zip(path, &half(&tensors), true)),
        ("legacy.pt", &|path| torch_legacy(path, &tensors)),
        ("legacy-f16.ckpt", &|path| torch_legacy(path, &half(&tensors))),
        ("f32.gguf", &|path| gguf(path, &tensors)),
        ("f16.gguf", &|path| gguf(path, &mixed)),
        ("bf16.gguf", &|path| gguf(path, &recoded(&tensors, DType::Bf16))),
    ];
    for (name, write) in writers {
        write(&at(name));
        assert_eq!(draw(&at(name), Some(&model)), expected, "{name}");

        // And on from each to a folder, which keeps its encodings.
        let back = at(&format!("{name} back"));
        let mut options = options(Naming::Diffusers);
        options.config = Some(model.clone());
        convert(&at(name), &back, &options);
        assert_eq!(draw(&back, None), expected, "{name} as a folder");
    }
}

/// Every tensor of a folder.
fn all(model: &Path) -> Tensors {
    let parts = PARTS.iter().filter(|part| model.join(part).is_dir());
    let tensors = parts.flat_map(|part| {
        let tensors = read(&model.join(part).join(format!("{}.safetensors", stem(part))));
        tensors.into_iter().map(move |(name, stored)| (format!("{part}/{name}"), stored))
    });
    tensors.collect()
}

#[test]
fn both_namings_there_and_back_in_every_encoding() {
    for (kind, components) in [("1.x", tiny_components()), ("xl", tiny_xl())] {
        for dtype in [DType::F32, DType::F16, DType::Bf16] {
            let place = tempfile::tempdir().unwrap();
            let at = |name: &str| place.path().join(name);
            components.save(at("model"), dtype).unwrap();
            convert(&at("model"), &at("ldm.safetensors"), &options(Naming::Ldm));
            assert_eq!(
                draw(&at("ldm.safetensors"), Some(&at("model"))),
                draw(&at("model"), None),
                "{kind} {dtype}"
            );
            let mut to = options(Naming::Diffusers);
            to.config = Some(at("model"));
            let conversion = convert(&at("ldm.safetensors"), &at("back"), &to);
            assert!(conversion.left_out().is_empty(), "{:?}", conversion.left_out());
            assert!(all(&at("back")) == all(&at("model")), "{kind} {dtype}");
            assert!(all(&at("back")).values().all(|stored| stored.dtype == dtype));
            convert(&at("back"), &at("again.safetensors"), &options(Naming::Ldm));
            let [one, two] =
                ["ldm", "again"].map(|name| fs::read(at(&format!("{name}.safetensors"))).unwrap());
            assert!(one == two, "{kind} {dtype}");
        }
    }
}

#[test]
fn encodings_are_chosen_and_parts_replaced() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    simple(tiny_components()).save(at("model"), DType::F32).unwrap();
    let mut other = simple(tiny_components());
    other.vae.init(99);
    simplify(&mut other.vae);
    other.save(at("other"), DType::F32).unwrap();
    let vae = at("other/vae/diffusion_pytorch_model.safetensors");

    let mut to = options(Naming::Ldm);
    to.dtype = Some(DType::F16);
    to.parts.insert("vae", vae.clone());
    convert(&at("model"), &at("a.safetensors"), &to);
    assert_eq!(draw(&at("a.safetensors"), Some(&at("model"))), draw(&at("other"), None));
    assert!(read(&at("a.safetensors")).values().all(|stored| stored.dtype == DType::F16));

    // The same from a single file, whose own autoencoder is not taken.
    convert(&at("model"), &at("b.safetensors"), &options(Naming::Ldm));
    to.config = Some(at("model"));
    convert(&at("b.safetensors"), &at("c.safetensors"), &to);
    assert!(fs::read(at("a.safetensors")).unwrap() == fs::read(at("c.safetensors")).unwrap());

    // An autoencoder alone gets bare names, as everybody's files of it have.
    let mut alone = options(Naming::Ldm);
    alone.config = Some(at("model"));
    convert(&vae, &at("vae.safetensors"), &alone);
    assert!(read(&at("vae.safetensors")).contains_key("decoder.up.3.block.0.conv1.weight"));
    let mut back = options(Naming::Diffusers);
    back.config = Some(at("model"));
    convert(&at("vae.safetensors"), &at("vae"), &back);
    let weights = at("vae/diffusion_pytorch_model.safetensors");
    assert!(fs::read(weights).unwrap() == fs::read(vae).unwrap());
    assert!(at("vae/config.json").is_file());
}
