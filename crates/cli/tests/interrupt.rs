//! Ctrl-C at any moment leaves whole files or none.
#![cfg(unix)]

mod common;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aquatint_pipeline::png;
use common::{names, tiny_model};

fn interrupt(child: &Child) {
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill exists").success());
}

#[test]
fn nothing_is_left_half_written() {
    let (folder, _) = tiny_model();
    let out = folder.path().join("out");
    for milliseconds in [0, 50, 100, 200, 300] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aquatint"))
            .current_dir(folder.path())
            .args(["generate", "a cat", "-m", "model", "-n", "256", "--steps", "1", "-o", "out/"])
            .args(["--width", "512", "--height", "512"])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program was built");
        // The first time before there is a picture, then while they are written one by one.
        while milliseconds > 0 && !(out.is_dir() && names(&out).iter().any(|n| n.ends_with("png")))
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(milliseconds));
        let asked = Instant::now();
        interrupt(&child);
        if milliseconds == 0 {
            // Where this test is a job in the background, the program is born deaf to the signal;
            // it hears the next, as soon as it listens.
            std::thread::sleep(Duration::from_secs(2));
            if child.try_wait().expect("a child").is_none() {
                interrupt(&child);
            }
        }
        let status = child.wait().expect("it ends");
        // Before the program listens, the signal itself ends it, and there is no code.
        assert!(matches!(status.code(), Some(130) | None), "{status}");
        assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    }
    assert!(names(folder.path()).iter().all(|name| name == "model" || name == "out"));
    let written = names(&out);
    assert!(!written.is_empty(), "the test interrupted too early to test anything");
    for name in written {
        let bytes = std::fs::read(out.join(&name)).expect("readable");
        assert!(png::decode(&bytes).is_ok(), "{name} is not whole");
    }
}
