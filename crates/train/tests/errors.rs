//! What goes wrong says so in one line, and leaves what was there.

mod common;

use std::fs;

use aquatint_train::Stage;
use aquatint_train::{Options, train};
use common::{Counting, Place, attempt, trained};

/// The message of a run that must not succeed.
#[track_caller]
fn refused(stage: Stage, config: &std::path::Path, resume: bool) -> String {
    let error = attempt(stage, config, resume).expect_err("this must be refused");
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn data_without_metadata() {
    let place = Place::new();
    let config = place.config(Stage::Autoencoder, "a", 2);
    fs::remove_file(place.path("data/metadata.jsonl")).unwrap();
    let message = refused(Stage::Autoencoder, &config, false);
    assert!(message.contains("there is no metadata.jsonl in it"), "{message}");
}

#[test]
fn a_misspelt_key() {
    let place = Place::new();
    let config = place.config(Stage::Autoencoder, "a", 2);
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("kl_weight", "kl_wait")).unwrap();
    let message = refused(Stage::Autoencoder, &config, false);
    assert!(message.contains("a.toml: line "), "{message}");
    assert!(message.ends_with("unknown key `kl_wait`; did you mean `kl_weight`?"), "{message}");
    fs::write(&config, text.replace("norm_num_groups", "norm_groups")).unwrap();
    let message = refused(Stage::Autoencoder, &config, false);
    let hint = "unknown key `model.norm_groups`; did you mean `norm_num_groups`?";
    assert!(message.ends_with(hint), "{message}");
}

#[test]
fn sizes_that_do_not_fit() {
    let place = Place::new();
    let config = place.config(Stage::Autoencoder, "a", 2);
    let text = fs::read_to_string(&config).unwrap();
    for (from, to, said) in [
        ("crop = 16", "crop = 15", "`task.crop` is 15; it must be a multiple of 2, at most 32"),
        ("crop = 16", "crop = 64", "`task.crop` is 64"),
        ("norm_num_groups = 4", "norm_num_groups = 3", "norm_num_groups: 3 does not divide"),
    ] {
        fs::write(&config, text.replace(from, to)).unwrap();
        let message = refused(Stage::Autoencoder, &config, false);
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn a_stage_before_its_time() {
    let place = Place::new();
    let config = place.config(Stage::Diffusion, "a", 2);
    let message = refused(Stage::Diffusion, &config, false);
    assert!(message.ends_with("train the autoencoder first"), "{message}");
}

/// A place in which the U-Net can be trained next.
fn with_frozen_parts() -> Place {
    let place = Place::new();
    for (stage, run) in [(Stage::Autoencoder, "a"), (Stage::Clip, "c")] {
        trained(stage, &place.config(stage, run, 1));
    }
    place
}

#[test]
fn parts_that_do_not_fit() {
    let place = with_frozen_parts();
    let config = place.config(Stage::Diffusion, "d", 1);
    let configuration = "d.toml";
    for (file, from, to, said) in [
        (configuration, "[model.unet]", "[model.unet]\nout_channels = 8", "out_channels is 8, but"),
        (configuration, "[model.unet]", "[model.unet]\nin_channels = 8", "in_channels is 8, but"),
        (
            configuration,
            "attention_dim = 16",
            "attention_dim = 24",
            "cross_attention_dim is 24, but",
        ),
        (configuration, "\nsize = 32", "\nsize = 33", "`data.size` is 33; for the autoencoder in "),
        ("model/vae/config.json", "\"in_channels\": 3", "\"in_channels\": 1", "RGB pictures"),
        ("model/vae/config.json", "\"out_channels\": 3", "\"out_channels\": 4", "RGB pictures"),
        (
            "model/text_encoder/config.json",
            "\"vocab_size\": 5",
            "\"vocab_size\": 4",
            "but the text encoder knows 4",
        ),
        (
            "model/text_encoder/config.json",
            "\"max_position_embeddings\": 16",
            "\"max_position_embeddings\": 8",
            "model_max_length is 16, but the text encoder reads 8 only",
        ),
    ] {
        let path = place.path(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(&path, text.replace(from, to)).unwrap();
        let message = refused(Stage::Diffusion, &config, false);
        assert!(message.contains(said), "{file} with {to}: {message}");
        fs::write(&path, text).unwrap();
    }
    trained(Stage::Diffusion, &config);
}

#[test]
fn parts_that_were_trained_anew() {
    let place = with_frozen_parts();
    let config = place.config(Stage::Diffusion, "d", 1);
    trained(Stage::Diffusion, &config);
    attempt(Stage::Diffusion, &config, true).expect("nothing has changed yet");
    for (stage, run, said) in [
        (Stage::Clip, "c2", "the text encoder changed after it was written"),
        (Stage::Autoencoder, "a2", "the pictures or the autoencoder changed after it was written"),
    ] {
        let other = place.config(stage, run, 1);
        let text = fs::read_to_string(&other).unwrap();
        fs::write(&other, text.replace("seed = 5", "seed = 6")).unwrap();
        trained(stage, &other);
        let message = refused(Stage::Diffusion, &config, true);
        assert!(
            message.contains("runs/d/checkpoint.safetensors cannot be continued: "),
            "{message}"
        );
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn no_steps() {
    let place = Place::new();
    let config = place.config(Stage::Autoencoder, "a", 2);
    let options = Options { steps: Some(0), ..Options::default() };
    let error = train(Stage::Autoencoder, &config, &options, &mut Counting::default());
    let message = error.expect_err("nothing to do").to_string();
    assert_eq!(message, "0 steps are not possible: it must be at least 1");
    assert!(!place.path("runs").exists());
}

#[test]
fn a_run_is_not_overwritten_and_not_continued_as_another() {
    let place = Place::new();
    let config = place.config(Stage::Autoencoder, "a", 2);
    trained(Stage::Autoencoder, &config);
    let before = place.checkpoint("a");
    let message = refused(Stage::Autoencoder, &config, false);
    assert!(message.contains("checkpoint.safetensors exists: go on from it with --resume"));

    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("learning_rate = 6e-3", "learning_rate = 1e-3")).unwrap();
    let message = refused(Stage::Autoencoder, &config, true);
    let difference = "`optimizer.learning_rate` is 0.006 there and 0.001 here";
    assert!(message.ends_with(difference), "{message}");
    assert!(place.checkpoint("a") == before);

    // A longer run is the same run.
    fs::write(&config, text.replace("\nsteps = 2\n", "\nsteps = 3\n")).unwrap();
    assert_eq!(attempt(Stage::Autoencoder, &config, true).unwrap().step, 3);

    fs::write(place.path("runs/a/checkpoint.safetensors"), &before[..before.len() / 2]).unwrap();
    let message = refused(Stage::Autoencoder, &config, true);
    assert!(message.contains("checkpoint.safetensors is cut off"), "{message}");
}

#[test]
fn numbers_that_explode_stop_the_run_and_keep_its_checkpoint() {
    let place = Place::new();
    let config = place.config(Stage::Autoencoder, "a", 20);
    let text = fs::read_to_string(&config).unwrap();
    let wild = text
        .replace("learning_rate = 6e-3", "learning_rate = 1e30")
        .replace("checkpoint_every = 8", "checkpoint_every = 1");
    fs::write(&config, wild).unwrap();
    let message = refused(Stage::Autoencoder, &config, false);
    assert!(message.contains(" of step 2 is not a finite number"), "{message}");
    assert!(message.contains("the last good checkpoint stays in "), "{message}");
    assert!(!place.checkpoint("a").is_empty());
}
