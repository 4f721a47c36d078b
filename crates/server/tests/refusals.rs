//! What is refused: by how much is asked for, and by what is sent how.

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aquatint_pipeline::{Picture, png};
use aquatint_server::Limits;
use base64::Engine as _;
use common::{Client, memory, read, start};
use serde_json::{Value, json};

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn picture(width: usize, height: usize) -> Vec<u8> {
    png::encode(&Picture::new(width, height, [9, 99, 200]), &Default::default())
}

/// A small file that says that it has this many pixels.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = picture(8, 8);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = !0u32;
    for &byte in &bytes[12..29] {
        crc ^= u32::from(byte);
        (0..8).for_each(|_| crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 });
    }
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

#[test]
fn too_much_and_impossible() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        steps: 60,
        count: 2,
        pixels: 128 * 128,
        cost: 128 * 128 * 250,
        body_bytes: 100_000,
        input_pixels: 256 * 256,
        ..Default::default()
    };
    let server = start(folder.path(), limits, None);
    let client = Client::new(server.address());
    let ask = |wish: Value| client.post("/api/v1/jobs", &wish);
    let large = base64(&picture(257, 256));
    for (wish, word) in [
        (json!({"steps": 61}), "61 steps"),
        (json!({"count": 3}), "3 pictures"),
        (json!({"width": 256, "height": 128}), "256x128 is too large"),
        (json!({"width": 1u64 << 40, "height": 1u64 << 40}), "is too large"),
        (json!({"count": 2, "prompt": "a AND b AND c"}), "% of the most work"),
        (json!({"init": large}), "257x256"),
        (json!({"hires": {"size": {"scale": 2.0}}}), "256x256"),
    ] {
        let sentence = ask(wish.clone()).refused(413);
        assert!(sentence.contains(word), "{wish}: {sentence}");
    }
    let white = base64(&picture(8, 8));
    for (wish, word) in [
        (json!({"model": "seven-stiles"}), "did you mean `seven-styles`?"),
        (json!({"steps": 0}), "0 steps"),
        (json!({"steps": -1}), "`steps` is not possible"),
        (json!({"promt": "x"}), "did you mean `prompt`?"),
        (json!({"sampler": "eulr"}), "eulr"),
        (json!({"width": 100}), "multiples of 8"),
        (json!({"class": "cat"}), "class"),
        (json!({"model": "seven-styles-class", "prompt": "a cat", "class": 1}), "words"),
        (json!({"prompt": "a cat <lora:../../etc/passwd:1>"}), "LoRA"),
        (json!({"init": "http://127.0.0.1/a.png"}), "nothing is fetched"),
        (json!({"init": "/etc/passwd"}), "no file of the server"),
        (json!({"init": base64(b"GIF89a")}), "neither a PNG"),
        (json!({"mask": white}), "picture to begin with"),
        (json!({"upscale": true}), "send one as `init`"),
        (json!({"upscale": true, "model": "seven-styles", "init": white}), "does not enlarge"),
        (json!({"init": base64(&bomb(65535, 65535))}), "picture"),
        (json!({"prompt": "a".repeat(5000)}), "5000 bytes"),
        (json!([1]), "JSON object"),
    ] {
        let answer = ask(wish.clone());
        let too_large = answer.status == 413 && wish.to_string().contains("iVBOR");
        let sentence = answer.refused(if too_large { 413 } else { 422 });
        assert!(sentence.contains(word), "{wish}: {sentence}");
    }
    assert_eq!(ask(json!({"steps": 61})).json()["error"]["field"], "steps");
    assert_eq!(ask(json!({"seed": "x"})).json()["error"]["field"], "seed");
    let before = memory();
    for route in ["/api/v1/jobs", "/api/v1/read"] {
        for bytes in [bomb(65535, 65535), bomb(1 << 30, 1 << 30), bomb(0, 7), bomb(30000, 30000)] {
            let json = json!({ "init": base64(&bytes) }).to_string();
            let body: (&str, &[u8]) = match route {
                "/api/v1/read" => ("image/png", &bytes),
                _ => ("application/json", json.as_bytes()),
            };
            let answer = client.ask("POST", route, Some(body));
            assert!([413, 422].contains(&answer.status), "{}", answer.status);
        }
        let long = vec![b'x'; 1_000_000];
        let content_type = if route.ends_with("read") { "image/png" } else { "application/json" };
        client.ask("POST", route, Some((content_type, &long))).refused(413);
    }
    let deep = "[".repeat(50_000);
    let deep = client.ask("POST", "/api/v1/jobs", Some(("application/json", deep.as_bytes())));
    assert!(deep.refused(422).contains("no JSON"));
    assert!(memory() < before + 64, "{before} MB have become {}", memory());
    // What comes in pieces without a length is counted as it comes.
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: \
         application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        server.address()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    (0..40).for_each(|_| drop(stream.write_all(chunk.as_bytes())));
    let _ = stream.write_all(b"0\r\n\r\n");
    read(stream).refused(413);
    assert!(client.get("/api/v1/pictures?limit=0").refused(422).contains("1 to 500"));
    assert_eq!(client.get("/api/v1/jobs").json()["jobs"], json!([]));
}

#[test]
fn a_full_queue() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits { queue: 2, ..Default::default() }, None);
    let client = Client::new(server.address());
    let long = json!({"prompt": "a cat", "steps": 150, "count": 16});
    let first = client.job(&long);
    client.wait(&first, &["running"]);
    let waiting = [client.job(&long), client.job(&long)];
    let full = client.post("/api/v1/jobs", &long);
    assert!(full.refused(429).contains("2 requests wait already"));
    assert!(full.header("retry-after").and_then(|s| s.parse::<u64>().ok()).unwrap() > 0);
    assert_eq!(full.json()["error"]["kind"], "busy");
    assert_eq!(client.get("/ready").status, 503);
    for id in waiting.iter().chain([&first]) {
        client.ask("DELETE", &format!("/api/v1/jobs/{id}"), None);
    }
    assert_eq!(client.get("/ready").status, 200);
    client.job(&json!({"steps": 1}));
    let metrics = String::from_utf8(client.get("/metrics").body).unwrap();
    assert!(metrics.contains("aquatint_jobs_total{state=\"cancelled\"} 3"), "{metrics}");
    assert!(metrics.contains("route=\"/api/v1/jobs\",method=\"POST\",status=\"429\"} 1"));
}

#[test]
fn what_waits_may_not_cost_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { queue_cost: 128 * 128 * 310, ..Default::default() };
    let server = start(folder.path(), limits, None);
    let client = Client::new(server.address());
    // 150 steps with guidance, and decoding: 302 times the pixels.
    let long = json!({"prompt": "a cat", "steps": 150});
    let first = client.job(&long);
    client.wait(&first, &["running"]);
    let second = client.job(&long);
    assert!(client.post("/api/v1/jobs", &long).refused(429).contains("wait already"));
    let short = client.job(&json!({"prompt": "a cat", "steps": 1}));
    for id in [first, second, short] {
        client.ask("DELETE", &format!("/api/v1/jobs/{id}"), None);
    }
}

#[test]
fn slow_clients_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        head_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        connections: 4,
        ..Default::default()
    };
    let server = start(folder.path(), limits, None);
    let client = Client::new(server.address());
    let began = Instant::now();
    let slow: Vec<TcpStream> = (0..8)
        .map(|i| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            let head = match i % 2 {
                0 => "GET /health HT".to_owned(),
                _ => format!(
                    "POST /api/v1/jobs HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
                     content-length: 99\r\n\r\n{{",
                    server.address()
                ),
            };
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(client.get("/health").status, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(slow);
}
