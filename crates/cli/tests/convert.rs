//! `aquatint model convert`: what it writes, says and refuses.

mod common;
#[path = "../../pipeline/tests/written/mod.rs"]
mod written;

use std::fs;
use std::path::Path;

use aquatint_checkpoint::DType;
use aquatint_pipeline::png;
use common::{aquatint, names, refused, succeed, tiny_model};
use serde_json::Value;
use written::{Stored, read, safetensors};

fn convert(folder: &Path, args: &[&str]) -> (String, String) {
    let output = aquatint(folder, &[&["model", "convert"], args].concat());
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{args:?}: {err}");
    (out, err)
}

fn refuse(folder: &Path, args: &[&str]) -> String {
    refused(folder, &[&["model", "convert"], args].concat())
}

fn pixels(folder: &Path, model: &[&str]) -> Vec<u8> {
    let args = ["generate", "a cat", "--seed", "7", "--steps", "2", "-o", "out.png", "-m"];
    succeed(folder, &[&args[..], model].concat());
    png::decode(&fs::read(folder.join("out.png")).unwrap()).unwrap().0.rgb
}

#[test]
fn there_and_back() {
    let (folder, model) = tiny_model();
    let folder = folder.path();
    let (out, err) = convert(folder, &["model", "one.safetensors"]);
    assert_eq!(out, "one.safetensors\n");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains(" tensors, "), "{err}");
    let args = ["one.safetensors", "back", "--config", "model", "--json"];
    let (out, _) = convert(folder, &args);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["naming"], &report["path"]), (&"diffusers".into(), &"back".into()));
    assert_eq!(report["left_out"], serde_json::json!({}));
    assert_eq!(names(&folder.join("back")), names(&model));
    for part in ["tokenizer", "text_encoder", "unet", "vae", "scheduler"] {
        assert_eq!(names(&folder.join("back").join(part)), names(&model.join(part)));
    }
    let unet = "unet/diffusion_pytorch_model.safetensors";
    assert!(read(&folder.join("back").join(unet)) == read(&model.join(unet)));
    assert_eq!(names(folder), ["back", "model", "one.safetensors"]);

    let expected = pixels(folder, &["model"]);
    assert!(pixels(folder, &["back"]) == expected);
    assert!(pixels(folder, &["one.safetensors", "--config", "model"]) == expected);
}

