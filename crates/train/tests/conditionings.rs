//! The third stage under every condition but captions alone: it learns, it can be interrupted, it
//! hears what it is told, and what it leaves is a model.

mod common;

use std::fs;

use aquatint_checkpoint::Weights;
use aquatint_diffusion::denoising_loss;
use aquatint_models::{AutoencoderKL, UNet2DModel};
use aquatint_nn::Module;
use aquatint_pipeline::{ModelSource, SchedulerConfig, load_module};
use aquatint_tensor::{Rng, Tensor};
use aquatint_train::Stage;
use common::third::{assert_learned, config, cross, json, plain, with_frozen_parts};
use common::{Place, attempt, trained, trained_in_parts};
use serde_json::Value;

const STEPS: u64 = 40;

const CLASS: &str = "conditioning = \"class\"\nclass_keys = [\"label\"]\nempty_classes = 0.1\n\
                     guidance_scale = 2.0\nsamples = 4";
const SMALL: &str = "conditioning = \"low-resolution\"\nlow_resolution_noise = 0.1\nsamples = 3";
const NOTHING: &str = "conditioning = \"none\"\nsamples = 4";
const HOLES: &str = "conditioning = \"inpainting\"\nempty_captions = 0.1\nguidance_scale = 2.0";

#[test]
fn every_conditioning_learns_and_goes_on_with_the_same_bits() {
    let place = with_frozen_parts();
    for (name, task, unet, class) in [
        ("class", CLASS, plain(4), "LDMPipeline"),
        ("none", NOTHING, plain(4), "LDMPipeline"),
        ("small", SMALL, plain(7), "LDMSuperResolutionPipeline"),
        ("holes", HOLES, cross(9), "StableDiffusionInpaintPipeline"),
    ] {
        trained(Stage::Diffusion, &config(&place, name, STEPS, task, &unet));
        assert_learned(&place, name);
        let parts = format!("{name}-in-parts");
        trained_in_parts(Stage::Diffusion, &config(&place, &parts, STEPS, task, &unet), &[5, 16]);
        assert!(place.checkpoint(name) == place.checkpoint(&parts), "{name}: other bits");

        assert_eq!(json(&place, &format!("{name}/model_index.json"))["_class_name"], class);
        image::open(place.path(&format!("runs/{name}/samples/step-000040.png"))).expect(name);
        let readme = fs::read_to_string(place.path(&format!("{name}/README.md"))).expect(name);
        assert!(readme.contains("| autoencoder |") && readme.contains("| diffusion |"), "{readme}");
        assert_eq!(readme.contains("| clip |"), name == "holes", "{readme}");
        let vae = if name == "holes" { "vae" } else { "vqvae" };
        let weights = |folder: &str| {
            let file = format!("{folder}/diffusion_pytorch_model.safetensors");
            fs::read(place.path(&file)).expect(folder)
        };
        assert!(weights(&format!("{name}/{vae}")) == weights("model/vae"), "{name}: another vae");
    }
}

/// A part of an exported model, filled.
fn part<M: Module>(place: &Place, folder: &str, build: impl FnOnce(&Value) -> M) -> M {
    let mut module = build(&json(place, &format!("{folder}/config.json")));
    let file = place.path(&format!("{folder}/diffusion_pytorch_model.safetensors"));
    load_module(&mut module, &Weights::open(file).expect("weights")).expect("those weights");
    module
}

