//! The prompt language of Stable Diffusion web UI against a reference written anew in Python, over
//! text encoders of hashed weights with the real vocabularies; see tools/reference/web_ui_prompt.py.

#[path = "../../models/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::path::Path;

use aquatint_checkpoint::{DType, save};
use aquatint_models::{ClipTextConfig, ClipTextModel, UNet2DConditionModel};
use aquatint_pipeline::{
    Autoencoder, Components, Embedding, EmbeddingError, GenerateRequest, ModelConfig,
    SecondEncoder, TextEncoder, TextEncoderConfig, Tokenizer, encode_prompt,
};
use aquatint_tensor::Tensor;
use common::{Golden, fill, input};
use serde_json::{Value, json};

/// A model of which nothing but the text encoders is filled.
fn components(first: &ClipTextConfig, second: Option<&ClipTextConfig>) -> Components {
    let config = ModelConfig {
        text_encoder: TextEncoderConfig::Clip(first.clone()),
        text_encoder_2: second.cloned(),
        ..Default::default()
    };
    let mut text_encoder = TextEncoder::new(&config.text_encoder, false);
    fill(&mut text_encoder);
    let second_encoder = second.map(|config| {
        let mut text_encoder = ClipTextModel::with_projection(config);
        fill(&mut text_encoder);
        SecondEncoder { tokenizer: Tokenizer::open_clip(), text_encoder }
    });
    Components {
        tokenizer: Tokenizer::clip(),
        text_encoder,
        second_encoder,
        unet: UNet2DConditionModel::new(&config.unet),
        vae: Autoencoder::new(&config.vae),
        config,
    }
}

fn written(folder: &Path, name: &str, tensors: &[(&str, Tensor)]) -> Embedding {
    let path = folder.join(format!("{name}.safetensors"));
    let tensors: Vec<_> = tensors.iter().map(|(name, x)| ((*name).to_owned(), x.clone())).collect();
    save(&path, &tensors, DType::F32, &BTreeMap::new()).unwrap();
    Embedding::open(path).unwrap()
}

fn request(case: &Value) -> GenerateRequest {
    serde_json::from_value(case.clone()).unwrap()
}

/// Weights, chunks, breaks, clip skip, added words, every style.
#[test]
fn contexts_agree_with_the_web_ui() {
    let mut golden = Golden::open("web_ui_prompt");
    let mut components = components(&golden.config(), None);
    let folder = tempfile::tempdir().unwrap();
    for (name, n) in [("easycat", 3), ("cattoy", 1)] {
        let vectors = input(name, &[n, 8]);
        let embedding = written(folder.path(), name, &[("emb_params", vectors)]);
        components.add_embedding(&embedding).unwrap();
    }
    let cases = golden.inputs();
    for (name, case) in &cases {
        let embeds = encode_prompt(&components, &request(case));
        golden.check(&format!("{name}.prompt"), &embeds.prompt.context);
        golden.check(&format!("{name}.negative"), &embeds.negative.context);
        assert_eq!((embeds.cut, embeds.changes.len(), embeds.parts.len()), ([0, 0], 0, 0));
    }
    golden.assert_all_seen();
}

/// The same with two text encoders, of which the second fills up with other tokens.
#[test]
fn contexts_of_sdxl_agree_with_the_web_ui() {
    let mut golden = Golden::open("web_ui_prompt_xl");
    let parts: BTreeMap<String, ClipTextConfig> = golden.config();
    let mut components = components(&parts["text_encoder"], Some(&parts["text_encoder_2"]));
    let folder = tempfile::tempdir().unwrap();
    for (name, n) in [("easycat", 3), ("cattoy", 1)] {
        let (l, g) = (input(name, &[n, 8]), input(&format!("{name}_g"), &[n, 12]));
        let embedding = written(folder.path(), name, &[("clip_g", g), ("clip_l", l)]);
        components.add_embedding(&embedding).unwrap();
    }
    for (name, case) in Golden::open("web_ui_prompt").inputs() {
        let embeds = encode_prompt(&components, &request(&case));
        golden.check(&format!("{name}.prompt"), &embeds.prompt.context);
        golden.check(&format!("{name}.pooled"), &embeds.prompt.pooled.unwrap());
    }
    golden.assert_all_seen();
}

fn tiny() -> Components {
    components(&Golden::open("web_ui_prompt").config(), None)
}

/// Without brackets it makes no difference whose rules a prompt is read by.
#[test]
fn a_prompt_without_brackets_is_the_same_in_every_style() {
    let components = tiny();
    let of = |style: &str, prompt: &str| {
        let request = request(&json!({"prompt": prompt, "prompt_weights": style}));
        encode_prompt(&components, &request).prompt.context.to_vec()
    };
    let long = "cat ".repeat(75);
    for prompt in ["", "a red cat, 35mm: ratio 16:9, a < b", &long] {
        let literal = of("literal", prompt);
        for style in ["web-ui", "no-norm", "comfyui"] {
            assert_eq!(of(style, prompt), literal, "{style}: {prompt}");
        }
    }
    assert_ne!(of("web-ui", "a (cat)"), of("literal", "a (cat)"));
    let too_long = request(&json!({"prompt": long + "cat dog", "prompt_weights": "literal"}));
    let embeds = encode_prompt(&components, &too_long);
    assert_eq!((embeds.cut, embeds.prompt.context.dim(1)), ([2, 0], 77));
}