#[test]
fn what_is_left_out_is_said() {
    let (folder, model) = tiny_model();
    let folder = folder.path();
    convert(folder, &["model", "one.safetensors"]);
    let mut tensors = read(&folder.join("one.safetensors"));
    let number = Stored { shape: vec![1], dtype: DType::F32, bytes: vec![0; 4] };
    for name in ["alphas_cumprod", "betas", "model_ema.decay"] {
        tensors.insert(name.into(), number.clone());
    }
    // Of as many layers as the model has, the last one more.
    let layer = "cond_stage_model.transformer.text_model.encoder.layers.1.layer_norm1.bias";
    tensors.insert(layer.into(), number.clone());
    safetensors(&folder.join("more.safetensors"), &tensors);
    let (_, err) = convert(folder, &["more.safetensors", "back", "--config", "model"]);
    for line in [
        "kept along: 3 such as alphas_cumprod, which no part needs\n",
        "left out: model_ema.decay (running averages of the U-Net's weights beside the weights)\n",
    ] {
        assert!(err.contains(line), "{err}");
    }
    assert!(read(&folder.join("back/kept_along.safetensors")).contains_key(layer));
    // And back: all but the averages.
    convert(folder, &["back", "again.safetensors"]);
    tensors.remove("model_ema.decay");
    assert!(read(&folder.join("again.safetensors")) == tensors);

    // A part of the folder that nobody draws with.
    let index = fs::read_to_string(model.join("model_index.json")).unwrap();
    let mut index: Value = serde_json::from_str(&index).unwrap();
    index["safety_checker"] = serde_json::json!(["stable_diffusion", "Checker"]);
    fs::write(model.join("model_index.json"), index.to_string()).unwrap();
    fs::create_dir(model.join("safety_checker")).unwrap();
    fs::write(model.join("safety_checker/model.safetensors"), b"large").unwrap();
    let (_, err) = convert(folder, &["model", "without"]);
    assert!(err.starts_with("left out: safety_checker ("), "{err}");
    let index = fs::read_to_string(folder.join("without/model_index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["safety_checker"], serde_json::json!([null, null]));
    assert!(!folder.join("without/safety_checker").exists());
}

#[test]
fn nothing_is_overwritten_unless_asked() {
    let (folder, model) = tiny_model();
    let folder = folder.path();
    fs::write(folder.join("one.safetensors"), b"precious").unwrap();
    let hint = "is there already; give another name, or --force";
    assert_eq!(refuse(folder, &["model", "one.safetensors"]), format!("one.safetensors {hint}"));
    assert_eq!(fs::read(folder.join("one.safetensors")).unwrap(), b"precious");
    convert(folder, &["model", "one.safetensors", "--force"]);

    // A folder is replaced whole, also by itself; what is no model stays in any case.
    let unet = model.join("unet/diffusion_pytorch_model.safetensors");
    let before = read(&unet);
    assert_eq!(refuse(folder, &["model", "model"]), format!("model {hint}"));
    fs::write(model.join("stale.txt"), b"x").unwrap();
    convert(folder, &["model", "model", "--force", "--dtype", "bf16"]);
    let after = read(&unet);
    assert_eq!(after.len(), before.len());
    assert!(after.values().all(|stored| stored.dtype == DType::Bf16));
    assert!(!model.join("stale.txt").exists());
    fs::create_dir(folder.join("home")).unwrap();
    convert(folder, &["one.safetensors", "home", "--config", "model"]);
    fs::remove_file(folder.join("home/model_index.json")).unwrap();
    let error = refuse(folder, &["model", "home", "--force"]);
    assert_eq!(error, "home is a folder with other things in it; give another name");
    assert!(folder.join("home/unet").is_dir());
    assert_eq!(names(folder), ["home", "model", "one.safetensors"]);
}

#[test]
fn what_cannot_be_converted_says_why() {
    let (folder, model) = tiny_model();
    let folder = folder.path();
    convert(folder, &["model", "one.safetensors"]);
    let whole = fs::read(folder.join("one.safetensors")).unwrap();
    fs::write(folder.join("cut.safetensors"), &whole[..whole.len() / 2]).unwrap();
    let mut tensors = read(&folder.join("one.safetensors"));
    let (first, _) = tensors.pop_first().unwrap();
    safetensors(&folder.join("less.safetensors"), &tensors);
    let scale = Stored { shape: vec![1], dtype: DType::F32, bytes: vec![0; 4] };
    tensors.insert("surprise".into(), scale);
    safetensors(&folder.join("odd.safetensors"), &tensors);
    for (args, said) in [
        (&["model", "a.ckpt"][..], "a.ckpt cannot be written: files are written as .safetensors"),
        (&["none", "a"], "none does not exist"),
        (&["cut.safetensors", "a"], "cut.safetensors is cut off"),
        (&["one.safetensors", "a"], "one.safetensors is a U-Net with 4 input channels"),
        (&["less.safetensors", "a", "--config", "model"], "1 tensor missing"),
        (&["odd.safetensors", "a", "--config", "model"], "1 tensor unexpected (`surprise`)"),
        (&["model", "a", "--config", "model"], "has configurations of its own"),
        (&["model", "a", "--naming", "ldm"], "model has one file in the ldm naming"),
        (&["model", "a.safetensors", "--naming", "diffusers"], "has a folder in the diffusers"),
        (&["model", "none/a"], "none cannot be written to: no such file or directory"),
        (&["model/vae/config.json", "a"], "begins with JSON text"),
        (
            &["model/vae/diffusion_pytorch_model.safetensors", "a"],
            "is an autoencoder of no model that we know; give a folder with its configuration",
        ),
    ] {
        let error = refuse(folder, args);
        assert!(error.contains(said), "{args:?}: {error}");
        assert!(!folder.join("a").exists(), "{args:?}");
    }
    assert!(first.starts_with("cond_stage_model."), "{first}");
    assert!(model.is_dir());
    let all =
        ["cut.safetensors", "less.safetensors", "model", "odd.safetensors", "one.safetensors"];
    assert_eq!(names(folder), all);
}
