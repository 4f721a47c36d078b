//! The whole way of SDXL and of the paper's text-to-image model, on tiny models of hashed weights
//! with the real vocabularies; see tools/reference/pipelines.py.

#[path = "../../models/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use aquatint_checkpoint::DType;
use aquatint_models::{ClipTextModel, UNet2DConditionModel};
use aquatint_nn::Module;
use aquatint_pipeline::{
    Autoencoder, Components, GenerateRequest, ModelConfig, ModelSource, SecondEncoder, TextEncoder,
    Tiling, Tokenizer, decode, denoise, encode_prompt,
};
use common::{Golden, fill, numbers};
use serde::de::DeserializeOwned;
use serde_json::Value;

fn filled<M: Module>(mut module: M) -> M {
    fill(&mut module);
    module
}

/// The model of a golden, after a detour over the disk.
fn components(golden: &Golden, tokenizer: Tokenizer) -> Components {
    let parts: BTreeMap<String, Value> = golden.config();
    fn part<T: DeserializeOwned>(value: &Value) -> T {
        serde_json::from_value(value.clone()).expect("a configuration of diffusers")
    }
    let config = ModelConfig {
        text_encoder: part(&parts["text_encoder"]),
        text_encoder_2: parts.get("text_encoder_2").map(part),
        zeros_for_empty_prompt: parts.contains_key("text_encoder_2"),
        unet: part(&parts["unet"]),
        vae: part(&parts["vae"]),
        scheduler: part(&parts["scheduler"]),
        noise_levels: None,
    };
    let second_encoder = config.text_encoder_2.as_ref().map(|config| SecondEncoder {
        tokenizer: Tokenizer::open_clip(),
        text_encoder: filled(ClipTextModel::with_projection(config)),
    });
    let components = Components {
        tokenizer,
        text_encoder: filled(TextEncoder::new(&config.text_encoder, false)),
        second_encoder,
        unet: filled(UNet2DConditionModel::new(&config.unet)),
        vae: filled(Autoencoder::new(&config.vae)),
        config,
    };
    let folder = tempfile::tempdir().unwrap();
    components.save(folder.path(), DType::F32).unwrap();
    let source = ModelSource::folder(folder.path()).unwrap();
    Components::load(&source, &Default::default()).unwrap()
}

fn request(golden: &Golden) -> GenerateRequest {
    serde_json::from_value(golden.inputs().into_iter().collect()).unwrap()
}

/// Compares latents and pixels of one picture, which the golden calls `name`.
fn check_picture(
    golden: &mut Golden,
    name: &str,
    components: &Components,
    request: &GenerateRequest,
) {
    let embeds = encode_prompt(components, request);
    let Components { unet, vae, config, .. } = components;
    let latents =
        denoise(unet, config, request, &embeds, &request.picture_seeds(), &mut (), &|_| {})
            .unwrap();
    golden.check(&format!("{name}.latents"), &latents);
    let picture = &decode(vae, &latents, Tiling::Auto).unwrap()[0];
    let pixels = format!("{name}.pixels");
    let expected: Vec<u8> = numbers(golden.value(&pixels));
    let step = |k: usize| k * (picture.rgb.len() - 1) / (expected.len() - 1);
    for (k, expected) in expected.iter().enumerate() {
        let pixel = picture.rgb[step(k)];
        // The last bit may be rounded otherwise.
        assert!(pixel.abs_diff(*expected) <= 1, "{request:?}: {pixel} is not {expected}");
    }
}

/// Two readings of the prompt, one vector for the whole, the sizes of a picture that is no square,
/// and a negative prompt that is zeros where it has no words.
#[test]
fn sdxl_agrees_with_diffusers() {
    let mut golden = Golden::open("pipeline_tiny_xl");
    let components = components(&golden, Tokenizer::clip());
    let request = request(&golden);
    let embeds = encode_prompt(&components, &request);
    golden.check("context", &embeds.prompt.context);
    golden.check("pooled", &embeds.prompt.pooled.unwrap());
    let pooled = embeds.negative.pooled.unwrap();
    assert_eq!((embeds.negative.context.max_abs(), pooled.max_abs()), (0.0, 0.0));
    check_picture(&mut golden, "empty", &components, &request);
    let request = GenerateRequest { negative_prompt: "blue".into(), ..request };
    check_picture(&mut golden, "blue", &components, &request);
    golden.assert_all_seen();
}

/// BERT's words, and a picture from them.
#[test]
fn the_papers_model_agrees_with_diffusers() {
    let mut golden = Golden::open("pipeline_tiny_ldm");
    let components = components(&golden, Tokenizer::bert());
    let request = request(&golden);
    let embeds = encode_prompt(&components, &request);
    golden.check("context", &embeds.prompt.context);
    assert!(embeds.prompt.pooled.is_none());
    check_picture(&mut golden, "empty", &components, &request);
    golden.assert_all_seen();
}
