//! Pictures in every format say how they were made, and are made again.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aquatint_pipeline::{Picture, PictureFormat, png};
use common::{aquatint, refused, succeed, tiny_model};
use serde_json::{Value, json};

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).expect("written")
}

fn info(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&succeed(folder, &["info", name, "--json"])).expect("JSON")
}

#[test]
fn a_picture_is_repeated_to_the_byte() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    let options = [
        "generate",
        "a café",
        "-m",
        "model",
        "--seed",
        "9",
        "--steps",
        "3",
        "--sampler",
        "euler_ancestral",
        "--schedule",
        "karras",
        "--negative-prompt",
        "a dog",
        "--eta",
        "0.5",
        "--guidance-scale",
        "3.7",
        "--rng",
        "torch-cuda",
        "--width",
        "72",
        "--fast",
    ];
    for (name, format) in [
        ("a.png", PictureFormat::Png),
        ("a.jpg", PictureFormat::Jpeg),
        ("a.webp", PictureFormat::Webp),
    ] {
        succeed(folder, &[&options[..], &["-o", name]].concat());
        let first = read(folder, name);
        assert_eq!(PictureFormat::of_bytes(&first), Some(format));
        let again = format!("again-{name}");
        succeed(folder, &["generate", "--from", name, "-m", "model", "-o", &again]);
        assert!(first == read(folder, &again), "{name} is not repeated");
        let made = info(folder, name);
        assert_eq!((&made["width"], &made["height"]), (&json!(72), &json!(64)));
        assert_eq!(made["request"]["sampler"], "euler_ancestral");
        assert_eq!((&made["model"], &made["dtype"]), (&json!("model"), &json!("bf16")));
    }
    // Without loss there is one picture.
    let pixels = |name| Picture::decode(&read(folder, name)).expect("a picture").0;
    assert_eq!(pixels("a.png"), pixels("a.webp"));

    // What was typed wins, also where it is the usual value.
    let seen = |more: &[&str]| {
        succeed(
            folder,
            &[&["generate", "--from", "a.png", "-m", "model", "-o", "b.png"], more].concat(),
        );
        info(folder, "b.png")["request"].clone()
    };
    let mut expected = info(folder, "a.png")["request"].clone();
    assert_eq!(seen(&[]), expected);
    for (option, value, key, now) in [
        ("--seed", "10", "seed", json!(10)),
        ("--guidance-scale", "5", "guidance_scale", json!(5.0)),
        ("--rng", "torch-cpu", "rng", json!("torch-cpu")),
        ("--deep-cache", "1", "deep_cache", json!(1)),
        ("--height", "72", "height", json!(72)),
    ] {
        let before = std::mem::replace(&mut expected[key], now);
        assert_eq!(seen(&[option, value]), expected, "{option} {value}");
        expected[key] = before;
    }
    expected["prompt"] = "a mouse".into();
    assert_eq!(seen(&["a mouse"]), expected);
}

#[test]
fn the_type_of_numbers_is_repeated() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    let generate = ["generate", "a cat", "-m", "model", "--seed", "1", "--steps", "2"];
    succeed(folder, &[&generate[..], &["--dtype", "bf16", "-o", "a.png"]].concat());
    succeed(folder, &["generate", "--from", "a.png", "-m", "model", "-o", "b.png"]);
    assert_eq!(read(folder, "a.png"), read(folder, "b.png"));
    succeed(
        folder,
        &["generate", "--from", "a.png", "--dtype", "f32", "-m", "model", "-o", "b.png"],
    );
    assert_eq!(info(folder, "b.png")["dtype"], "f32");
}

fn write_texts(path: &Path, texts: &[(&str, &str)]) {
    let texts: BTreeMap<&str, String> =
        texts.iter().map(|(keyword, text)| (*keyword, (*text).to_owned())).collect();
    fs::write(path, png::encode(&Picture::new(8, 8, [0; 3]), &texts)).expect("writable");
}

#[test]
fn a_picture_of_the_web_ui_is_made_again() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    let parameters = "a cat\nNegative prompt: a dog\nSteps: 3, Sampler: DPM++ 2M Karras, \
                      CFG scale: 2, Seed: 77, Size: 64x72, Model hash: abc, Model: other, \
                      Hypernet: x";
    write_texts(&folder.join("web.png"), &[("parameters", parameters)]);
    let args = ["generate", "--from", "web.png", "-m", "model", "-o", "a.png"];
    let output = aquatint(folder, &args);
    let notes = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{notes}");
    let note = "note: web.png says more, which is not used: the model other (this one is model), \
                Model hash: abc, Hypernet: x\n";
    assert!(notes.starts_with(note), "{notes}");
    succeed(
        folder,
        &[
            "generate",
            "a cat",
            "--negative-prompt",
            "a dog",
            "--steps",
            "3",
            "--sampler",
            "dpmpp_2m",
            "--schedule",
            "karras",
            "--guidance-scale",
            "2",
            "--seed",
            "77",
            "--width",
            "64",
            "--height",
            "72",
            "--rng",
            "web-ui",
            "-m",
            "model",
            "-o",
            "b.png",
        ],
    );
    assert_eq!(read(folder, "a.png"), read(folder, "b.png"));

    let table = succeed(folder, &["info", "web.png", "a.png"]);
    for line in ["  made by          Stable Diffusion web UI", "  (Model hash)     abc"] {
        assert!(table.lines().any(|l| l == line), "{table}");
    }
}

#[test]
fn what_cannot_be_repeated_is_refused() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    write_texts(&folder.join("bare.png"), &[]);
    let error = refused(folder, &["generate", "--from", "bare.png", "-m", "model"]);
    assert!(error.starts_with("bare.png does not say how it was made"), "{error}");
    let error = refused(folder, &["generate", "--from", "none.png", "-m", "model"]);
    assert!(error.starts_with("none.png cannot be read"), "{error}");
    write_texts(&folder.join("bad.png"), &[("parameters", "x\nSteps: 5000, Seed: 1, Size: 64x64")]);
    let error = refused(folder, &["generate", "--from", "bad.png", "-m", "model"]);
    assert!(error.starts_with("5000 steps are not possible"), "{error}");
    fs::write(folder.join("text.png"), "no picture").expect("writable");
    let error = refused(folder, &["info", "text.png"]);
    assert!(error.ends_with("it is neither a PNG nor a JPEG nor a WebP file"), "{error}");
    assert!(succeed(folder, &["info", "bare.png"]).contains("made by  does not say"));
    let args = ["generate", "a cat", "-m", "model", "-o", "a.png", "--format", "webp"];
    assert!(refused(folder, &args).contains("a.png is the name of a png file"));
    let none = aquatint(folder, &["generate", "-m", "model"]);
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn without_a_terminal_nothing_is_shown() {
    let (folder, _) = tiny_model();
    let args = ["generate", "a cat", "-m", "model", "--steps", "2", "--show=kitty", "-o", "a.png"];
    let output = aquatint(folder.path(), &args);
    assert!(output.status.success());
    let said = [output.stdout, output.stderr].concat();
    assert!(!said.contains(&0x1b), "{}", String::from_utf8_lossy(&said));
}
