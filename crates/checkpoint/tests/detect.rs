//! What a file is, from its names and shapes.

mod names;

use std::collections::BTreeMap;

use aquatint_checkpoint::detect::{Kind, detect_shapes};
use aquatint_checkpoint::naming::{Naming, PARTS};
use aquatint_checkpoint::{Detected, Family};
use names::{Names, families, shapes};

fn says(names: &Names, metadata: &[(&str, &str)]) -> Detected {
    let metadata = metadata.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
    detect_shapes(&shapes(names), &metadata.collect())
}

fn file(names: &[(&str, &[usize])]) -> Names {
    names.iter().map(|&(name, shape)| (name.to_owned(), shape.to_vec())).collect()
}

#[test]
fn every_family_is_found_in_both_namings() {
    for family in families() {
        let expected: Family = family.id.parse().unwrap();
        let parts: Vec<&str> = family.parts.iter().map(|part| part.part.as_str()).collect();
        let configs = family.configs();
        let configured = PARTS.into_iter().filter(|part| configs.contains_key(*part));
        assert_eq!(configured.collect::<Vec<_>>(), parts, "{}", family.id);
        let diffusers: Names = family
            .parts
            .iter()
            .flat_map(|part| {
                let names = part.diffusers.iter();
                names.map(|(name, shape)| (format!("{}.{name}", part.part), shape.clone()))
            })
            .collect();
        for (names, naming) in [(family.single_file(), Naming::Ldm), (diffusers, Naming::Diffusers)]
        {
            let found = says(&names, &[]);
            assert_eq!(found.kind, Kind::Model, "{}", family.id);
            assert_eq!(found.family, Some(expected), "{}", family.id);
            assert_eq!(found.naming, Some(naming), "{}", family.id);
            assert_eq!(found.parts, parts, "{}", family.id);
            assert_eq!(found.missing, [""; 0], "{}", family.id);
        }
    }
}

#[test]
fn parts_alone_say_where_to_give_them() {
    for family in families() {
        for part in &family.parts {
            if part.part == "class_embedder" {
                continue;
            }
            let prefixed: Names =
                part.authors.iter().map(|(n, s)| (part.prefix.clone() + n, s.clone())).collect();
            for names in [&prefixed, &part.authors, &part.diffusers] {
                let found = says(names, &[]);
                let (kind, flag) = match part.part.as_str() {
                    "unet" => (Kind::UNet, "--unet"),
                    "vae" | "vqvae" => (Kind::Autoencoder, "--vae"),
                    _ => (Kind::TextEncoder, "--text-encoder"),
                };
                assert_eq!(found.kind, kind, "{} {}", family.id, part.part);
                assert!(found.sentence().ends_with(flag), "{}", found.sentence());
            }
        }
    }
}

#[test]
fn the_text_attached_to_a_file_tells_look_alikes_apart() {
    let files: BTreeMap<String, Names> =
        families().into_iter().map(|family| (family.id.clone(), family.single_file())).collect();
    let family = |id: &str, metadata: &[(&str, &str)]| says(&files[id], metadata).family.unwrap();
    assert_eq!(family("sd2", &[]), Family::Sd2);
    assert_eq!(family("sd2", &[("modelspec.predict_key", "epsilon")]), Family::Sd2Base);
    assert_eq!(family("sd2", &[("modelspec.prediction_type", "v")]), Family::Sd2);
    assert_eq!(family("sd2", &[("global_step", "875000")]), Family::Sd2Base);
    assert_eq!(
        family("sd2", &[("modelspec.architecture", "stable-diffusion-v2-512")]),
        Family::Sd2Base
    );
    assert_eq!(family("sd2", &[("modelspec.title", "SD Turbo")]), Family::SdTurbo);
    assert_eq!(family("sdxl", &[("modelspec.title", "SDXL-Turbo")]), Family::SdxlTurbo);
    assert_eq!(family("sdxl", &[("modelspec.title", "mine")]), Family::Sdxl);

    let mut noob = files["sdxl"].clone();
    noob.insert("v_pred".into(), vec![]);
    noob.insert("ztsnr".into(), vec![]);
    let found = says(&noob, &[]);
    assert_eq!((found.prediction_type, found.zero_snr), (Some("v_prediction"), true));
    let found = says(&files["sd2"], &[]);
    assert_eq!(
        found.sentence(),
        "Stable Diffusion 2.x for 768 pixels, v-prediction in the ldm naming; sd2-base and sd-turbo \
         look the same, so say --family if it is one"
    );
}

