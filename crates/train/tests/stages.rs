//! All three stages on a few shapes: they learn, they can be interrupted, what they leave is a
//! model.

mod common;

use std::fs;

use aquatint_pipeline::{Components, GenerateRequest, LoadOptions, ModelSource, text_to_image};
use aquatint_train::Stage;
use common::{Place, trained, trained_in_parts};

const STEPS: u64 = 40;

/// The mean loss of the last quarter is well below that of the first.
#[track_caller]
fn assert_learned(place: &Place, run: &str, part: f64) {
    let losses = place.losses(run);
    assert_eq!(losses.last().map(|(step, _)| *step), Some(STEPS));
    let quarter = losses.len() / 4;
    let mean = |some: &[(u64, f64)]| some.iter().map(|(_, l)| l).sum::<f64>() / some.len() as f64;
    let (first, last) = (mean(&losses[..quarter]), mean(&losses[losses.len() - quarter..]));
    assert!(last < part * first, "{run}: the loss went from {first} to {last}");
}

/// One stage, whole and in three parts: the same bits.
fn stage(place: &Place, stage: Stage, name: &str, part: f64) {
    let config = place.config(stage, name, STEPS);
    let outcome = trained(stage, &config);
    assert!(!outcome.stopped && outcome.step == STEPS);
    assert_learned(place, name, part);

    let in_parts = format!("{name}-in-parts");
    let config = place.config(stage, &in_parts, STEPS);
    trained_in_parts(stage, &config, &[5, 16]);
    assert!(
        place.checkpoint(name) == place.checkpoint(&in_parts),
        "{name}: another checkpoint after interruptions"
    );
    // The interrupted run has one line more for each interruption at an odd step, and no line
    // twice.
    let steps: Vec<u64> = place.losses(&in_parts).iter().map(|(step, _)| *step).collect();
    assert!(steps.is_sorted() && steps.len() == place.losses(name).len(), "{steps:?}");
}

#[test]
fn a_model_from_nothing() {
    let place = Place::new();
    stage(&place, Stage::Autoencoder, "autoencoder", 0.8);
    stage(&place, Stage::Clip, "clip", 0.9);
    stage(&place, Stage::Diffusion, "diffusion", 0.9);

    for file in ["loss-curve.png", "samples/step-000010.png", "samples/step-000040.png"] {
        for run in ["autoencoder", "diffusion"] {
            image::open(place.path(&format!("runs/{run}/{file}"))).expect("a picture");
        }
    }
    let readme = fs::read_to_string(place.path("model/README.md")).expect("a model card");
    for row in ["# Shapes", "| autoencoder |", "| clip |", "| diffusion |", "| 40 × 6 |"] {
        assert!(readme.contains(row), "{row} in {readme}");
    }
    for (task, what) in
        [("autoencoder", "autoencoder"), ("clip", "text encoder"), ("diffusion", "U-Net")]
    {
        let picture = format!("![loss of the {what}](loss-{task}.png)");
        assert!(readme.contains(&picture), "{picture} in {readme}");
    }
    let curve = |file: &str| fs::read(place.path(file)).expect("a curve");
    assert!(
        curve("model/loss-diffusion.png") == curve("runs/diffusion-in-parts/loss-curve.png"),
        "the card shows another run's curve"
    );

    let source = ModelSource::folder(place.path("model")).expect("a model folder");
    let components = Components::load(&source, &LoadOptions::default()).expect("a whole model");
    assert_eq!(components.config.vae.scaling_factor(), 1.0);
    let request = GenerateRequest {
        prompt: "a circle".into(),
        seed: 1,
        steps: 2,
        width: Some(64),
        height: Some(64),
        ..Default::default()
    };
    let pictures = text_to_image(&components, &request, &mut ()).expect("a picture");
    assert_eq!((pictures[0].width, pictures[0].height), (64, 64));

    goes_on_from_those_weights(&place);
    the_text_encoder_learns_if_asked(&place);
}

/// The text encoder stays to the bit as it was, or changes if the configuration says so.
fn the_text_encoder_learns_if_asked(place: &Place) {
    let weights = || fs::read(place.path("model/text_encoder/model.safetensors")).expect("weights");
    let run = |name: &str, key: &str| {
        let config = place.config(Stage::Diffusion, name, 2);
        let text = fs::read_to_string(&config).expect("a configuration");
        fs::write(&config, text.replace("[task]", &format!("[task]{key}"))).expect("a file");
        let before = weights();
        trained(Stage::Diffusion, &config);
        before != weights()
    };
    assert!(!run("frozen", ""), "a frozen text encoder changed");
    assert!(run("both", "\ntrain_text_encoder = true"), "the text encoder learned nothing");
}

/// Another run that begins with the weights of the model says so on the card.
fn goes_on_from_those_weights(place: &Place) {
    let config = place.config(Stage::Diffusion, "second", 3);
    let text = fs::read_to_string(&config).expect("a configuration");
    let unet = place.path("model/unet").display().to_string();
    let task = format!("[task]\nstart_from = {unet:?}");
    fs::write(&config, text.replace("[task]", &task)).expect("a temporary file");
    trained(Stage::Diffusion, &config);
    let readme = fs::read_to_string(place.path("model/README.md")).expect("a model card");
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| diffusion")).collect();
    assert!(rows.len() == 2 && rows[0].contains("| 40 × 6 |"), "{readme}");
    let begun = format!("| diffusion, begun with the weights of {unet} |");
    assert!(rows[1].starts_with(&begun) && rows[1].contains("| 3 × 6 |"), "{readme}");
}
