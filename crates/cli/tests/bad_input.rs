//! Bad input gets one clear line and an exit code that is not 0, before any work is done.

mod common;

use std::fs;
use std::path::Path;

use aquatint_checkpoint::DType;
use aquatint_nn::ModuleExt;
use aquatint_tensor::Tensor;
use common::{aquatint, names, refused, tiny_components, tiny_model};

#[track_caller]
fn with_model(folder: &Path, model: &str) -> String {
    refused(folder, &["generate", "a cat", "-m", model, "--steps", "1", "-o", "out.png"])
}

#[test]
fn what_is_no_model() {
    let (folder, model) = tiny_model();
    let folder = folder.path();
    let hint = "; a model is a folder that contains model_index.json";
    let weights = fs::read(model.join("unet/diffusion_pytorch_model.safetensors")).unwrap();
    fs::write(folder.join("empty.safetensors"), b"").unwrap();
    fs::write(folder.join("cut.safetensors"), &weights[..weights.len() / 2]).unwrap();
    fs::write(folder.join("cat.png"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
    fs::write(folder.join("single.safetensors"), &weights).unwrap();
    fs::create_dir(folder.join("hollow")).unwrap();

    assert_eq!(with_model(folder, "none"), format!("none does not exist{hint}"));
    assert_eq!(with_model(folder, "hollow"), format!("hollow is an empty folder{hint}"));
    let again = "; copy or download it again";
    assert_eq!(
        with_model(folder, "empty.safetensors"),
        format!("empty.safetensors is empty{again}")
    );
    let line = with_model(folder, "cut.safetensors");
    let (total, half) = (weights.len(), weights.len() / 2);
    let cut = format!("is cut off: its header promises {total} bytes, the file has {half}");
    assert_eq!(line, format!("cut.safetensors {cut}{again}"));
    let line = with_model(folder, "cat.png");
    assert_eq!(line, "cat.png is not a safetensors model: it begins with PNG data");
    let line = with_model(folder, "single.safetensors");
    assert!(line.starts_with("single.safetensors is a U-Net with 4 input channels"), "{line}");
    assert!(line.ends_with("give it as a diffusers folder with its config.json files"), "{line}");
    assert_eq!(with_model(folder, "."), format!(". is a folder without model_index.json{hint}"));
    assert!(!folder.join("out.png").exists());
}

#[test]
fn every_file_of_a_model_damaged_in_every_way() {
    let (folder, model) = tiny_model();
    let files = [
        "model_index.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "tokenizer/tokenizer_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "scheduler/scheduler_config.json",
    ];
    for file in files {
        let path = model.join(file);
        let whole = fs::read(&path).unwrap();
        let name = if file == "model_index.json" { "model" } else { file };
        for damage in ["missing", "truncated", "not a model"] {
            match damage {
                "missing" => fs::remove_file(&path).unwrap(),
                "truncated" => fs::write(&path, &whole[..whole.len() / 2]).unwrap(),
                _ => fs::write(&path, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap(),
            }
            // A list of merges that is cut at a line's end is a shorter list.
            if !(file.ends_with("merges.txt") && damage == "truncated") {
                let line = with_model(folder.path(), "model");
                assert!(line.contains(name), "{file} {damage}: {line}");
            }
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn parts_that_do_not_fit() {
    let (folder, model) = tiny_model();
    let replace = |file: &str, old: &str, new: &str| {
        let path = model.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{file} has no {old}");
        fs::write(&path, text.replace(old, new)).unwrap();
        let line = with_model(folder.path(), "model");
        fs::write(&path, text).unwrap();
        line
    };
    let line =
        replace("unet/config.json", "\"cross_attention_dim\": 16", "\"cross_attention_dim\": 24");
    assert!(
        line.contains("cross_attention_dim is 24, but the text encoder's states have 16"),
        "{line}"
    );
    let line = replace("text_encoder/config.json", "\"vocab_size\"", "\"other_size\"");
    assert!(line.contains("does not fit the model's configuration: "), "{line}");
    let line = replace("text_encoder/config.json", "\"vocab_size\": 5", "\"vocab_size\": 4");
    assert!(line.contains("but the text encoder knows 4"), "{line}");
    let line = replace("model_index.json", "StableDiffusionPipeline", "FluxPipeline");
    assert!(line.contains("it describes a `FluxPipeline`"), "{line}");
}

#[test]
fn weights_that_are_not_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let mut components = tiny_components();
    for (name, weight) in components.unet.named_parameters_mut() {
        if name == "conv_out.bias" {
            let shape = weight.shape().to_vec();
            weight.set(Tensor::full(&shape, f32::NAN));
        }
    }
    components.save(folder.path().join("model"), DType::F32).unwrap();
    let args = ["generate", "a cat", "-m", "model", "--steps", "1", "-o", "out.png"];
    let output = aquatint(folder.path(), &args);
    assert_eq!(output.status.code(), Some(1));
    // The progress comes first: nobody could know.
    let stderr = String::from_utf8(output.stderr).unwrap();
    let line = stderr.lines().last().unwrap();
    assert!(line.starts_with("error: the model made numbers that are not finite"), "{stderr}");
    assert_eq!(names(folder.path()), ["model"]);
}

#[test]
fn impossible_requests() {
    let (folder, _) = tiny_model();
    for (args, said) in [
        (&["--width", "100", "--height", "100"][..], "100x100 is not a possible size"),
        (&["--width", "3", "--height", "70000"], "3x70000 is not a possible size"),
        (&["--width", "0"], "is not a possible size"),
        (&["--sampler", "dddim"], "nearest is `ddim`"),
        (&["--sampler", "eulr"], "nearest is `euler`"),
        (&["--schedule", "karas"], "nearest is `karras`"),
        (&["--rng", "torch-gpu"], "nearest is `torch-cpu`"),
        (&["--rng", "numpy", "--seed", "4294967296"], "a seed of 4294967296 is not possible"),
        (&["--steps", "0"], "0 steps are not possible"),
        (&["--steps", "100000"], "100000 steps are not possible"),
        (&["-n", "0"], "0 pictures are not possible"),
        (&["--guidance-scale", "nan"], "a guidance scale of NaN"),
        (&["--guidance-interval", "0.8..0.2"], "guidance from 0.8 to 0.2 of the steps is not"),
        (&["--guidance-interval", "0..1.5"], "guidance from 0 to 1.5 of the steps is not"),
        (&["--deep-cache", "0"], "computing deep layers every 0 steps is not possible"),
        (&["--deep-cache-branch", "4"], "there is no skip connection 4 to cache below"),
        (&["--token-merging", "-0.1"], "merging a part -0.1 of the tokens is not possible"),
        (&["--eta", "-1"], "an eta of -1"),
        (&["--threads", "0"], "0 threads are not possible"),
    ] {
        let line = refused(folder.path(), &[&["generate", "a cat", "-m", "model"], args].concat());
        assert!(line.contains(said), "{args:?}: {line}");
    }
    assert_eq!(names(folder.path()), ["model"]);
}

#[test]
fn places_that_cannot_be_written_to() {
    let (folder, _) = tiny_model();
    fs::write(folder.path().join("file"), b"").unwrap();
    for (option, place) in [
        ("-o", "file/out.png"),
        ("-o", "file/"),
        ("-o", "/proc/out.png"),
        ("-o", "/proc"),
        ("-o", "missing/out.png"),
        ("--preview", "missing/grid.png"),
    ] {
        let line = refused(folder.path(), &["generate", "a cat", "-m", "model", option, place]);
        assert!(line.contains(" cannot be written to: "), "{option} {place}: {line}");
    }
    let line = refused(folder.path(), &["generate", "a cat", "-m", "model", "-o", "out.gif"]);
    assert_eq!(line, "out.gif is neither a folder nor a name that ends in .png, .jpg or .webp");
    let both = ["-o", "out.png", "--preview", "./out.png"];
    // The model does not exist, which nobody has looked at by then.
    let line = refused(folder.path(), &[&["generate", "a cat", "-m", "none"], &both[..]].concat());
    assert!(line.starts_with("./out.png would be both a picture and its preview"), "{line}");
    assert_eq!(names(folder.path()), ["file", "model"]);
}

#[test]
fn arguments_that_do_not_exist() {
    let (folder, _) = tiny_model();
    for args in [
        &["generate", "a cat", "--stpes", "3"][..],
        &["generate"],
        &["generate", "a cat", "--steps", "many"],
        &["generate", "a cat", "--dtype", "f8"],
        &["paint", "a cat"],
        &[],
    ] {
        let output = aquatint(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
    let output = aquatint(folder.path(), &["generate", "a cat", "--stpes", "3"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("'--steps'"), "a similar option is named: {stderr}");
}
