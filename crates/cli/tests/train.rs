//! `aquatint train` as people start and stop it, politely and otherwise.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use aquatint_checkpoint::Weights;
use common::training::{checkpoint, config, place};
use common::{aquatint, refused, succeed};

/// How often the program is killed: `AQUATINT_KILLS=50 cargo test --release --test train` for a
/// longer look.
#[allow(clippy::disallowed_methods, reason = "a test has no other arguments")]
fn kills() -> u64 {
    std::env::var("AQUATINT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// Starts a run that goes on from its checkpoint, without waiting for it.
fn start(folder: &Path, config: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_aquatint"))
        .current_dir(folder)
        .args(["train", "autoencoder", "--config", config, "--resume", "--threads", "1"])
        .stderr(Stdio::null())
        .spawn()
        .expect("the program was built")
}

/// Lets a judge of patches in, which has weights and moments of its own to be kept.
fn with_adversary(folder: &Path, config: String) -> String {
    let judge = "[task.discriminator]\nstart = 2\nlayers = 2\nchannels = 4\n[model]";
    let text = fs::read_to_string(folder.join(&config)).expect("a file").replace("[model]", judge);
    fs::write(folder.join(&config), text).expect("a temporary file");
    config
}

#[test]
fn killed_again_and_again_it_ends_with_the_same_bits() {
    let (folder, kills) = (place(), kills());
    let folder = folder.path();
    let steps = 20 * kills;
    let whole = with_adversary(folder, config(folder, "whole", steps));
    succeed(folder, &["train", "autoencoder", "--config", &whole, "--threads", "2"]);

    let killed = with_adversary(folder, config(folder, "killed", steps));
    let path = checkpoint(folder, "killed");
    let mut moment = 12_345u64;
    let mut done = 0;
    for _ in 0..kills {
        // SIGKILL at moments that hit reading, computing and writing alike.
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        let mut child = start(folder, &killed);
        sleep(Duration::from_millis(30 + (moment >> 33) % 250));
        child.kill().expect("it was started");
        child.wait().expect("it was started");
        if path.exists() {
            let weights = Weights::open(&path).expect("a checkpoint is whole at every moment");
            let step: u64 = weights.metadata("step").expect("a step").parse().expect("a number");
            assert!(step >= done, "from step {done} back to step {step}");
            done = step;
        }
    }
    assert!(done > 0, "no checkpoint was ever reached");
    succeed(folder, &["train", "autoencoder", "--config", &killed, "--resume"]);
    let bytes = |run: &str| fs::read(checkpoint(folder, run)).expect("a checkpoint");
    assert!(bytes("whole") == bytes("killed"), "the weights differ after {kills} kills");
    let left: Vec<_> = fs::read_dir(folder.join("killed"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name.ends_with("tmp"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "temporary files are left");
}

#[cfg(unix)]
#[test]
fn asked_to_end_it_writes_a_checkpoint() {
    let folder = place();
    let folder = folder.path();
    let config = config(folder, "run", 1_000_000);
    let text = fs::read_to_string(folder.join(&config)).expect("a file");
    let text = text.replace("checkpoint_every = 1\n", "checkpoint_every = 1000000\n");
    fs::write(folder.join(&config), text).expect("a temporary file");
    let mut child = start(folder, &config);
    let metrics = folder.join("run/metrics.jsonl");
    while fs::read_to_string(&metrics).map_or(true, |text| text.is_empty()) {
        assert!(child.try_wait().expect("it was started").is_none(), "it ended by itself");
        sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill exists").success());
    let status = child.wait().expect("it was started");
    assert_eq!(status.code(), Some(130));
    let weights = Weights::open(checkpoint(folder, "run")).expect("a checkpoint");
    assert!(weights.metadata("step").is_some());
}

#[test]
fn what_cannot_be_trained() {
    let folder = place();
    let folder = folder.path();
    let config = config(folder, "run", 1);
    let said = refused(folder, &["train", "autoencoder", "--config", &config, "--steps", "0"]);
    assert_eq!(said, "0 steps are not possible: it must be at least 1");
    fs::remove_file(folder.join("data/metadata.jsonl")).expect("it was written");
    let said = refused(folder, &["train", "autoencoder", "--config", &config]);
    assert!(said.contains("there is no metadata.jsonl in it"), "{said}");
    let said = refused(folder, &["train", "clip", "--config", "none.toml"]);
    assert!(said.contains("none.toml"), "{said}");
    let output = aquatint(folder, &["train", "autoencodr", "--config", &config]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("'autoencoder'"), "{said}");
}
