//! A mini-batch in parts, one after the other or by several processes (here: threads), is the same
//! mini-batch.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use aquatint_train::error::TrainError;
use aquatint_train::ranks::{Buckets, Filled, Ranks};
use aquatint_train::run::Outcome;
use aquatint_train::{Options, Stage, train_among};
use common::{Counting, Place, attempt, trained};

const STEPS: u64 = 50;

/// What the threads share.
struct Shared {
    sums: Mutex<Vec<f64>>,
    all_here: Barrier,
}

/// One of some threads.
struct Thread {
    rank: usize,
    count: usize,
    shared: Arc<Shared>,
}

impl Ranks for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn sum(&self, numbers: &mut [f64]) {
        let Shared { sums, all_here } = &*self.shared;
        let mut all = sums.lock().unwrap();
        all.resize(numbers.len(), 0.0);
        all.iter_mut().zip(&*numbers).for_each(|(sum, x)| *sum += x);
        drop(all);
        all_here.wait();
        numbers.copy_from_slice(&sums.lock().unwrap());
        all_here.wait();
        sums.lock().unwrap().clear();
        all_here.wait();
    }

    fn sum_during(&self, buckets: &mut Buckets, pass: &mut dyn FnMut(&mut Filled<'_>)) {
        pass(&mut |index, values| buckets.vector_mut(index).copy_from_slice(values));
        for bucket in &mut buckets.contents {
            let mut numbers: Vec<f64> = bucket.iter().map(|&x| f64::from(x)).collect();
            self.sum(&mut numbers);
            bucket.iter_mut().zip(numbers).for_each(|(x, sum)| *x = sum as f32);
        }
    }
}

/// Trains with `count` threads, of which the one with number 1 wants to stop after `stop_after`.
fn among(
    count: usize,
    stage: Stage,
    config: &Path,
    stop_after: Option<u64>,
) -> Vec<Result<Outcome, TrainError>> {
    let shared = Arc::new(Shared { sums: Mutex::default(), all_here: Barrier::new(count) });
    let threads: Vec<_> = (0..count)
        .map(|rank| {
            let ranks = Thread { rank, count, shared: shared.clone() };
            let config = config.to_path_buf();
            let stop_after = stop_after.filter(|_| rank == 1);
            thread::spawn(move || {
                let options = Options { resume: true, ..Options::default() };
                let mut monitor = Counting { stop_after, ..Counting::default() };
                train_among(stage, &config, &options, &mut monitor, &ranks)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
}

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
fn parts_make_the_whole_for_every_stage_that_can_be_cut() {
    let place = Place::new();
    let stages = [(Stage::Autoencoder, "autoencoder"), (Stage::Diffusion, "diffusion")];
    for (stage, name) in stages {
        if stage == Stage::Diffusion {
            trained(Stage::Clip, &place.config(Stage::Clip, "clip", 8));
        }
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
    let config = place.config(Stage::Clip, "clip", 8);
    for outcome in among(2, Stage::Clip, &config, None) {
        let message = outcome.expect_err("no mean of parts").to_string();
        let why = "cannot be cut into 2 equal parts (2 processes times `run.accumulate`, 1): every";
        assert!(message.contains(why), "{message}");
    }
    let config = with_line(place.config(Stage::Autoencoder, "ae", 8), "accumulate = 4");
    let message = attempt(Stage::Autoencoder, &config, false).unwrap_err().to_string();
    assert!(message.ends_with("`run.batch_size` is 6"), "{message}");
}
