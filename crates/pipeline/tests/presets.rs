//! The presets are models that we can build, and what is built has diffusers' names and shapes.

#[path = "../../checkpoint/tests/names/mod.rs"]
mod names;

use std::collections::BTreeMap;

use aquatint_checkpoint::Family;
use aquatint_checkpoint::detect::{Kind, detect_shapes};
use aquatint_checkpoint::naming::{Layout, PARTS};
use aquatint_models::{
    AutoencoderKL, AutoencoderKLConfig, ClassEmbedder, ClassEmbedderConfig, ClipTextConfig,
    ClipTextModel, LDMBertConfig, LDMBertModel, UNet2DConditionConfig, UNet2DConditionModel,
    UNet2DConfig, UNet2DModel, VQModel, VQModelConfig,
};
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::presets::preset;
use names::{Names, families, shapes};
use serde_json::Value;

fn parameters(module: &impl Module) -> Names {
    let named = module.named_parameters().into_iter();
    named.map(|(name, param)| (name, param.shape().to_vec())).collect()
}

/// Names and shapes of our model with this configuration, which is validated first.
fn built(config: &Value) -> Names {
    let class = config["_class_name"].as_str().or(config["architectures"][0].as_str());
    macro_rules! build {
        ($config:ty, $model:path) => {{
            let config: $config = serde_json::from_value(config.clone()).unwrap();
            config.validate().unwrap();
            parameters(&$model(&config))
        }};
    }
    match class.unwrap() {
        "UNet2DConditionModel" => build!(UNet2DConditionConfig, UNet2DConditionModel::new),
        "UNet2DModel" => build!(UNet2DConfig, UNet2DModel::new),
        "AutoencoderKL" => build!(AutoencoderKLConfig, AutoencoderKL::new),
        "VQModel" => build!(VQModelConfig, VQModel::new),
        "LDMBertModel" => build!(LDMBertConfig, LDMBertModel::new),
        "ClassEmbedder" => build!(ClassEmbedderConfig, ClassEmbedder::new),
        "CLIPTextModel" => build!(ClipTextConfig, ClipTextModel::new),
        "CLIPTextModelWithProjection" => build!(ClipTextConfig, ClipTextModel::with_projection),
        other => panic!("{other}"),
    }
}

#[test]
fn our_models_have_the_names_and_shapes_of_diffusers() {
    for family in families() {
        let configs = preset(family.id.parse().unwrap());
        assert!(configs == family.configs(), "{}: there are two ways to read it", family.id);
        for part in &family.parts {
            let ours = built(&configs[&part.part]);
            assert_eq!(ours, part.diffusers, "{} {}", family.id, part.part);
        }
    }
}

#[test]
fn families_that_look_alike_differ_in_no_weight() {
    for family in Family::all() {
        let configs = preset(family);
        let unet = built(&configs["unet"]);
        assert_eq!(unet, built(&preset(family.look_alikes()[0])["unet"]), "{family}");
        let found = detect_shapes(&shapes(&unet), &BTreeMap::new());
        assert_eq!((found.kind, found.family), (Kind::UNet, Some(family.look_alikes()[0])));
    }
}

#[test]
fn every_family_has_the_parts_that_its_index_lists() {
    for family in Family::all() {
        let preset = preset(family);
        let index = preset["model_index"].as_object().unwrap();
        for part in PARTS.iter().filter(|part| preset.contains_key(**part)) {
            let config = &preset[*part];
            let class = config["_class_name"].as_str().or(config["architectures"][0].as_str());
            assert_eq!(index[*part][1].as_str(), class, "{family} {part}");
        }
        let listed = |part: &&&str| index.get(**part).is_some_and(|entry| !entry[1].is_null());
        let present = |part: &&&str| preset.contains_key(**part);
        assert!(PARTS.iter().filter(listed).eq(PARTS.iter().filter(present)), "{family}");
        assert_eq!(index["scheduler"][1], preset["scheduler"]["_class_name"], "{family}");
        assert_eq!(Layout::ldm(&preset).unwrap().parts.len(), PARTS.iter().filter(present).count());
    }
}

#[test]
fn a_preset_replaces_adds_to_and_removes_from_the_one_it_extends() {
    let base = preset(Family::Sd2Base);
    assert_eq!(base["unet"]["cross_attention_dim"], 1024);
    assert_eq!(base["unet"]["act_fn"], "silu");
    assert_eq!(base["scheduler"]["prediction_type"], "epsilon");
    assert_eq!(preset(Family::Sd2)["scheduler"]["prediction_type"], "v_prediction");
    assert!(!preset(Family::SdxlRefiner).contains_key("text_encoder"));
    assert!(preset(Family::SdxlLcm)["scheduler"].get("skip_prk_steps").is_none());
    assert_eq!(preset(Family::Sdxl)["vae"]["scaling_factor"], 0.13025);
}
