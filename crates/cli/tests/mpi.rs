//! `mpirun -n 2 aquatint train`, with the real `mpirun`:
//! `cargo test --release -p aquatint --features mpi --test mpi`.
#![cfg(feature = "mpi")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use aquatint_checkpoint::Weights;
use common::succeed;
use common::training::{checkpoint, config, place};
use serde_json::Value;

/// Starts two processes that train together.
fn start(folder: &Path, config: &str) -> Child {
    Command::new("mpirun")
        .current_dir(folder)
        // For containers, where everyone is root, and machines with one core.
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .args(["--oversubscribe", "--bind-to", "none", "-n", "2"])
        .arg(env!("CARGO_BIN_EXE_aquatint"))
        .args(["train", "autoencoder", "--config", config, "--resume", "--threads", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mpirun is installed")
}

fn losses(folder: &Path, run: &str) -> Vec<f64> {
    let text = fs::read_to_string(folder.join(run).join("metrics.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line["loss"].as_f64()).collect()
}

#[test]
fn two_processes_have_the_losses_of_one() {
    let folder = place();
    let folder = folder.path();
    // Plain pictures have no variance, so what normalizations make of rounding grows fast; at a
    // tenth of the rate it does not.
    let slower = |run| {
        let name = config(folder, run, 50);
        let text = fs::read_to_string(folder.join(&name)).expect("a file");
        fs::write(folder.join(&name), text.replace("= 1e-3\n", "= 1e-4\n")).expect("a file");
        name
    };
    let (one, two) = (slower("one"), slower("two"));
    succeed(folder, &["train", "autoencoder", "--config", &one]);
    assert!(start(folder, &two).wait().expect("it was started").success());
    let (one, two) = (losses(folder, "one"), losses(folder, "two"));
    assert_eq!([one.len(), two.len()], [50, 50]);
    for (step, (one, two)) in one.iter().zip(&two).enumerate() {
        assert!((one - two).abs() < 1e-5, "step {step}: {one} and {two}");
    }
}

/// The processes that `parent` started, and those that they started.
fn descendants(parent: u32) -> Vec<u32> {
    let children = Command::new("ps").args(["-o", "pid=", "--ppid", &parent.to_string()]).output();
    let children = String::from_utf8(children.expect("ps exists").stdout).expect("numbers");
    let children = children.split_whitespace().filter_map(|id| id.parse().ok());
    children.flat_map(|id| [vec![id], descendants(id)].concat()).collect()
}

#[test]
fn when_one_is_killed_the_job_ends_and_can_go_on() {
    let folder = place();
    let folder = folder.path();
    for (run, victim) in [("first", 0), ("second", 1)] {
        let config = config(folder, run, 1_000_000);
        let mut job = start(folder, &config);
        while losses(folder, run).len() < 20 {
            assert!(job.try_wait().expect("it was started").is_none(), "it ended by itself");
            sleep(Duration::from_millis(10));
        }
        let ranks = descendants(job.id());
        assert_eq!(ranks.len(), 2);
        let kill = Command::new("kill").args(["-9", &ranks[victim].to_string()]).status();
        assert!(kill.expect("kill exists").success());
        let killed = Instant::now();
        assert!(!job.wait().expect("it was started").success());
        assert!(killed.elapsed() < Duration::from_secs(30), "the others waited");

        let weights = Weights::open(checkpoint(folder, run)).expect("a checkpoint");
        let step: u64 = weights.metadata("step").expect("a step").parse().expect("a number");
        assert!(step >= 19, "{step}");
        let more = (step + 3).to_string();
        let args = ["train", "autoencoder", "--config", &config, "--resume", "--steps", &more];
        succeed(folder, &args);
    }
}
