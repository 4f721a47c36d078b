//! `aquatint travel`.

mod common;

use std::fs;
use std::path::Path;

use aquatint_pipeline::{Picture, png};
use common::{aquatint, names, refused, succeed, tiny_model};
use serde_json::{Value, json};

const USUAL: [&str; 8] = ["-m", "model", "--steps", "3", "--sampler", "euler", "--seed", "7"];

fn travel(folder: &Path, args: &[&str]) -> String {
    succeed(folder, &[&["travel"], args, &USUAL].concat())
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).expect("written")
}

fn pixels(folder: &Path, name: &str) -> Picture {
    png::decode(&read(folder, name)).expect("a PNG").0
}

#[test]
fn every_picture_can_be_made_alone() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    let places = ["-o", "way/", "-o", "way.gif", "-o", "sheet.png"];
    let args = ["a cat", "--to", "a dog", "--to-seed", "9", "--frames", "3"];
    let files = travel(folder, &[&args[..], &places].concat());
    let expected = ["way/0001.png", "way/0002.png", "way/0003.png", "sheet.png", "way.gif"];
    assert_eq!(files.lines().collect::<Vec<_>>(), expected);
    for name in &expected[..3] {
        succeed(folder, &["generate", "--from", name, "-m", "model", "-o", "again.png"]);
        assert!(read(folder, name) == read(folder, "again.png"), "{name} is not made again");
    }
    // The first and the last are pictures as any.
    for (prompt, seed, name) in [("a cat", "7", expected[0]), ("a dog", "9", expected[2])] {
        let usual = &USUAL[..6];
        let args = [&["generate", prompt, "--seed", seed, "-o", "alone.png"], usual].concat();
        succeed(folder, &args);
        assert!(read(folder, name) == read(folder, "alone.png"), "{name}");
    }
    let [first, middle, last] = [0, 1, 2].map(|i| pixels(folder, expected[i]));
    assert!(middle != first && middle != last);
    let sheet = pixels(folder, "sheet.png");
    assert_eq!((sheet.width, sheet.height), (2 * 66 + 2, 2 * 66 + 2));
    let gif = read(folder, "way.gif");
    assert!(gif.starts_with(b"GIF89a") && gif.ends_with(b";"));

    let info = succeed(folder, &["info", "--json", "way/0002.png", "sheet.png"]);
    let info: Vec<Value> =
        info.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told = &info[0]["request"];
    assert_eq!((&told["prompt_to"], &told["prompt_mix"]), (&json!("a dog"), &json!(0.5)));
    assert_eq!((&told["subseed"], &told["subseed_strength"]), (&json!(9), &json!(0.5)));
    let whole = json!({ "prompts": ["a dog"], "seeds": [9], "frames": 3, "closed": false });
    assert_eq!(info[1]["beside"]["travel"], whole);

    // The line for other programs says it too.
    let line = info[0]["texts"]["parameters"].as_str().expect("a text");
    assert!(line.contains("Prompt to: a dog, Prompt mix: 0.5, "), "{line}");
    let again = [
        &["generate", "a cat", "--prompt-to", "a dog", "--prompt-mix", "0.5"][..],
        &["--subseed", "9", "--subseed-strength", "0.5", "-o", "typed.png"],
        &USUAL,
    ]
    .concat();
    succeed(folder, &again);
    assert!(read(folder, "way/0002.png") == read(folder, "typed.png"));
}

/// Also where it is not a half of the way.
#[test]
fn parts_of_a_way_are_exact() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    travel(folder, &["a cat", "--to", "a dog", "--to-seed", "9", "--frames", "12", "-o", "way/"]);
    for name in names(&folder.join("way")) {
        let name = format!("way/{name}");
        succeed(folder, &["generate", "--from", &name, "-m", "model", "-o", "again.png"]);
        assert!(read(folder, &name) == read(folder, "again.png"), "{name} is not made again");
    }
}