/// The network knows more about a picture when it hears of the right class than of another.
#[test]
fn the_right_class_is_better_than_another() {
    let place = with_frozen_parts();
    trained(Stage::Diffusion, &config(&place, "class", 150, CLASS, &plain(4)));
    let index = json(&place, "class/model_index.json");
    let names: Vec<&str> =
        index["id2label"].as_object().expect("names").values().filter_map(Value::as_str).collect();
    assert_eq!((names.len(), names[0]), (9, "blue bar"));
    let unet = part(&place, "class/unet", |config| {
        assert_eq!(config["num_class_embeds"], 10, "a row for none");
        assert_eq!(config["sample_size"], 16);
        UNet2DModel::new(&serde_json::from_value(config.clone()).expect("a U-Net"))
    });
    let vae = part(&place, "class/vqvae", |config| {
        AutoencoderKL::new(&serde_json::from_value(config.clone()).expect("an autoencoder"))
    });
    let source = ModelSource::Folder(place.path("class"));
    let scheduler: SchedulerConfig =
        source.json("scheduler/scheduler_config.json").expect("a scheduler");
    let schedule = scheduler.schedule().expect("a schedule");

    // A red square, as the data set draws it, on white.
    let red = [220.0f32, 60.0, 60.0];
    let image = Tensor::from_fn(&[1, 32, 32, 3], |i| {
        let (y, x) = ((i / 96) as i32 - 16, (i / 3 % 32) as i32 - 16);
        if y.abs().max(x.abs()) < 9 { red[i % 3] / 127.5 - 1.0 } else { 1.0 }
    });
    let x0 = vae.encode(&image).mode();
    let loss = |name: &str| {
        let label = names.iter().position(|known| *known == name).expect("a class") as f32;
        let labels = Tensor::new(vec![label], &[1]);
        let mut rng = Rng::new(1);
        let at = |t: usize| {
            let noise = rng.randn(x0.shape());
            let network = |xt: &Tensor, t: &[f32]| unet.forward(xt, t, Some(&labels));
            let kind = scheduler.prediction_type().expect("a type");
            denoising_loss(network, kind, &schedule, &x0, &[t], &noise).item()
        };
        [900, 800, 700, 600, 500].map(at).iter().sum::<f32>()
    };
    let right = loss("red square");
    for other in ["blue bar", "green circle", "blue circle"] {
        assert!(right < loss(other), "{right} with the class, {} with {other}", loss(other));
    }
}

#[test]
fn in_painting_begins_with_a_network_of_fewer_channels() {
    let place = with_frozen_parts();
    let text = "prompts = []\nempty_captions = 0.1\nguidance_scale = 2.0";
    trained(Stage::Diffusion, &config(&place, "text", 2, text, &cross(4)));
    let start = format!("{HOLES}\nstart_from = {:?}", place.path("text/unet"));
    trained(Stage::Diffusion, &config(&place, "holes", 2, &start, &cross(9)));
    let readme = fs::read_to_string(place.path("holes/README.md")).expect("a card");
    assert!(readme.contains("begun with the weights of "), "{readme}");
}

#[test]
fn what_does_not_fit_is_said_in_one_line() {
    let place = with_frozen_parts();
    let without = |task: &str, line: &str| task.replace(line, "");
    for (task, unet, said) in [
        (CLASS.replace("class\"", "clas\""), plain(4), "did you mean \"class\"?"),
        (NOTHING.into(), plain(7), "in_channels` is 7, but the vae's latents have 4"),
        (SMALL.into(), plain(4), "is 4, but the vae's latents and the small picture have 7"),
        (HOLES.into(), cross(4), "in_channels is 4, but the vae's latents, a mask and the latents"),
        (NOTHING.into(), plain(4) + "\nnum_class_embeds = 3", "num_class_embeds` is for"),
        (CLASS.into(), plain(4) + "\nnum_class_embeds = 9", "the data has 9 classes, and one row"),
        (
            NOTHING.to_owned() + "\nguidance_scale = 2.0",
            plain(4),
            "`task.guidance_scale` is for `task.conditioning = \"class\"`, and that is \"none\"",
        ),
        (without(CLASS, "empty_classes = 0.1\n"), plain(4), "`task.empty_classes` is 0"),
        (without(CLASS, "class_keys = [\"label\"]\n"), plain(4), "no line of metadata.jsonl has"),
        (CLASS.replace("label", "colour"), plain(4), "of `task.class_keys`: colour"),
        (NOTHING.replace("samples = 4", "samples = 0"), plain(4), "`task.samples` is 0, not 1 to"),
        (NOTHING.replace("samples", "sample"), plain(4), "did you mean `samples`?"),
        (
            NOTHING.into(),
            plain(4).replace("out_channels = 4", "out_channels = 3"),
            "out_channels` is 3, but the vae's latents have 4",
        ),
        (NOTHING.into(), plain(4) + "\nclass_embed_type = \"timestep\"", "must not be there"),
    ] {
        let path = config(&place, "wrong", 2, &task, &unet);
        let error = attempt(Stage::Diffusion, &path, false).expect_err(said).to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{said}: {error}");
        assert!(!place.path("runs/wrong").exists(), "{said}: something was begun");
    }
    let path = config(&place, "wrong", 2, NOTHING, &plain(4));
    fs::remove_dir_all(place.path("model/vae")).expect("a folder");
    let error = attempt(Stage::Diffusion, &path, false).expect_err("no vae").to_string();
    assert!(error.ends_with("has no vae/config.json: train the autoencoder first"), "{error}");
}