/// AND, and prompts that change on the way, have contexts of one length.
#[test]
fn parts_and_changes() {
    let components = tiny();
    let request = request(&json!({
        "prompt": "a [cat:dog:0.5] AND [x|y] :0.5 AND <lora:z:0.3>b BREAK c",
        "steps": 4,
    }));
    let embeds = encode_prompt(&components, &request);
    assert_eq!((embeds.weights.as_slice(), embeds.parts.len()), (&[1.0, 0.5, 1.0][..], 2));
    let plain = |prompt: &str| {
        let request = GenerateRequest { prompt: prompt.into(), ..Default::default() };
        encode_prompt(&components, &request).prompt.context
    };
    use aquatint_diffusion::Condition::{NegativePrompt, Part, Prompt};
    let beginning = |condition, step| {
        let context = &embeds.at(condition, step).context;
        assert_eq!(context.dim(1), 154);
        context.to_vec()[..77 * 8].to_vec()
    };
    for (step, first, turn) in [(0, "a cat", " x"), (1, "a cat", " x"), (2, "a cat", " y")] {
        assert_eq!(beginning(Prompt, step), plain(first).to_vec());
        assert_eq!(beginning(Part(1), step), plain(turn).to_vec());
    }
    assert_eq!(beginning(Prompt, 3), plain("a dog").to_vec());
    assert_eq!(embeds.at(Part(2), 0).context.to_vec(), plain(" b BREAK c").to_vec());
    assert_eq!(beginning(NegativePrompt, 3), plain("").to_vec());
}

#[test]
fn files_of_other_models_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = |tensors: &[(&str, Tensor)]| written(folder.path(), "word", tensors);
    let other = |embedding: &Embedding, width: usize| {
        let mut config = ModelConfig::default();
        let TextEncoderConfig::Clip(text) = &mut config.text_encoder else { unreachable!() };
        text.hidden_size = width;
        embedding.check(&config).map_err(|error: EmbeddingError| error.to_string())
    };
    let one = open(&[("<word>", Tensor::full(&[1024], 1.0))]);
    assert_eq!((one.names(), one.vectors()), (&["word".to_owned(), "<word>".to_owned()][..], 1));
    assert_eq!(other(&one, 1024), Ok(()));
    let error = other(&one, 768).unwrap_err();
    assert!(
        error.ends_with(
            "word.safetensors is an embedding for Stable Diffusion 2 (1024 channels), but the \
             text encoder of this model is that of Stable Diffusion 1 (768 channels)"
        ),
        "{error}"
    );
    let two = [("clip_l", Tensor::zeros(&[2, 768])), ("clip_g", Tensor::zeros(&[2, 1280]))];
    let error = other(&open(&two), 768).unwrap_err();
    assert!(error.contains("is an embedding for SDXL (768 and 1280 channels)"), "{error}");
    let long = open(&[("emb_params", Tensor::zeros(&[80, 768]))]);
    let error = other(&long, 768).unwrap_err();
    assert!(error.ends_with("has 80 vectors, but the text encoder reads 75 tokens at once"));

    let refused = |tensors: &[(&str, Tensor)]| {
        let path = folder.path().join("bad.safetensors");
        let tensors: Vec<_> = tensors.iter().map(|(n, x)| ((*n).to_owned(), x.clone())).collect();
        save(&path, &tensors, DType::F32, &BTreeMap::new()).unwrap();
        Embedding::open(path).unwrap_err().to_string()
    };
    let some = || Tensor::zeros(&[1, 8]);
    let error = refused(&[("a", some()), ("b", some()), ("c", some())]);
    assert!(error.ends_with("it has 3 tensors, `a` and `b` among them"), "{error}");
    assert!(refused(&[]).ends_with("there are no tensors in it"));
    assert!(refused(&[("a", Tensor::zeros(&[1, 2, 3]))]).contains("the shape [1, 2, 3]"));
    let nan = Tensor::full(&[1, 8], f32::NAN);
    assert!(refused(&[("a", nan)]).contains("not finite"));
    let error = refused(&[("clip_l", some()), ("clip_g", Tensor::zeros(&[2, 8]))]);
    assert!(error.contains("1 vectors for one text encoder and 2 for the other"), "{error}");
}

/// Every file that trainers write, pickles among them, of which nothing is executed.
#[test]
fn files_of_all_trainers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/embeddings");
    for (file, names, vectors, channels) in [
        ("web-ui.pt", &["web-ui"][..], 2, &[8][..]),
        ("web-ui-parameter.pt", &["web-ui-parameter"], 2, &[8]),
        ("authors.pt", &["authors"], 2, &[8]),
        ("learned_embeds.bin", &["learned_embeds", "<cat-toy>"], 1, &[8]),
        ("learned_embeds.safetensors", &["learned_embeds", "<cat-toy>"], 2, &[8]),
        ("kohya.safetensors", &["kohya"], 2, &[8]),
        ("xl.safetensors", &["xl"], 2, &[8, 12]),
        ("xl.pt", &["xl"], 2, &[8, 12]),
    ] {
        let embedding =
            Embedding::open(folder.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(
            (embedding.names(), embedding.vectors()),
            (&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..], vectors)
        );
        let tensors: Vec<&Tensor> = embedding.tensors().collect();
        for (tensor, &channels) in tensors.iter().zip(channels) {
            let expected: Vec<f32> = (0..vectors * channels).map(|i| i as f32 / 8.0).collect();
            assert_eq!((tensor.shape(), tensor.to_vec()), (&[vectors, channels][..], expected));
        }
        assert_eq!(tensors.len(), channels.len());
    }
}
