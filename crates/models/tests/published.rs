//! The published models have exactly the weights that ours ask for.
//!
//! Parameters are lazy, so building a model of a thousand million costs nothing.

use std::fmt::Write;

use aquatint_models::{
    AutoencoderKL, AutoencoderKLConfig, ClipTextConfig, ClipTextModel, ClipVisionConfig,
    ClipVisionModel, LDMBertModel, UNet2DConditionConfig, UNet2DConditionModel, UNet2DModel,
    VQModel,
};
use aquatint_nn::{Module, ModuleExt, fnv1a};
use serde::de::DeserializeOwned;
use serde_json::Value;

fn config<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("the configuration is JSON")
}

/// How many tensors and how many numbers.
fn size(model: &impl Module) -> (usize, usize) {
    (model.named_parameters().len(), model.parameter_count())
}

fn assert_has(model: &impl Module, name: &str, shape: &[usize]) {
    let parameters = model.named_parameters();
    let (_, param) =
        parameters.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("there is no {name}"));
    assert_eq!(param.shape(), shape, "{name}");
}

/// A hash of all names and shapes, as `tools/reference/published.py` forms it.
fn hash(model: &impl Module) -> String {
    let mut parameters = model.named_parameters();
    parameters.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut lines = String::new();
    for (name, param) in parameters {
        writeln!(lines, "{name} {:?}", param.shape()).expect("a string takes everything");
    }
    format!("{:016x}", fnv1a(lines.bytes()))
}

/// Tensors, numbers and hash of the model that a configuration describes.
fn built(config: &Value) -> (usize, usize, String) {
    fn of(model: &impl Module) -> (usize, usize, String) {
        let (tensors, numbers) = size(model);
        (tensors, numbers, hash(model))
    }
    fn from<T: DeserializeOwned>(config: &Value) -> T {
        T::deserialize(config).unwrap_or_else(|e| panic!("{config}: {e}"))
    }
    match config["_class_name"].as_str() {
        Some("UNet2DConditionModel") => of(&UNet2DConditionModel::new(&from(config))),
        Some("UNet2DModel") => of(&UNet2DModel::new(&from(config))),
        Some("AutoencoderKL") => of(&AutoencoderKL::new(&from(config))),
        Some("VQModel") => of(&VQModel::new(&from(config))),
        Some("LDMBertModel") => of(&LDMBertModel::new(&from(config))),
        Some("CLIPTextModelWithProjection") => of(&ClipTextModel::with_projection(&from(config))),
        other => panic!("{other:?} is no model"),
    }
}

#[test]
fn names_and_shapes_of_all_families_are_diffusers() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden/published");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the goldens are there")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 20, "only {} goldens", paths.len());
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a golden can be read");
        let golden: Value = config(&text);
        let (tensors, numbers, hash) = built(&golden["config"]);
        let name = path.display();
        assert_eq!(Some(tensors as u64), golden["tensors"].as_u64(), "tensors of {name}");
        assert_eq!(Some(numbers as u64), golden["numbers"].as_u64(), "numbers of {name}");
        assert_eq!(Some(hash.as_str()), golden["hash"].as_str(), "names and shapes of {name}");
    }
}

#[test]
fn sd15_unet() {
    let config: UNet2DConditionConfig = config(r#"{"cross_attention_dim": 768}"#);
    let unet = UNet2DConditionModel::new(&config);
    assert_eq!(size(&unet), (686, 859_520_964));
    let attention = "down_blocks.2.attentions.1.transformer_blocks.0";
    assert_has(&unet, &format!("{attention}.attn1.to_out.0.bias"), &[1280]);
    assert_has(&unet, &format!("{attention}.attn2.to_k.weight"), &[1280, 768]);
    assert_has(&unet, &format!("{attention}.ff.net.0.proj.weight"), &[10240, 1280]);
    assert_has(&unet, &format!("{attention}.ff.net.2.weight"), &[1280, 5120]);
    assert_has(&unet, "down_blocks.0.attentions.0.proj_in.weight", &[320, 320, 1, 1]);
    assert_has(&unet, "up_blocks.3.resnets.0.conv_shortcut.weight", &[320, 960, 1, 1]);
    assert_has(&unet, "up_blocks.2.upsamplers.0.conv.weight", &[640, 640, 3, 3]);
    assert_has(&unet, "time_embedding.linear_1.weight", &[1280, 320]);
}

#[test]
fn sd21_unet() {
    let config: UNet2DConditionConfig = config(
        r#"{"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20],
            "use_linear_projection": true}"#,
    );
    let unet = UNet2DConditionModel::new(&config);
    assert_eq!(size(&unet), (686, 865_910_724));
    assert_has(&unet, "down_blocks.0.attentions.0.proj_in.weight", &[320, 320]);
}

#[test]
fn sd_autoencoder() {
    let config: AutoencoderKLConfig = config(
        r#"{"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
            "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D",
                                 "DownEncoderBlock2D", "DownEncoderBlock2D"],
            "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D",
                               "UpDecoderBlock2D", "UpDecoderBlock2D"]}"#,
    );
    let vae = AutoencoderKL::new(&config);
    assert_eq!(size(&vae), (248, 83_653_863));
    assert_has(&vae, "encoder.mid_block.attentions.0.group_norm.weight", &[512]);
    assert_has(&vae, "decoder.mid_block.attentions.0.to_out.0.weight", &[512, 512]);
    assert_has(&vae, "quant_conv.weight", &[8, 8, 1, 1]);
}

#[test]
fn clip_l_text() {
    let config: ClipTextConfig = config(
        r#"{"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
            "projection_dim": 768}"#,
    );
    let text = ClipTextModel::new(&config);
    assert_eq!(size(&text), (196, 123_060_480));
    assert_has(&text, "text_model.embeddings.position_embedding.weight", &[77, 768]);
    assert_has(&text, "text_model.encoder.layers.11.self_attn.out_proj.bias", &[768]);
    let with = ClipTextModel::with_projection(&config);
    assert_eq!(size(&with), (197, 123_060_480 + 768 * 768));
    assert_has(&with, "text_projection.weight", &[768, 768]);
}

#[test]
fn clip_l_vision() {
    let config: ClipVisionConfig = config(
        r#"{"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,
            "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768}"#,
    );
    let vision = ClipVisionModel::new(&config);
    assert_has(&vision, "vision_model.embeddings.class_embedding", &[1024]);
    assert_has(&vision, "vision_model.embeddings.patch_embedding.weight", &[1024, 3, 14, 14]);
    assert_has(&vision, "vision_model.embeddings.position_embedding.weight", &[257, 1024]);
    assert_has(&vision, "vision_model.pre_layrnorm.bias", &[1024]);
    assert_has(&vision, "visual_projection.weight", &[768, 1024]);
    assert_eq!(vision.parameter_count(), 303_966_208);
}