#[test]
fn a_model_without_its_autoencoder_says_so() {
    let sd15 = families().into_iter().find(|family| family.id == "sd15").unwrap();
    let mut names = sd15.single_file();
    names.retain(|name, _| !name.starts_with("first_stage_model."));
    let found = says(&names, &[]);
    assert_eq!(found.missing, ["vae"]);
    assert_eq!(
        found.sentence(),
        "Stable Diffusion 1.x in the ldm naming without its autoencoder (give one with --vae)"
    );
}

#[test]
fn additions_are_told_from_models() {
    for (names, expected) in [
        (
            file(&[
                ("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.alpha", &[]),
                (
                    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight",
                    &[8, 768],
                ),
                (
                    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight",
                    &[320, 8],
                ),
            ]),
            "a LoRA for Stable Diffusion 1.x (kohya's naming), which changes a model and is none; \
             give the model itself with -m and this file with --lora",
        ),
        (
            file(&[
                (
                    "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight",
                    &[4, 2048],
                ),
                (
                    "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight",
                    &[640, 4],
                ),
            ]),
            "a LoRA for Stable Diffusion XL (PEFT's naming), which changes a model and is none; \
             give the model itself with -m and this file with --lora",
        ),
        (
            file(&[("emb_params", &[4, 1024])]),
            "a textual inversion embedding for Stable Diffusion 2.x (4 vectors), which is a word and no \
             model; give the model it was made for with -m",
        ),
        (
            file(&[("clip_g", &[2, 1280]), ("clip_l", &[2, 768])]),
            "a textual inversion embedding for Stable Diffusion XL (2 vectors), which is a word and \
             no model; give the model it was made for with -m",
        ),
        (
            file(&[
                ("control_model.input_blocks.0.0.weight", &[320, 4, 3, 3]),
                (
                    "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
                    &[320, 768],
                ),
            ]),
            "a ControlNet for Stable Diffusion 1.x, which steers a model and is none; give the \
             model itself with -m",
        ),
        (
            file(&[("controlnet_cond_embedding.conv_in.weight", &[16, 3, 3, 3])]),
            "a ControlNet, which steers a model and is none; give the model itself with -m",
        ),
    ] {
        let found = says(&names, &[]);
        assert!(matches!(found.kind, Kind::Addition(_)), "{found:?}");
        assert_eq!(found.sentence(), expected);
    }
}

#[test]
fn other_models_and_strange_files_are_said_to_be_that() {
    let sentence = |names: &[(&str, &[usize])]| says(&file(names), &[]).sentence();
    assert_eq!(
        sentence(&[("double_blocks.0.img_attn.qkv.weight", &[9216, 3072])]),
        "a Flux or HunyuanVideo model, which is no latent diffusion model that we can run; give one \
         of Stable Diffusion 1.x, 2.x or XL"
    );
    assert!(
        sentence(&[("model.layers.0.mlp.gate_proj.weight", &[4, 4])]).starts_with("a language")
    );
    assert!(sentence(&[("vision_model.x", &[4])]).starts_with("CLIP's picture encoder"));
    let unet = |channels: usize, context: usize| {
        says(
            &file(&[
                ("model.diffusion_model.input_blocks.0.0.weight", &[320, channels, 3, 3]),
                ("model.diffusion_model.time_embed.0.weight", &[1280, 320]),
                ("model.diffusion_model.input_blocks.1.1.x.attn2.to_k.weight", &[320, context]),
            ]),
            &[],
        )
        .sentence()
    };
    assert!(unet(8, 768).starts_with("an InstructPix2Pix model"));
    assert!(unet(5, 1024).starts_with("a depth-to-image model"));
    assert_eq!(
        unet(4, 640),
        "a U-Net with 4 input channels, 320 channels and a context of 640, of no family we know; \
         give it as a diffusers folder with its config.json files"
    );
    assert_eq!(
        sentence(&[("weight", &[3, 3])]),
        "no model that we know (it holds `weight`); give a Stable Diffusion model, as a single file \
         or a diffusers folder"
    );
    assert_eq!(sentence(&[]), "a file without any tensor; copy or download it again");
    // Shapes that no layer has must not be believed.
    assert!(sentence(&[("emb_params", &[])]).starts_with("no model"));
    assert!(
        sentence(&[("conv_in.weight", &[]), ("time_embedding.linear_1.weight", &[])])
            .starts_with("no model")
    );
}
