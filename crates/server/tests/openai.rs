//! OpenAI's API of pictures.

mod common;

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use aquatint_pipeline::metadata::Description;
use aquatint_pipeline::{Picture, png};
use aquatint_server::Limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Answer, Client, start};
use serde_json::{Value, json};

const TYPE: &str = "multipart/form-data; boundary=x--x";

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, bytes) in parts {
        let file = if bytes.starts_with(b"\x89PNG") { "; filename=\"a.png\"" } else { "" };
        let head =
            format!("--x--x\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        form.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    form.extend(b"--x--x--\r\n");
    form
}

#[track_caller]
fn picture(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    STANDARD.decode(answer.json()["data"][0]["b64_json"].as_str().expect("a picture")).unwrap()
}

/// A picture with a transparent square, as a PNG file that is not compressed.
fn with_hole(size: u32, from: u32, to: u32) -> Vec<u8> {
    let hole = |x, y| (from..to).contains(&x) && (from..to).contains(&y);
    let pixel = |x, y| [200, 80, 40, if hole(x, y) { 0 } else { 255 }];
    let row = |y| [0].into_iter().chain((0..size).flat_map(move |x| pixel(x, y)));
    let rows: Vec<u8> = (0..size).flat_map(row).collect();
    let length = (rows.len() as u16).to_le_bytes();
    let adler = rows.iter().fold((1u32, 0u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    let adler = (adler.1 << 16 | adler.0).to_be_bytes();
    let data = [&[0x78, 1, 1][..], &length, &length.map(|byte| !byte), &rows, &adler].concat();
    let size = size.to_be_bytes();
    let head = [&size[..], &size, &[8, 6, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, bytes) in [(b"IHDR", head), (b"IDAT", data), (b"IEND", Vec::new())] {
        let mut crc = !0u32;
        for &byte in kind.iter().chain(&bytes) {
            crc ^= u32::from(byte);
            (0..8)
                .for_each(|_| crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 });
        }
        let length = (bytes.len() as u32).to_be_bytes();
        file.extend([&length, kind, &bytes[..], &(!crc).to_be_bytes()].concat());
    }
    file
}

#[test]
fn generations() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let ask = |task: Value| client.post("/v1/images/generations", &task);
    let task = json!({
        "model": "gpt-image-1", "prompt": "noto emoji of a cat", "n": 2, "size": "64x64",
        "steps": 3, "seed": 7, "quality": "high", "user": "somebody", "style": "vivid",
    });
    let answer = ask(task.clone()).json();
    let data = answer["data"].as_array().expect("pictures");
    assert_eq!((data.len(), &data[1]["seed"], &answer["size"]), (2, &json!(8), &json!("64x64")));
    assert!(answer["created"].as_u64().unwrap() > 1_700_000_000);
    let link = data[1]["url"].as_str().unwrap();
    let path = link.strip_prefix(&format!("http://{}", server.address())).expect("our own address");
    let bytes = STANDARD.decode(data[1]["b64_json"].as_str().unwrap()).unwrap();
    assert!(client.get(path).body == bytes);
    let again = json!({
        "prompt": "noto emoji of a cat", "size": "64x64", "steps": 3, "seed": 8,
        "output_format": "jpeg", "output_compression": 60, "response_format": "b64_json",
    });
    let answer = ask(again);
    assert!(answer.json()["data"][0].get("url").is_none());
    let made = Description::read(&picture(&answer)).unwrap();
    assert_eq!(made.format.extension(), "jpg");
    assert!(made.texts["parameters"].contains("Seed: 8"));

    for (more, status, word) in [
        (json!({"prompt": null}), 422, "`prompt`"),
        (json!({"n": 99}), 413, "99 pictures"),
        (json!({"n": 0}), 422, "0 pictures"),
        (json!({"size": "big"}), 422, "`size`"),
        (json!({"size": "100x100"}), 422, "multiples of 8"),
        (json!({"model": "nobody's"}), 404, "nobody's"),
        (json!({"background": "transparent"}), 422, "`background`"),
        (json!({"output_format": "gif"}), 422, "`output_format`"),
        (json!({"response_format": "url", "output_format": "webp"}), 422, "`response_format`"),
        (json!({"stream": true}), 422, "`stream`"),
        (json!({"partial_images": 4}), 422, "`partial_images`"),
        (json!({"promt": "x"}), 422, "did you mean `prompt`"),
        (json!({"init": "aGVsbG8="}), 422, "`init`"),
    ] {
        let mut wrong = task.clone();
        wrong.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = ask(wrong);
        assert!(answer.refused(status).contains(word), "{more}");
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error.get("param").is_some() && error.get("code").is_some());
    }
    let models = client.get("/v1/models").json();
    assert_eq!(
        (&models["object"], &models["data"][0]["id"]),
        (&json!("list"), &json!("seven-styles"))
    );
    assert_eq!(client.get("/v1/models/seven-styles-class").json()["object"], "model");
    assert_eq!(client.get("/v1/models/nobodys").json()["error"]["code"], "not_found");
}

#[test]
fn edits_and_variations() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let ask = |path: &str, parts: &[(&str, &[u8])]| {
        client.ask("POST", &format!("/v1/images/{path}"), Some((TYPE, &form(parts))))
    };
    let plain = png::encode(&Picture::new(64, 64, [200, 80, 40]), &Default::default());
    let words: [(&str, &[u8]); 3] = [("prompt", b"a cat"), ("steps", b"3"), ("seed", b"7")];
    let with = |more: &[(&'static str, Vec<u8>)]| -> Vec<(&'static str, Vec<u8>)> {
        let words = words.iter().map(|(name, bytes)| (*name, bytes.to_vec()));
        words.chain(more.iter().cloned()).collect()
    };
    let edit = |more: &[(&'static str, Vec<u8>)]| {
        let parts = with(more);
        let parts: Vec<(&str, &[u8])> = parts.iter().map(|(n, b)| (*n, b.as_slice())).collect();
        ask("edits", &parts)
    };
    let hole = with_hole(64, 16, 48);
    for more in
        [vec![("image", plain.clone()), ("mask", hole.clone())], vec![("image[]", hole.clone())]]
    {
        let made = Picture::decode_opaque(&picture(&edit(&more))).unwrap();
        assert_eq!((made.width, &made.rgb[..3]), (64, &[200, 80, 40][..]));
        assert_ne!(made.rgb[3 * (32 * 64 + 32)..][..3], [200, 80, 40]);
    }
    let whole = edit(&[
        ("image", plain.clone()),
        ("strength", b"0.5".to_vec()),
        ("size", b"128x64".to_vec()),
    ]);
    assert_eq!(whole.json()["size"], "128x64");
    let varied = ask("variations", &[("image", &plain), ("n", b"2"), ("steps", b"2")]);
    assert_eq!(varied.json()["data"].as_array().map(Vec::len), Some(2));
    for (more, word) in [
        (vec![], "`image`"),
        (vec![("image", plain.clone()), ("image", plain.clone())], "2 pictures"),
        (vec![("image", plain.clone()), ("mask", plain.clone())], "no transparent"),
        (vec![("image", plain.clone()), ("mask", with_hole(32, 0, 9))], "one size"),
        (vec![("image", b"GIF89a".to_vec())], "neither a PNG"),
        (vec![("image", plain.clone()), ("strength", b"much".to_vec())], "`strength`"),
    ] {
        let answer = edit(&more);
        assert!(answer.refused(422).contains(word), "{word}: {:?}", answer.json());
    }
    for (content_type, body) in [
        ("multipart/form-data", &b"--x--x--"[..]),
        (TYPE, b""),
        (TYPE, b"--x--x"),
        (TYPE, b"--x--x\r\nno head\r\n\r\n\r\n--x--x--"),
    ] {
        let answer = client.ask("POST", "/v1/images/edits", Some((content_type, body)));
        assert!(answer.refused(422).contains("form"), "{:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn streams() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let task = json!({
        "prompt": "noto emoji of a cat", "size": "64x64", "steps": 8, "seed": 7, "stream": true,
        "partial_images": 3, "response_format": "b64_json",
    });
    let answer = client.post("/v1/images/generations", &task);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = String::from_utf8(answer.body).unwrap();
    let events: Vec<(&str, Value)> = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("event: ")?.split_once("\ndata: "))
        .map(|(name, data)| (name, serde_json::from_str(data).unwrap()))
        .collect();
    let names: Vec<&str> = events.iter().map(|(name, _)| *name).collect();
    let partial = "image_generation.partial_image";
    assert_eq!(names, [partial, partial, partial, "image_generation.completed"]);
    for (i, (name, data)) in events.iter().enumerate() {
        assert_eq!((data["type"].as_str(), &data["size"]), (Some(*name), &json!("64x64")));
        let bytes = STANDARD.decode(data["b64_json"].as_str().unwrap()).unwrap();
        assert_eq!(png::decode(&bytes).unwrap().0.width, 64);
        assert!(i == 3 || data["partial_image_index"] == i);
    }
    let mut plain = task.clone();
    plain["stream"] = json!(false);
    let plain = client.post("/v1/images/generations", &plain).json();
    assert_eq!(events[3].1["b64_json"], plain["data"][0]["b64_json"]);

    // An edit streams under its own names.
    let image = png::encode(&Picture::new(64, 64, [200, 80, 40]), &Default::default());
    let parts: [(&str, &[u8]); 5] = [
        ("image", &image),
        ("prompt", b"a cat"),
        ("steps", b"4"),
        ("stream", b"true"),
        ("partial_images", b"1"),
    ];
    let edited = client.ask("POST", "/v1/images/edits", Some((TYPE, &form(&parts))));
    let text = String::from_utf8(edited.body).unwrap();
    assert!(text.starts_with("event: image_edit.partial_image\n"), "{text}");
    assert!(text.contains("event: image_edit.completed\n"));

    // Who goes away before the first picture wants none, whether there is a stream or not.
    for stream in [true, false] {
        let long = json!({
            "prompt": "a", "size": "256x256", "steps": 150, "stream": stream, "partial_images": 0,
        });
        let body = long.to_string();
        let body = Some(("application/json", body.as_bytes()));
        let gone = client.send("POST", "/v1/images/generations", body);
        if stream {
            let mut line = String::new();
            BufReader::new(gone.try_clone().unwrap()).read_line(&mut line).unwrap();
            assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        }
        let began = Instant::now();
        while server.engine().running().is_none() {
            assert!(began.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(200));
        assert!(server.engine().running().is_some());
        let began = Instant::now();
        drop(gone);
        while server.engine().running().is_some() {
            assert!(began.elapsed() < Duration::from_secs(3), "it goes on for nobody");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
