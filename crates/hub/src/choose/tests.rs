//! What is chosen of repositories as they are.

use super::*;

/// As such repositories are: everything in four versions, and much for others.
const FILES: &[&str] = &[
    ".gitattributes",
    "README.md",
    "model_index.json",
    "all-in-one.safetensors",
    "all-in-one.ckpt",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/flax_model.msgpack",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/model.onnx",
    "text_encoder/model.safetensors",
    "text_encoder/openvino_model.bin",
    "text_encoder/pytorch_model.bin",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
    "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "unet/diffusion_pytorch_model.safetensors.index.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.bin",
    "vae_decoder/config.json",
    "vae_decoder/model.onnx",
];
const MODEL_INDEX: &str = r#"{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers",
    "U"], "vae": ["diffusers", "A"], "text_encoder": ["transformers", "C"], "tokenizer":
    ["transformers", "T"], "scheduler": ["diffusers", "P"], "safety_checker": [null, null],
    "requires_safety_checker": false}"#;

fn choose(
    files: &[&str],
    include: &[&str],
    exclude: &[&str],
    variant: Option<&str>,
) -> Result<Vec<String>, String> {
    let patterns = |all: &[&str]| all.iter().map(|p| p.parse().unwrap()).collect();
    let choice = Choice {
        include: patterns(include),
        exclude: patterns(exclude),
        variant: variant.map(str::to_owned),
    };
    let parts = choice.asks_index(files).then(|| parts(MODEL_INDEX).unwrap());
    let repo = RepoId::parse("o/n").unwrap();
    choice.of(&repo, files, parts.as_ref()).map_err(|error| error.to_string())
}

const TEXTS: &[&str] = &[
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "vae/config.json",
];

fn weights(chosen: &[String]) -> Vec<&str> {
    let texts = chosen.iter().filter(|file| TEXTS.contains(&file.as_str())).count();
    assert_eq!(texts, TEXTS.len(), "{chosen:?}");
    chosen.iter().map(String::as_str).filter(|file| !TEXTS.contains(file)).collect()
}

#[test]
fn what_a_model_needs_and_nothing_else() {
    assert_eq!(
        weights(&choose(FILES, &[], &[], None).unwrap()),
        [
            "text_encoder/model.safetensors",
            "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
            "unet/diffusion_pytorch_model-00002-of-00002.safetensors",
            "unet/diffusion_pytorch_model.safetensors.index.json",
            "vae/diffusion_pytorch_model.bin",
        ]
    );
}

#[test]
fn a_variant_where_there_is_one() {
    assert_eq!(
        weights(&choose(FILES, &[], &[], Some("fp16")).unwrap()),
        [
            "text_encoder/model.fp16.safetensors",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "vae/diffusion_pytorch_model.bin",
        ]
    );
    let error = choose(FILES, &[], &[], Some("fp8")).unwrap_err();
    assert_eq!(error, "o/n has no fp8 weights: leave out --variant fp8");
}

#[test]
fn patterns_say_otherwise() {
    let pickles = choose(FILES, &[], &["*.safetensors*", "unet/*"], None).unwrap();
    assert!(pickles.contains(&"text_encoder/pytorch_model.bin".to_owned()));
    assert!(!pickles.iter().any(|file| file.contains("safetensors") || file.contains("unet")));
    assert_eq!(
        choose(FILES, &["*.ckpt", "*.onnx"], &["vae*"], None).unwrap(),
        ["all-in-one.ckpt", "text_encoder/model.onnx"]
    );
    let nothing = choose(FILES, &["*.gguf"], &[], None).unwrap_err();
    assert!(nothing.contains("--include and --exclude"), "{nothing}");
    assert!("[a".parse::<Pattern>().is_err());
}

#[test]
fn repositories_of_another_kind() {
    let part = ["README.md", "config.json", "diffusion_pytorch_model.safetensors", "x.ckpt"];
    assert_eq!(choose(&part, &[], &[], None).unwrap(), part[1..3]);
    let single = choose(&["README.md", "a.ckpt", "b.safetensors"], &[], &[], None);
    assert!(single.unwrap_err().ends_with("such as a.ckpt, b.safetensors"));
    let half = ["config.json", "model.fp16.safetensors"];
    assert_eq!(choose(&half, &[], &[], None).unwrap(), half);
    assert!(choose(&["README.md"], &[], &[], None).unwrap_err().contains("no weights"));
    let bare = choose(&["model_index.json", "unet/config.json"], &[], &[], None);
    assert!(bare.unwrap_err().contains("no weights"));
}