#[test]
fn seeds_alone_there_and_back() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    let args = ["a cat", "--to-seed", "8", "--frames", "4", "--loop", "-o", "way/"];
    assert_eq!(travel(folder, &args).lines().count(), 4);
    // Half of the way there is not half of the way back, but near.
    let [there, back] = ["way/0002.png", "way/0004.png"].map(|name| pixels(folder, name));
    let far = there.rgb.iter().zip(&back.rgb).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(far <= Some(2), "{far:?}");
    // A GIF in the current folder, with a name of its own.
    fs::create_dir(folder.join("here")).expect("writable");
    let args = ["travel", "a cat", "--to-seed", "8", "--frames", "2", "-m", "../model"];
    let more = ["--steps", "2", "--seed", "7", "--sampler", "euler_ancestral", "--json"];
    let output = aquatint(&folder.join("here"), &[&args[..], &more].concat());
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(notes.contains("euler_ancestral adds noise on the way"), "{notes}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["frames"], &report["width"]), (&json!(2), &json!(64)));
    assert_eq!(names(&folder.join("here")), ["a-cat-7.gif"]);
}

#[test]
fn from_a_picture() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    let init = Picture::new(64, 64, [200, 90, 30]);
    png::save(folder.join("init.png"), &init, &Default::default()).expect("writable");
    let args = ["a cat", "--to", "a dog", "--frames", "2", "--init", "init.png", "-o", "way/"];
    travel(folder, &[&args[..], &["--strength", "0.7"]].concat());
    assert_ne!(pixels(folder, "way/0001.png"), pixels(folder, "way/0002.png"));
    succeed(folder, &["generate", "--from", "way/0002.png", "-m", "model", "-o", "again.png"]);
    assert!(read(folder, "way/0002.png") == read(folder, "again.png"));
}

#[test]
fn what_is_no_journey_is_refused_before_a_model_is_loaded() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    fs::create_dir(folder.join("full")).expect("writable");
    fs::write(folder.join("full/0001.png"), "x").expect("writable");
    for (args, said) in [
        (&["-m", "none"][..], "there is nowhere to go"),
        (&["--to", "b", "--to", "c", "--to-seed", "1", "-m", "none"], "2 prompts and 1 seeds"),
        (&["--to", "b", "--frames", "1", "-m", "none"], "1 pictures are not possible"),
        (&["--to", "b <lora:x:1>", "-m", "none"], "must name the same LoRAs"),
        (&["--to-seed", "1", "--subseed", "3", "--subseed-strength", "0.5"], "leave it out"),
        (&["--to", "b", "--rng", "numpy", "--to-seed", "4294967296"], "a seed of 4294967296"),
        (&["--to", "b", "-o", "way.bmp", "-m", "none"], "way.bmp is neither a folder nor"),
        (&["--to", "b", "-o", "none/way.gif", "-m", "none"], "none cannot be written to"),
        (&["--to", "b", "-o", "full", "-m", "model"], "full/0001.png is there already"),
        (
            &["--to", "b", "--frames", "1000", "--width", "640", "-o", "s.png", "-m", "model"],
            "a sheet of 1000 pictures would have 20480x2048 pixels",
        ),
    ] {
        let error = refused(folder, &[&["travel", "a", "--steps", "2"], args].concat());
        assert!(error.contains(said), "{args:?}: {error}");
    }
    for (args, said) in [
        (&["--prompt-to", "b"][..], "does nothing without --prompt-mix"),
        (&["--prompt-mix", "0.5"], "does nothing without a prompt to go to"),
        (&["--prompt-to", "b", "--prompt-mix", "1.5"], "a prompt mix of 1.5 is not possible"),
    ] {
        let error = refused(folder, &[&["generate", "a", "-m", "none"], args].concat());
        assert!(error.contains(said), "{args:?}: {error}");
    }
    assert_eq!(names(folder), ["full", "model"]);
}
