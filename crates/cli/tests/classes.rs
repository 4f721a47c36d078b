//! Models of classes, models that are told nothing, and one that enlarges, from the command line.

mod common;

use std::fs;
use std::path::Path;

use aquatint_checkpoint::DType;
use aquatint_models::{AutoencoderKL, AutoencoderKLConfig, UNet2DConfig, UNet2DModel};
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::{Picture, png, save_module};
use common::{names, refused, succeed, tiny_model};
use serde_json::{Value, json};

fn save(folder: &Path, config: &Value, mut module: impl Module) {
    fs::create_dir_all(folder).expect("writable");
    fs::write(folder.join("config.json"), config.to_string()).expect("writable");
    module.init(3);
    let file = folder.join("diffusion_pytorch_model.safetensors");
    save_module(&file, &module, DType::F32).expect("writable");
}

/// A model of random weights whose index is this, and whose U-Net has these keys more.
fn model(folder: &Path, index: &Value, unet: &Value, levels: usize) {
    let mut config = json!({
        "_class_name": "UNet2DModel", "sample_size": 8, "in_channels": 4, "out_channels": 4,
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
        "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 4,
        "attention_head_dim": 8,
    });
    for (key, value) in unet.as_object().expect("keys") {
        config[key] = value.clone();
    }
    let read: UNet2DConfig = serde_json::from_value(config.clone()).expect("a configuration");
    save(&folder.join("unet"), &config, UNet2DModel::new(&read));
    let config = json!({
        "_class_name": "AutoencoderKL", "block_out_channels": vec![8; levels],
        "down_block_types": vec!["DownEncoderBlock2D"; levels],
        "up_block_types": vec!["UpDecoderBlock2D"; levels],
        "norm_num_groups": 4, "latent_channels": 4,
    });
    let read: AutoencoderKLConfig = serde_json::from_value(config.clone()).expect("one");
    save(&folder.join("vqvae"), &config, AutoencoderKL::new(&read));
    fs::create_dir_all(folder.join("scheduler")).expect("writable");
    fs::write(folder.join("scheduler/scheduler_config.json"), "{}").expect("writable");
    fs::write(folder.join("model_index.json"), index.to_string()).expect("writable");
}

fn open(path: &Path) -> Picture {
    png::decode(&fs::read(path).expect("written")).expect("a PNG").0
}

#[test]
fn classes_by_name_and_by_number() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    let labels = json!({"0": "twemoji animals", "1": "noto food"});
    let index = json!({"_class_name": "LDMPipeline", "id2label": labels});
    model(&at.join("m"), &index, &json!({"num_class_embeds": 3}), 4);
    let draw = |class: &str, more: &[&str]| {
        let args = ["generate", "--class", class, "-m", "m", "--seed", "3", "--steps", "2"];
        succeed(at, &[&args[..], &["-o", "out.png"], more].concat());
        open(&at.join("out.png"))
    };
    let animals = draw("Twemoji Animals", &[]);
    assert_eq!((animals.width, animals.height), (64, 64));
    assert_eq!(draw("0", &[]), animals);
    assert_ne!(draw("1", &[]), animals);
    assert_ne!(draw("0", &["--guidance-scale", "60"]), animals);
    succeed(at, &["generate", "--class", "1", "-m", "m", "--seed", "3", "--steps", "1"]);
    succeed(at, &["generate", "--class", "noto food", "-m", "m", "--seed", "3", "--steps", "1"]);
    assert_eq!(names(at), ["1-3.png", "m", "noto-food-3.png", "out.png"]);
    for (args, said) in [
        (&["generate", "a cat", "-m", "m"][..], "say which with --class, by name or by a number"),
        (&["generate", "--class", "2", "-m", "m"], "there is no class 2: this model has those"),
        (
            &["generate", "--class", "noto foot", "-m", "m"],
            "there is no class `noto foot`; did you mean `noto food`?",
        ),
        (&["generate", "a cat", "--class", "1", "-m", "m"], "this model reads no words"),
        (&["sample", "-m", "m"], "say which with --class"),
    ] {
        let line = refused(at, args);
        assert!(line.contains(said), "{args:?}: {line}");
    }
    let (folder, _) = tiny_model();
    let line = refused(folder.path(), &["generate", "--class", "1", "-m", "model"]);
    assert_eq!(line, "this model knows no classes: leave out --class");
}

#[test]
fn samples_of_a_model_that_is_told_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    model(&at.join("m"), &json!({"_class_name": "LDMPipeline"}), &json!({}), 4);
    let sample = ["sample", "-m", "m", "--seed", "3", "--steps", "2"];
    let out = succeed(at, &[&sample[..], &["-n", "3"]].concat());
    assert_eq!(out, "./picture-3.png\n./picture-4.png\n./picture-5.png\n");
    // One that reads words is given none.
    let (folder, _) = tiny_model();
    let args = ["sample", "-m", "model", "--seed", "3", "--steps", "2", "-o", "out.png"];
    succeed(folder.path(), &args);
}

#[test]
fn a_diffusion_model_that_enlarges() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    let index = json!({"_class_name": "LDMSuperResolutionPipeline"});
    model(&at.join("m"), &index, &json!({"in_channels": 7}), 3);
    let picture =
        Picture { width: 17, height: 12, rgb: (0..17 * 12 * 3).map(|i| i as u8).collect() };
    png::save(at.join("a.png"), &picture, &Default::default()).expect("writable");
    let args = ["upscale", "a.png", "-m", "m", "--seed", "3", "--steps", "2", "-o", "large.png"];
    succeed(at, &args);
    let large = open(&at.join("large.png"));
    assert_eq!((large.width, large.height), (68, 48));
    succeed(at, &args);
    assert_eq!(open(&at.join("large.png")), large);
    for (more, said) in [
        (&["--noise-level", "3"][..], "this model knows no noise levels"),
        (&["--prompt", "a cat"], "this model reads no words"),
        (&["--tile", "64"], "--tile is for networks"),
        (&["--sampler", "odd"], "odd"),
    ] {
        let line = refused(at, &[&["upscale", "a.png", "-m", "m"], more].concat());
        assert!(line.contains(said), "{more:?}: {line}");
    }
    let line = refused(at, &["generate", "", "-m", "m"]);
    assert_eq!(line, "this model enlarges pictures: give one to `aquatint upscale`");
}
