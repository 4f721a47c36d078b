//! Models that are told something else than words, the whole way, on tiny models of hashed weights;
//! see tools/reference/tasks.py.

#[path = "../../models/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use aquatint_checkpoint::{DType, Family};
use aquatint_models::{AutoencoderKL, ClassEmbedder, UNet2DConditionModel, UNet2DModel, VQModel};
use aquatint_nn::Module;
use aquatint_pipeline::{
    Beside, GenerateRequest, Inputs, ListensTo, LoadOptions, ModelError, ModelSource, Outline,
    Picture, RequestError, Settings, TextEncoder, Tokenizer, generate, open_model, presets,
    save_module,
};
use common::{Golden, fill, input, numbers};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The configurations of a golden's model by their parts.
fn configs(golden: &Golden) -> BTreeMap<String, Value> {
    golden.config()
}

/// A folder with a model of these configurations and hashed weights.
fn write(configs: &BTreeMap<String, Value>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (part, config) in configs {
        let path = folder.path().join(part);
        if part == "model_index" {
            fs::write(folder.path().join("model_index.json"), config.to_string()).unwrap();
            continue;
        }
        fs::create_dir_all(&path).unwrap();
        let name =
            if part.ends_with("scheduler") { "scheduler_config.json" } else { "config.json" };
        fs::write(path.join(name), config.to_string()).unwrap();
        let file = path.join("diffusion_pytorch_model.safetensors");
        match config["_class_name"].as_str() {
            Some("UNet2DConditionModel") => save(&file, UNet2DConditionModel::new(&read(config))),
            Some("UNet2DModel") => save(&file, UNet2DModel::new(&read(config))),
            Some("AutoencoderKL") => save(&file, AutoencoderKL::new(&read(config))),
            Some("VQModel") => save(&file, VQModel::new(&read(config))),
            Some("ClassEmbedder") => save(&file, ClassEmbedder::new(&read(config))),
            None => {
                save(&path.join("model.safetensors"), TextEncoder::new(&read(config), false));
                let tokenizer = folder.path().join("tokenizer");
                fs::create_dir_all(&tokenizer).unwrap();
                Tokenizer::clip().save(tokenizer).unwrap();
            }
            Some(_) => {}
        }
    }
    folder
}

fn read<T: DeserializeOwned>(config: &Value) -> T {
    serde_json::from_value(config.clone()).expect("a configuration of diffusers")
}

fn save(file: &Path, mut module: impl Module) {
    fill(&mut module);
    save_module(file, &module, DType::F32).unwrap();
}

fn request(golden: &Golden) -> GenerateRequest {
    serde_json::from_value(golden.inputs().into_iter().collect()).unwrap()
}

/// The picture that is enlarged, of the bytes that the reference has.
fn small() -> Inputs {
    let numbers = input("small", &[16, 24, 3]);
    let rgb = numbers.to_vec().iter().map(|x| ((x + 1.7) * 75.0) as u8).collect();
    Inputs { init: Some(Picture { width: 24, height: 16, rgb }), mask: None }
}

/// Compares latents as they are decoded, and pixels of one picture, which the golden calls `name`.
fn check(
    golden: &mut Golden,
    name: &str,
    folder: &TempDir,
    request: &GenerateRequest,
    inputs: &Inputs,
    scaling_factor: f32,
) -> Picture {
    let (source, options) = (ModelSource::folder(folder.path()).unwrap(), LoadOptions::default());
    let model = open_model(&source, &options).unwrap();
    let mut made = None;
    generate(&*model, request, inputs, Settings::default(), &mut (), &mut |finished| {
        golden.check(&format!("{name}.decoded"), &finished.latents.scale(1.0 / scaling_factor));
        made = Some(finished.picture.clone());
        ControlFlow::Continue(())
    })
    .unwrap();
    let picture = made.expect("a picture");
    let expected: Vec<u8> = numbers(golden.value(&format!("{name}.pixels")));
    let step = |k: usize| k * (picture.rgb.len() - 1) / (expected.len() - 1);
    for (k, expected) in expected.iter().enumerate() {
        let pixel = picture.rgb[step(k)];
        // The last bit may be rounded otherwise.
        assert!(pixel.abs_diff(*expected) <= 1, "{name}: {pixel} is not {expected}");
    }
    picture
}

