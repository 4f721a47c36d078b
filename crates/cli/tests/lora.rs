//! LoRAs on the command line.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aquatint_checkpoint::{DType, save};
use aquatint_pipeline::png;
use aquatint_tensor::{Rng, Tensor};
use common::{aquatint, refused, succeed, tiny_model};
use serde_json::{Value, json};

const LAYERS: [(&str, [usize; 2]); 2] = [
    ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k", [16, 32]),
    ("lora_te_text_model_encoder_layers_0_mlp_fc1", [16, 32]),
];

/// Writes a LoRA of rank 2.
fn lora(path: &Path) {
    let mut rng = Rng::new(1);
    let tensors: Vec<(String, Tensor)> = LAYERS
        .iter()
        .flat_map(|(name, [inputs, outputs])| {
            [
                (format!("{name}.lora_down.weight"), rng.randn(&[2, *inputs])),
                (format!("{name}.lora_up.weight"), rng.randn(&[*outputs, 2])),
                (format!("{name}.alpha"), Tensor::full(&[], 1.0)),
            ]
        })
        .collect();
    save(path, &tensors, DType::F16, &BTreeMap::new()).expect("a file");
}

#[test]
fn loras_change_the_picture_and_are_told() {
    let (folder, _) = tiny_model();
    lora(&folder.path().join("style.safetensors"));
    let generate = |more: &[&str]| {
        let args = ["generate", "a cat", "-m", "model", "--seed", "7", "--steps", "4"];
        let args = [&args[..], &["-o", "out.png"], more].concat();
        let output = aquatint(folder.path(), &args);
        let notes = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(output.status.success(), "{notes}");
        let bytes = fs::read(folder.path().join("out.png")).expect("written");
        let (picture, texts) = png::decode(&bytes).expect("a PNG");
        (picture, texts, notes)
    };
    let (plain, texts, _) = generate(&[]);
    let own: Value = serde_json::from_str(&texts["aquatint"]).expect("JSON");
    assert_eq!(own["loras"], Value::Null);

    let (merged, texts, notes) = generate(&["--lora", "style.safetensors:0.8"]);
    assert_ne!(merged, plain);
    let told = "lora style.safetensors:0.8: 1 layer of text_encoder, 1 layer of unet\n";
    assert!(notes.contains(told), "{notes}");
    let own: Value = serde_json::from_str(&texts["aquatint"]).expect("JSON");
    let mut told = own["loras"][0].clone();
    assert_eq!(told["hash"].as_str().map(str::len), Some(12));
    told.as_object_mut().expect("keys").retain(|key, _| key != "hash" && key != "bytes");
    assert_eq!(told, json!({"file": "style.safetensors", "unet": 0.8, "text_encoder": 0.8}));

    let twice = ["--lora", "style.safetensors:0.5", "--lora", "style.safetensors:0.3"];
    let near = |other: &[&str]| {
        let (picture, ..) = generate(other);
        let pairs = picture.rgb.iter().zip(&merged.rgb);
        pairs.map(|(a, b)| a.abs_diff(*b)).max().expect("pixels")
    };
    assert!(near(&twice) <= 1);
    assert!(near(&["--lora", "style.safetensors:0.8", "--lora-mode", "run-time"]) <= 1);
    assert!(near(&["--lora", "style.safetensors:unet=0,te=0.8"]) > 1);
    assert_eq!(generate(&["--lora", "style.safetensors:0"]).0, plain);
}

