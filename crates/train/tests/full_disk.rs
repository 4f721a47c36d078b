//! A disk that is full when a checkpoint is to be written: the run ends with a sentence, and the
//! checkpoint before it is whole.
#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use aquatint_train::Stage;
use common::{Place, attempt, trained};

/// Says to the process that the test starts which configuration to go on with.
const CONFIG: &str = "AQUATINT_TEST_FULL_DISK";

/// No test by itself: what the other runs under a limit of the length of files.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test has no other arguments")]
fn the_run_that_meets_the_limit() {
    let Ok(config) = std::env::var(CONFIG) else { return };
    let said = match attempt(Stage::Autoencoder, Path::new(&config), true) {
        Ok(_) => "it went on".to_owned(),
        Err(error) => error.to_string(),
    };
    fs::write(config + ".said", said).expect("less than the limit");
}

#[test]
fn a_full_disk_ends_the_run_and_leaves_the_checkpoint_before() {
    let place = Place::new();
    let config = place.config(Stage::Autoencoder, "a", 8);
    trained(Stage::Autoencoder, &config);
    let before = place.checkpoint("a");
    assert!(before.len() > 100_000, "the limit below would be none for {} bytes", before.len());
    let longer = fs::read_to_string(&config).expect("text").replace("steps = 8", "steps = 16");
    fs::write(&config, longer).expect("a file");

    // A file that grows beyond the limit is refused as on a full disk, if the signal is not heard.
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "the_run_that_meets_the_limit"])
        .env(CONFIG, &config)
        .stdout(Stdio::null())
        .status()
        .expect("a shell");
    assert!(status.success());
    let sentence = fs::read_to_string(place.path("a.toml.said")).expect("it said something");
    assert!(sentence.contains("checkpoint.safetensors: "), "{sentence}");
    assert!(!sentence.contains('\n'), "{sentence}");

    assert!(place.checkpoint("a") == before, "the checkpoint is another");
    let names = fs::read_dir(place.path("runs/a")).expect("a folder");
    let names: Vec<String> = names
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("checkpoint"))
        .collect();
    assert_eq!(names, ["checkpoint.safetensors"], "something unfinished lies about");
    assert_eq!(attempt(Stage::Autoencoder, &config, true).expect("it goes on").step, 16);
}
