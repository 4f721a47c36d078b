//! The server as a process: how it begins, ends, and is killed.
#![cfg(unix)]

mod common;

#[path = "../../server/tests/common/mod.rs"]
mod http;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::refused;
use http::Client;
use serde_json::json;

/// A server, killed with this unless it has ended.
struct Process {
    child: Child,
    client: Client,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(folder: &Path, args: &[&str]) -> Process {
    let mut child = Command::new(env!("CARGO_BIN_EXE_aquatint"))
        .current_dir(folder)
        .args(["serve", "--listen", "127.0.0.1:0", "--data", "data"])
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program was built");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("listening on http://").expect("an address");
    let client = Client::new(address.parse().expect("an address"));
    Process { child, client }
}

impl Process {
    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(kill.expect("kill exists").success());
    }

    /// The exit code, within this time.
    fn ended(&mut self, most: Duration) -> Option<i32> {
        let until = Instant::now() + most;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it has not ended within {most:?}")
    }
}

#[test]
fn the_first_signal_lets_it_finish_and_the_second_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(folder.path(), &[]);
    let wish = json!({"prompt": "a cat", "steps": 30, "seed": 5});
    let ids = [server.client.job(&wish), server.client.job(&wish)];
    server.client.wait(&ids[0], &["running"]);
    server.signal("-TERM");
    let refusal = loop {
        let answer = server.client.post("/api/v1/jobs", &wish);
        if answer.status != 202 {
            break answer;
        }
    };
    assert!(refusal.refused(503).contains("about to end"));
    assert_eq!(server.ended(Duration::from_secs(30)), Some(0));

    let mut server = serve(folder.path(), &[]);
    for id in &ids {
        assert_eq!(server.client.state(id)["state"], "done");
    }
    let long = server.client.job(&json!({"prompt": "a cat", "steps": 150, "count": 16}));
    server.client.wait(&long, &["running"]);
    server.signal("-INT");
    std::thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    server.signal("-INT");
    assert_eq!(server.ended(Duration::from_secs(5)), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());

    // The time to finish is over at once: the job stays for the next start.
    let mut server = serve(folder.path(), &["--drain-seconds", "0"]);
    server.client.wait(&long, &["running"]);
    server.signal("-TERM");
    assert_eq!(server.ended(Duration::from_secs(10)), Some(0));
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let wish = |seed: usize| json!({"prompt": "a dog", "steps": 6, "seed": seed});
    let mut ids = Vec::new();
    // At other moments each time: while it loads, draws, writes.
    for round in 0..6 {
        let server = serve(folder.path(), &[]);
        (0..3).for_each(|i| ids.push(server.client.job(&wish(3 * round + i))));
        std::thread::sleep(Duration::from_millis(130 * round as u64));
        server.signal("-KILL");
    }
    let server = serve(folder.path(), &[]);
    for (seed, id) in ids.iter().enumerate() {
        let job = server.client.wait(id, &["done", "failed", "cancelled"]);
        assert_eq!(
            (&job["state"], &job["request"]["seed"]),
            (&json!("done"), &json!(seed)),
            "{job}"
        );
        let picture = server.client.get(job["pictures"][0]["url"].as_str().expect("a picture"));
        assert!(aquatint_pipeline::png::decode(&picture.body).is_ok());
    }
    let found = server.client.get("/api/v1/pictures?limit=500").json();
    assert_eq!(found["pictures"].as_array().map(Vec::len), Some(ids.len()), "each once");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| {
        let args: Vec<&str> = ["serve", "--data", "data"].iter().chain(args).copied().collect();
        refused(folder.path(), &args)
    };
    let sentence = said(&["--listen", "0.0.0.0:0", "-m", "no/such/model"]);
    assert!(sentence.contains("--token-file") && sentence.contains("--insecure"), "{sentence}");
    assert!(said(&["--token", "short"]).contains("at least 8"));
    assert!(said(&["--token-file", "none"]).contains("the token cannot be read from none"));
    assert!(said(&["-m", "no/such/model"]).contains("does not exist"));
    assert!(said(&["--memory", "0"]).contains("it must be more than 0"));
    assert!(said(&["--memory", "0.001"]).contains("`seven-styles` takes 0.0 GB"));
    let server = serve(folder.path(), &[]);
    assert!(said(&["--listen", "127.0.0.1:0"]).contains("in use by another server"));
    let taken = server.client.address.to_string();
    assert!(said(&["--data", "other", "--listen", &taken]).contains("cannot be listened to"));
}
