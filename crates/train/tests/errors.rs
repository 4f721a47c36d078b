//! What goes wrong says so in one line, and leaves what was there.

mod common;

use std::fs;

use aquatint_train::Stage;
use common::{Place, attempt, trained};

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
