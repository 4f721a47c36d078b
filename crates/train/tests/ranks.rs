//! A mini-batch in parts, one after the other or by several processes (here: threads), is the same
//! mini-batch.

mod common;

use std::fs;
use std::path::PathBuf;

use aquatint_train::Stage;
use aquatint_train::data::{DataConfig, Dataset};
use common::threads::{among, together};
use common::{Counting, Place, attempt, trained};

const STEPS: u64 = 50;

/// The configuration with a line more in its section `[run]`, and a rate at which rounding does not
/// grow: Adam makes of a gradient of nearly 0 a step of either sign.
fn with_line(config: PathBuf, line: &str) -> PathBuf {
    let text = fs::read_to_string(&config).expect("a configuration");
    let text = text.replace("[run]\n", &format!("[run]\n{line}\n"));
    fs::write(&config, text.replace("= 6e-3\n", "= 1e-3\n")).expect("a file");
    config
}

#[track_caller]
fn assert_same_losses(place: &Place, one: &str, other: &str) {
    let (one, other) = (place.losses(one), place.losses(other));
    assert_eq!(one.len(), other.len());
    let apart = one.iter().zip(&other).map(|((_, a), (_, b))| (a - b).abs() / a);
    let apart = apart.fold(0.0, f64::max);
    assert!(apart < 1e-5, "the losses are {apart} apart");
}

#[test]
fn parts_make_the_whole_for_every_stage() {
    let place = Place::new();
    for (stage, name) in [
        (Stage::Autoencoder, "autoencoder"),
        (Stage::Clip, "clip"),
        (Stage::Diffusion, "diffusion"),
    ] {
        trained(stage, &with_line(place.config(stage, name, STEPS), ""));

        let in_parts = format!("{name}-in-parts");
        trained(stage, &with_line(place.config(stage, &in_parts, STEPS), "accumulate = 2"));
        assert_same_losses(&place, name, &in_parts);

        let by_two = format!("{name}-by-two");
        let config = with_line(place.config(stage, &by_two, STEPS), "");
        let outcomes = among(2, stage, &config, Some(20));
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_ok_and(|o| o.stopped)));
        let outcomes = among(2, stage, &config, None);
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_ok_and(|o| o.step == STEPS)));
        assert_same_losses(&place, name, &by_two);
    }
}

#[test]
fn what_cannot_be_cut_is_said() {
    let place = Place::new();
    let config = place.config(Stage::Autoencoder, "judged", 8);
    let text = fs::read_to_string(&config).expect("a configuration");
    let judge = "[task.discriminator]\nlayers = 2\nchannels = 4\n[model]\n";
    fs::write(&config, text.replace("[model]\n", judge)).expect("a file");
    for outcome in among(2, Stage::Autoencoder, &config, None) {
        let message = outcome.expect_err("no mean of parts").to_string();
        let why = "cannot be cut into 2 equal parts (2 processes times `run.accumulate`, 1): ";
        assert!(message.contains(why), "{message}");
    }
    let config = with_line(place.config(Stage::Autoencoder, "ae", 8), "accumulate = 4");
    let message = attempt(Stage::Autoencoder, &config, false).unwrap_err().to_string();
    assert!(message.ends_with("`run.batch_size` is 6"), "{message}");
}

/// Of 20 pictures, each of three processes decodes a third, and all know the same of all of them.
#[test]
fn every_picture_is_decoded_once() {
    let place = Place::new();
    fs::write(place.path("data/drawn/4.png"), "no picture").unwrap();
    fs::write(place.path("data/drawn/21.png"), "").unwrap();
    let config = DataConfig::new(place.path("data"), 32);
    let whole = Dataset::open(&config, &mut Counting::default()).unwrap();
    assert_eq!((whole.train.len(), whole.validation.len(), whole.unreadable.count), (19, 3, 2));
    let all =
        together(3, |ranks| Dataset::open_among(&config, &mut Counting::default(), ranks).unwrap());
    let decoded = |data: &Dataset, i: usize| !data.train[i].pixels.is_empty();
    for i in 0..19 {
        assert_eq!(all.iter().filter(|data| decoded(data, i)).count(), 1, "picture {i}");
    }
    for (rank, data) in all.iter().enumerate() {
        assert_eq!((data.sum(), &data.unreadable), (whole.sum(), &whole.unreadable));
        assert!((5..=7).contains(&(0..19).filter(|&i| decoded(data, i)).count()));
        let names = |data: &Dataset| -> Vec<String> {
            data.train.iter().map(|drawing| drawing.file_name.clone()).collect()
        };
        assert_eq!(names(data), names(&whole));
        let held_out = |data: &Dataset| data.validation.iter().all(|d| !d.pixels.is_empty());
        assert_eq!(held_out(data), rank == 0);
    }
}
