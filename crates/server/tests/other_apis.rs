//! What holds for our own API holds for those of others: limits, the token, their words.

mod common;

use aquatint_pipeline::{Picture, png};
use aquatint_server::Limits;
use aquatint_server::http::document;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Client, memory, start};
use serde_json::{Value, json};

const TYPE: &str = "multipart/form-data; boundary=b";

/// A small file that says that it has this many pixels.
fn bomb(side: u32) -> Vec<u8> {
    let mut bytes = png::encode(&Picture::new(8, 8, [9, 99, 200]), &Default::default());
    bytes[16..20].copy_from_slice(&side.to_be_bytes());
    bytes[20..24].copy_from_slice(&side.to_be_bytes());
    let mut crc = !0u32;
    for &byte in &bytes[12..29] {
        crc ^= u32::from(byte);
        (0..8).for_each(|_| crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 });
    }
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, bytes) in parts {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        form.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    form.extend(b"--b--\r\n");
    form
}

#[test]
fn limits_hold_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { body_bytes: 200_000, ..Default::default() };
    let server = start(folder.path(), limits, None);
    let client = Client::new(server.address());
    let small = png::encode(&Picture::new(64, 64, [9, 99, 200]), &Default::default());
    let before = memory();
    for side in [65535, 1 << 30, 30_000] {
        let file = bomb(side);
        let (data, small_data) = (STANDARD.encode(&file), STANDARD.encode(&small));
        for (path, json) in [
            ("img2img", json!({"init_images": [data]})),
            ("img2img", json!({"init_images": [small_data], "mask": data})),
            ("extra-single-image", json!({"image": data, "upscaler_1": "esrgan-slim-x4"})),
            ("extra-single-image", json!({"image": data, "upscaler_1": "Lanczos"})),
            ("extra-single-image", json!({"image": data})),
            ("extra-batch-images", json!({"imageList": [{"name": "a", "data": data}]})),
            ("png-info", json!({"image": data})),
        ] {
            let answer = client.post(&format!("/sdapi/v1/{path}"), &json);
            assert!([413, 422].contains(&answer.status), "{path}: {}", answer.status);
            assert!(answer.json()["detail"].is_string());
        }
        for (path, parts) in [
            ("edits", vec![("prompt", &b"a"[..]), ("image", &file)]),
            ("edits", vec![("prompt", b"a"), ("image", &small), ("mask", &file)]),
            ("variations", vec![("image", &file)]),
        ] {
            let body = form(&parts);
            let answer = client.ask("POST", &format!("/v1/images/{path}"), Some((TYPE, &body)));
            assert!([413, 422].contains(&answer.status), "{path}: {}", answer.status);
            assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        }
    }
    let long = vec![b' '; 300_000];
    for path in ["/sdapi/v1/txt2img", "/sdapi/v1/options", "/v1/images/generations"] {
        client.ask("POST", path, Some(("application/json", &long))).refused(413);
        let deep = "[".repeat(50_000);
        client.ask("POST", path, Some(("application/json", deep.as_bytes()))).refused(422);
    }
    client.ask("POST", "/v1/images/edits", Some((TYPE, &long))).refused(413);
    let large = json!({"image": STANDARD.encode(&small), "upscaler_1": "Lanczos",
        "upscaling_resize": 1e5});
    client.post("/sdapi/v1/extra-single-image", &large).refused(413);
    assert!(memory() < before + 64, "{before} MB have become {}", memory());
}

#[test]
fn the_token_in_everybodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let token = "a-token-of-the-test";
    let server = start(folder.path(), Limits::default(), Some(token));
    let client = Client::new(server.address());
    let basic =
        |pair: &str| client.with("authorization", &format!("Basic {}", STANDARD.encode(pair)));
    let knows = basic(&format!("anybody:{token}"));
    let wrong = [
        client.clone(),
        basic(token),
        basic(&format!("{token}:")),
        basic("a:b"),
        basic("a:\u{e9}"),
        client.with("authorization", "Basic !!!"),
    ];
    let paths = document()["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let theirs =
        paths.iter().filter(|path| path.starts_with("/sdapi/") || path.starts_with("/v1/"));
    let theirs: Vec<&String> = theirs.collect();
    assert!(theirs.len() > 30, "{theirs:?}");
    for path in theirs {
        for method in ["GET", "POST"] {
            for client in &wrong {
                let answer = client.ask(method, path, None);
                let sentence = answer.refused(401);
                match path.starts_with("/v1/") {
                    true => assert_eq!(answer.json()["error"]["code"], "invalid_api_key"),
                    false => assert_eq!(answer.json()["detail"], sentence),
                }
            }
        }
    }
    assert_eq!(knows.get("/sdapi/v1/options").status, 200);
    let bearer = client.with("authorization", &format!("Bearer {token}"));
    assert_eq!(bearer.get("/v1/models").status, 200);
    assert!(!bearer.get("/sdapi/v1/cmd-flags").json().to_string().contains(token));
    let unknown: Value = bearer.get("/v1/models/x").json();
    assert_eq!(unknown["error"]["kind"], "not_found");
}