/// Words, a small picture with noise, and how much of it.
#[test]
fn the_x4_upscaler_agrees_with_diffusers() {
    let mut golden = Golden::open("pipeline_tiny_x4");
    let folder = write(&configs(&golden));
    let usual = GenerateRequest { guidance_scale: 3.0, ..request(&golden) };
    check(&mut golden, "usual", &folder, &usual, &small(), 0.08333);
    let clean = GenerateRequest { noise_level: Some(0), guidance_scale: 1.0, ..request(&golden) };
    let picture = check(&mut golden, "clean", &folder, &clean, &small(), 0.08333);
    assert_eq!((picture.width, picture.height), (96, 64));
    golden.assert_all_seen();
}

/// A small picture beside the latents, and nothing else.
#[test]
fn the_papers_super_resolution_agrees_with_diffusers() {
    let mut golden = Golden::open("pipeline_tiny_sr");
    let folder = write(&configs(&golden));
    let request = request(&golden);
    check(&mut golden, "usual", &folder, &request, &small(), 1.0);
    golden.assert_all_seen();
    // A picture of any size, whose result has that times four.
    let rgb = small().init.unwrap().rgb[..3 * 11 * 9].to_vec();
    let odd = Inputs { init: Some(Picture { width: 11, height: 9, rgb }), mask: None };
    let (source, options) = (ModelSource::folder(folder.path()).unwrap(), LoadOptions::default());
    let model = open_model(&source, &options).unwrap();
    let mut sizes = Vec::new();
    let request = GenerateRequest { count: 2, ..request };
    generate(&*model, &request, &odd, Settings::default(), &mut (), &mut |finished| {
        sizes.push((finished.picture.width, finished.picture.height));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(sizes, [(44, 36); 2]);
}

#[test]
fn unconditional_models_agree_with_diffusers() {
    for (name, scaling_factor) in [("vq", 0.5), ("kl", 0.18215)] {
        let mut golden = Golden::open(&format!("pipeline_tiny_unconditional_{name}"));
        let folder = write(&configs(&golden));
        let request = request(&golden);
        check(&mut golden, "usual", &folder, &request, &Inputs::NONE, scaling_factor);
        golden.assert_all_seen();
    }
}

#[test]
fn classes_agree_with_the_reference() {
    let mut golden = Golden::open("pipeline_tiny_class");
    let folder = write(&configs(&golden));
    let guided = GenerateRequest { guidance_scale: 2.5, ..request(&golden) };
    check(&mut golden, "guided", &folder, &guided, &Inputs::NONE, 0.18215);
    let alone = GenerateRequest { guidance_scale: 1.0, ..guided };
    check(&mut golden, "alone", &folder, &alone, &Inputs::NONE, 0.18215);
    golden.assert_all_seen();
}

#[test]
fn classes_as_words_agree_with_the_reference() {
    let mut golden = Golden::open("pipeline_tiny_cin");
    let folder = write(&configs(&golden));
    let guided = GenerateRequest { guidance_scale: 2.5, ..request(&golden) };
    check(&mut golden, "guided", &folder, &guided, &Inputs::NONE, 1.0);
    golden.assert_all_seen();
}

/// Why a model cannot do a request, before anything of it is loaded.
fn refusal(name: &str, inputs: &Inputs, request: GenerateRequest) -> String {
    let golden = Golden::open(name);
    let folder = write(&configs(&golden));
    let outline = Outline::read(&ModelSource::folder(folder.path()).unwrap()).unwrap();
    let error: RequestError = request.plan(&outline, inputs).expect_err("it is to be refused");
    error.to_string()
}

#[test]
fn requests_for_another_kind_of_model_are_refused() {
    let usual = GenerateRequest::default;
    let class = |class: &str| GenerateRequest { class: Some(class.into()), ..usual() };
    let prompt = || GenerateRequest { prompt: "a cat".into(), ..usual() };
    let none = &Inputs::NONE;
    for (model, inputs, request, said) in [
        ("class", none, usual(), "say which with --class, by name or by a number from 0 to 1"),
        ("class", none, class("hond"), "there is no class `hond`"),
        ("class", none, class("2"), "there is no class 2: this model has those from 0 to 1"),
        ("class", none, GenerateRequest { prompt: "a".into(), ..class("0") }, "reads no words"),
        ("unconditional_kl", none, class("0"), "knows no classes: leave out --class"),
        ("unconditional_kl", none, prompt(), "reads no words"),
        (
            "unconditional_kl",
            none,
            GenerateRequest { noise_level: Some(3), ..usual() },
            "knows no noise levels",
        ),
        ("sr", none, usual(), "this model enlarges pictures: give one to `aquatint upscale`"),
        ("sr", &small(), prompt(), "reads no words"),
        ("sr", &small(), class("0"), "knows no classes"),
        (
            "sr",
            &small(),
            GenerateRequest { noise_level: Some(3), ..usual() },
            "knows no noise levels: leave out --noise-level",
        ),
        (
            "x4",
            &small(),
            GenerateRequest { noise_level: Some(26), ..usual() },
            "a noise level of 26 is not possible: this model knows those from 0 to 25",
        ),
        (
            "x4",
            &small(),
            GenerateRequest { strength: Some(0.5), ..usual() },
            "a strength is not for a model that enlarges pictures",
        ),
        (
            "x4",
            &small(),
            GenerateRequest { width: Some(64), ..usual() },
            "a width or a height is not for a model that enlarges pictures",
        ),
        (
            "x4",
            &Inputs { init: Some(Picture::new(600, 20, [0; 3])), mask: None },
            usual(),
            "600x20 pixels are too many for this model to enlarge 4 times",
        ),
    ] {
        let error = refusal(&format!("pipeline_tiny_{model}"), inputs, request);
        assert!(error.contains(said), "{model}: {error}");
    }
}

#[test]
fn models_whose_parts_do_not_fit_are_refused() {
    let said = |name: &str, change: &dyn Fn(&mut BTreeMap<String, Value>)| {
        let mut configs = configs(&Golden::open(name));
        change(&mut configs);
        let folder = write(&configs);
        let source = ModelSource::folder(folder.path()).unwrap();
        let error: ModelError = Outline::read(&source).expect_err("it is to be refused");
        error.to_string()
    };
    let index = |key: &'static str, value: Value| {
        move |configs: &mut BTreeMap<String, Value>| {
            configs.get_mut("model_index").unwrap()[key] = value.clone();
        }
    };
    let error = said("pipeline_tiny_class", &index("id2label", json!({"0": "cat"})));
    assert!(error.contains("id2label has 1 names, but the U-Net's table 3 rows"), "{error}");
    let error = said("pipeline_tiny_class", &index("id2label", json!({"1": "cat"})));
    assert!(error.contains("does not name the numbers 0 to 0"), "{error}");
    let error = said("pipeline_tiny_x4", &index("max_noise_level", json!(30)));
    assert!(error.contains("num_class_embeds"), "{error}");
    let super_resolution = json!("LDMSuperResolutionPipeline");
    let error = said("pipeline_tiny_unconditional_vq", &index("_class_name", super_resolution));
    assert!(error.contains("in_channels is 3, but should be 6"), "{error}");
    let error = said("pipeline_tiny_cin", &|configs| {
        configs.get_mut("class_embedder").unwrap()["embed_dim"] = json!(11);
    });
    assert!(error.contains("cross_attention_dim is 10, but the vectors of the classes"), "{error}");
}

/// What is known about the published models, of which there is one file and no configuration.
#[test]
fn published_models_are_outlined() {
    use Family::{BsrSr, CelebaHq, Cin256, Cin256V2, LsunChurches, X4Upscaler};
    for (family, classes, beside, guided, size) in [
        (X4Upscaler, None, Beside::SmallPicture, true, 512),
        (BsrSr, None, Beside::SmallPicture, false, 256),
        (Cin256, Some((1000, None)), Beside::Nothing, false, 256),
        (Cin256V2, Some((1000, Some(1000))), Beside::Nothing, true, 256),
        (CelebaHq, None, Beside::Nothing, false, 256),
        (LsunChurches, None, Beside::Nothing, false, 256),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (part, config) in presets::preset(family) {
            let name = match part.as_str() {
                "model_index" => "model_index.json".into(),
                part if part.ends_with("scheduler") => format!("{part}/scheduler_config.json"),
                part => format!("{part}/config.json"),
            };
            fs::create_dir_all(folder.path().join(&part)).unwrap();
            fs::write(folder.path().join(name), config.to_string()).unwrap();
        }
        let outline = Outline::read(&ModelSource::folder(folder.path()).unwrap()).unwrap();
        let found = match &outline.listens_to {
            ListensTo::Classes(classes) => Some((classes.count, classes.none)),
            _ => None,
        };
        assert_eq!((found, outline.beside), (classes, beside), "{family:?}");
        assert_eq!((outline.guided(), outline.default_size), (guided, (size, size)), "{family:?}");
        let levels = outline.noise_levels.map(|levels| levels.most);
        assert_eq!(levels, (family == X4Upscaler).then_some(350));
    }
}
