//! The third stage on latents before a codebook and on pixels, with words and without: it learns,
//! it can be interrupted, and what it leaves is a model that can be drawn with.

mod common;

use std::fs;

use aquatint_pipeline::{GenerateRequest, LoadOptions, ModelSource, open_model};
use aquatint_train::Stage;
use common::third::{assert_learned, config, cross, drawn, json, plain, with_frozen_parts};
use common::{Place, attempt, trained, trained_in_parts};

const STEPS: u64 = 24;
const WORDS: &str = "empty_captions = 0.1\nguidance_scale = 2.0\nprompts = [\"red circle\", \"\"]";
const CLASS: &str = "conditioning = \"class\"\nclass_keys = [\"label\"]\nempty_classes = 0.1\n\
                     guidance_scale = 2.0\nsamples = 4";
const NOTHING: &str = "conditioning = \"none\"\nsamples = 4";
const HOLES: &str = "conditioning = \"inpainting\"\nempty_captions = 0.1\nguidance_scale = 2.0";
const PIXELS: &str = "first_stage = \"pixels\"";

/// The same place with a VQ-regularized autoencoder instead.
fn with_a_codebook() -> Place {
    let place = with_frozen_parts();
    let path = place.config(Stage::Autoencoder, "vq", 40);
    let text = fs::read_to_string(&path).expect("a configuration");
    let text = text.replace("kl_weight = 1e-6", "regularization = \"vq\"");
    fs::write(&path, text + "latent_channels = 3\nnum_vq_embeddings = 16\n").expect("a file");
    trained(Stage::Autoencoder, &path);
    fs::remove_dir_all(place.path("model/vae")).expect("the other one");
    place
}

#[test]
fn every_first_stage_learns_and_is_drawn_with() {
    let codebook = with_a_codebook();
    let three = |unet: String| unet.replace("out_channels = 4", "out_channels = 3");
    let pixels = |task: &str| format!("{task}\n{PIXELS}");
    for (name, task, unet, class, size) in [
        ("vq-words", WORDS.to_owned(), three(cross(3)), "LDMTextToImagePipeline", 16),
        ("vq-none", NOTHING.to_owned(), three(plain(3)), "LDMPipeline", 16),
        ("pixel-words", pixels(WORDS), three(cross(3)), "StableDiffusionPipeline", 32),
        ("pixel-holes", pixels(HOLES), three(cross(7)), "StableDiffusionInpaintPipeline", 32),
        ("pixel-class", pixels(CLASS), three(plain(3)), "DDPMPipeline", 32),
        ("pixel-none", pixels(NOTHING), three(plain(3)), "DDPMPipeline", 32),
    ] {
        let place = &codebook;
        trained(Stage::Diffusion, &config(place, name, STEPS, &task, &unet));
        assert_learned(place, name);
        if ["vq-words", "pixel-class"].contains(&name) {
            let parts = format!("{name}-in-parts");
            let path = config(place, &parts, STEPS, &task, &unet);
            trained_in_parts(Stage::Diffusion, &path, &[5, 16]);
            assert!(place.checkpoint(name) == place.checkpoint(&parts), "{name}: other bits");
        }
        let latents = place.path(&format!("runs/{name}/latents.safetensors"));
        assert_eq!(latents.exists(), name.starts_with("vq"), "{name}: cached latents");

        let index = json(place, &format!("{name}/model_index.json"));
        assert_eq!(index["_class_name"], class, "{name}");
        assert_eq!(json(place, &format!("{name}/unet/config.json"))["sample_size"], size);
        image::open(place.path(&format!("runs/{name}/samples/step-000024.png"))).expect(name);
        if name == "pixel-holes" {
            let source = ModelSource::folder(place.path(name)).expect("a model folder");
            open_model(&source, &LoadOptions::default()).map(drop).expect("a whole model");
            continue;
        }
        let prompt = if name.ends_with("words") { "red circle" } else { "" }.to_owned();
        let class = name.ends_with("class").then(|| "red circle".to_owned());
        let request = GenerateRequest { prompt, class, ..Default::default() };
        let picture = drawn(&place.path(name), request);
        assert_eq!((picture.width, picture.height), (32, 32), "{name}");
        let flat = picture.rgb.iter().all(|value| *value == picture.rgb[0]);
        assert!(!flat, "{name}: a picture of nothing");
    }
    // The codebook is copied as it was.
    let weights = |folder: &str| {
        let file = format!("{folder}/vqvae/diffusion_pytorch_model.safetensors");
        fs::read(codebook.path(&file)).expect(folder)
    };
    assert!(weights("vq-words") == weights("model"));
    assert!(!codebook.path("pixel-words/vae").exists());
}

#[test]
fn what_pixels_cannot_do_is_said_before_anything_begins() {
    let place = with_frozen_parts();
    let small = format!("conditioning = \"low-resolution\"\nsamples = 3\n{PIXELS}");
    let nothing = format!("{NOTHING}\n{PIXELS}");
    let words = format!("{WORDS}\n{PIXELS}");
    for (task, unet, said) in [
        (&small, plain(7), "makes a picture no smaller, so there is no small picture"),
        (&nothing, plain(4), "`model.unet.in_channels` is 4, but pixels have 3"),
        (&words, cross(4), "in_channels is 4, but pixels have 3"),
        (&nothing.replace("pixels", "pixel"), plain(3), "unknown variant `pixel`"),
        (&nothing.replace("first_stage", "first_stag"), plain(3), "did you mean `first_stage`?"),
    ] {
        let path = config(&place, "wrong", 2, task, &unet);
        let error = attempt(Stage::Diffusion, &path, false).expect_err(said).to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{said}: {error}");
        assert!(!place.path("runs/wrong").exists(), "{said}: something was begun");
    }
}