/// A picture is made again with the LoRAs and embeddings that it was made with.
#[test]
fn a_picture_with_loras_is_made_again() {
    let (folder, _) = tiny_model();
    let at = folder.path();
    lora(&at.join("style.safetensors"));
    let word: (String, Tensor) = ("emb_params".into(), Rng::new(2).randn(&[1, 16]));
    save(at.join("word.safetensors"), &[word], DType::F32, &BTreeMap::new()).expect("a file");
    let read = |name: &str| fs::read(at.join(name)).expect("written");
    let prompt = "a word cat <lora:style:0.5>";
    let args = ["generate", prompt, "-m", "model", "--seed", "7", "--steps", "3", "-o", "a.png"];
    let files = ["--lora", "style.safetensors:0.3", "--embedding", "word.safetensors"];
    succeed(at, &[&args[..], &files].concat());
    let again = |more: &[&str]| {
        let args = ["generate", "--from", "a.png", "-m", "model", "-o", "b.png"];
        let output = aquatint(at, &[&args[..], more].concat());
        let notes = String::from_utf8(output.stderr).expect("UTF-8");
        (output.status.success(), notes)
    };
    let (done, notes) = again(&[]);
    assert!(done && !notes.contains("note: a.png"), "{notes}");
    assert!(read("a.png") == read("b.png"));

    // Elsewhere, and one of them under another name.
    fs::create_dir(at.join("files")).expect("writable");
    for (from, to) in [("style", "style"), ("word", "words")] {
        let to = at.join(format!("files/{to}.safetensors"));
        fs::rename(at.join(format!("{from}.safetensors")), to).expect("it was there");
    }
    let (done, notes) = again(&["--lora-dir", "files"]);
    // The word of an embedding is its file's name.
    assert!(done && notes.contains("note: a.png was made with word.safetensors, and"), "{notes}");
    let pixels = |name: &str| png::decode(&read(name)).expect("a PNG").0;
    assert_ne!(pixels("a.png"), pixels("b.png"));
    fs::rename(at.join("files/words.safetensors"), at.join("files/word.safetensors")).expect("it");
    assert!(again(&["--lora-dir", "files"]).0);
    assert_eq!(pixels("a.png"), pixels("b.png"));

    // What was typed wins.
    let (done, _) = again(&["--lora-dir", "files", "--lora", "files/style.safetensors:0"]);
    assert!(done);
    assert_ne!(pixels("a.png"), pixels("b.png"));

    // What is missing is named.
    fs::remove_file(at.join("files/word.safetensors")).expect("it was there");
    let (_, notes) = again(&["--lora-dir", "files"]);
    let said =
        "note: a.png was made with word.safetensors, and it is not there, and not in files or ";
    assert!(notes.contains(said), "{notes}");
    let (done, notes) = again(&["a cat"]);
    let said = "note: a.png was made with style.safetensors, and it is not there";
    assert!(done && notes.contains(said), "{notes}");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_drawn() {
    let (folder, _) = tiny_model();
    lora(&folder.path().join("style.safetensors"));
    let weights = "model/unet/diffusion_pytorch_model.safetensors";
    let error =
        |lora: &str| refused(folder.path(), &["generate", "a cat", "-m", "model", "--lora", lora]);
    assert_eq!(
        error("none.safetensors"),
        "none.safetensors cannot be read: no such file or directory"
    );
    assert!(error(weights).starts_with(&format!("{weights} is no LoRA: it is ")));
    let output = aquatint(folder.path(), &["generate", "a cat", "--lora", "style.safetensors:1e9"]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        said.contains("a strength of `1e9` is not possible: it must be from -100 to 100"),
        "{said}"
    );
    // The built-in model is another one.
    let said = refused(folder.path(), &["generate", "a cat", "--lora", "style.safetensors"]);
    assert!(said.starts_with("style.safetensors does not fit the model: "), "{said}");
}

#[test]
fn inspect_says_what_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    lora(&folder.path().join("style.safetensors"));
    let said = succeed(folder.path(), &["model", "inspect", "style.safetensors"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "style.safetensors is a LoRA (kohya's naming), which changes a model and is none; give the \
             model itself with -m and this file with --lora",
            "container  safetensors",
            "tensors    6: 6 F16",
            "changes    2 LoRA",
            "layers     2: 1 text_encoder, 1 unet",
            "rank       2",
            "alpha/rank 0.5",
        ]
    );
    let said = succeed(folder.path(), &["model", "inspect", "style.safetensors", "--json"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["lora"]["layers"], json!({"text_encoder": 1, "unet": 1}));
    assert_eq!(said["lora"]["ranks"], json!([2]));
}
