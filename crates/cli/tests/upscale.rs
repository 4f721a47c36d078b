//! Larger pictures: the network in the program, files of others, diffusion models.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aquatint_checkpoint::{DType, save};
use aquatint_pipeline::{Picture, png};
use aquatint_tensor::Tensor;
use common::{names, refused, succeed, tiny_model};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with pictures of 24×20 pixels in it.
fn pictures(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (n, name) in names.iter().enumerate() {
        let rgb = (0..24 * 20 * 3).map(|i| (i * (n + 3) % 251) as u8).collect();
        let picture = Picture { width: 24, height: 20, rgb };
        png::save(folder.path().join(name), &picture, &BTreeMap::new()).expect("writable");
    }
    folder
}

fn open(path: &Path) -> Picture {
    png::decode(&fs::read(path).expect("written")).expect("a PNG").0
}

#[test]
fn the_network_in_the_program_enlarges_four_times() {
    let folder = pictures(&["a.png"]);
    let at = folder.path();
    succeed(at, &["upscale", "a.png", "-o", "large.png"]);
    let large = open(&at.join("large.png"));
    assert_eq!((large.width, large.height), (96, 80));
    // Neither the number of threads nor the pieces show.
    let bytes = fs::read(at.join("large.png")).expect("written");
    succeed(at, &["upscale", "a.png", "-o", "large.png", "--threads", "3"]);
    assert_eq!(fs::read(at.join("large.png")).expect("written"), bytes);
    succeed(at, &["upscale", "a.png", "-o", "pieces.png", "--tile", "7"]);
    let pieces = open(&at.join("pieces.png"));
    assert!(pieces.rgb.iter().zip(&large.rgb).all(|(a, b)| a.abs_diff(*b) <= 1));
    succeed(at, &["upscale", "a.png", "-o", "bf16.png", "--dtype", "bf16"]);
    let difference = |a: &Picture| {
        let sum: u32 = a.rgb.iter().zip(&large.rgb).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        f64::from(sum) / large.rgb.len() as f64
    };
    assert!(difference(&open(&at.join("bf16.png"))) < 2.0);
}

#[test]
fn several_pictures_go_to_a_folder_and_nothing_is_overwritten() {
    let folder = pictures(&["a.png", "b.png"]);
    let at = folder.path();
    let out = succeed(at, &["upscale", "a.png", "b.png", "-o", "large/"]);
    assert_eq!(out.lines().count(), 2);
    succeed(at, &["upscale", "a.png", "-o", "large", "--format", "webp"]);
    succeed(at, &["upscale", "a.png", "-o", "large"]);
    let expected = ["a-x4-2.png", "a-x4.png", "a-x4.webp", "b-x4.png"];
    assert_eq!(names(&at.join("large")), expected);
    let json = succeed(at, &["upscale", "b.png", "a.png", "--json"]);
    let report: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["pictures"][1]["width"], 96);
    assert!(at.join("a-x4.png").is_file() && at.join("b-x4.png").is_file());
}

#[test]
fn a_file_of_another_network() {
    let folder = pictures(&["a.png"]);
    let at = folder.path();
    // Nothing but the nearest pixel, and what is added to it: a constant.
    let conv = |o: usize, i: usize| Tensor::zeros(&[o, i, 3, 3]);
    let tensors = [
        ("body.0.weight", conv(4, 3)),
        ("body.0.bias", Tensor::zeros(&[4])),
        ("body.1.weight", Tensor::zeros(&[4])),
        ("body.2.weight", conv(12, 4)),
        ("body.2.bias", Tensor::full(&[12], 1.0 / 255.0)),
    ]
    .map(|(name, tensor)| (name.to_owned(), tensor));
    save(at.join("two.safetensors"), &tensors, DType::F32, &BTreeMap::new()).expect("writable");
    succeed(at, &["upscale", "a.png", "-m", "two.safetensors", "-o", "large.png"]);
    let (small, large) = (open(&at.join("a.png")), open(&at.join("large.png")));
    assert_eq!((large.width, large.height), (48, 40));
    let at = |p: &Picture, x: usize, y: usize| p.rgb[3 * (y * p.width + x)];
    for (x, y) in [(0, 0), (7, 3), (47, 39)] {
        assert_eq!(at(&large, x, y), at(&small, x / 2, y / 2).saturating_add(1));
    }
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_loaded() {
    let (folder, _) = tiny_model();
    let at = folder.path();
    let picture = Picture::new(8, 8, [1, 2, 3]);
    png::save(at.join("a.png"), &picture, &BTreeMap::new()).expect("writable");
    fs::write(at.join("text.png"), "no picture").expect("writable");
    for (args, said) in [
        (&["b.png"][..], "b.png"),
        (&["text.png"], "text.png"),
        (&["a.png", "b.png", "-o", "large/"], "b.png cannot be read: no such file"),
        (&["a.png", "a.png", "-o", "large.png"], "is one file for 2 pictures"),
        (&["a.png", "-o", "large.gif"], "neither a folder nor a name that ends in .png, .jpg"),
        (&["a.png", "-o", "no/large.png"], "no cannot be written to"),
        (&["a.png", "--prompt", "a cat"], "--prompt is for diffusion models"),
        (&["a.png", "--steps", "3"], "--steps is for diffusion models"),
        (&["a.png", "--dtype", "int8"], "--dtype int8 is for diffusion models"),
        (&["a.png", "-m", "model"], "this model does not enlarge pictures"),
        (&["a.png", "-m", "model", "--tile", "64"], "--tile is for networks"),
        (&["a.png", "-m", "nowhere"], "nowhere does not exist"),
        (&["a.png", "-m", "a.png"], "a.png"),
        (&["a.png", "--threads", "0"], "0 threads are not possible"),
    ] {
        let line = refused(at, &[&["upscale"], args].concat());
        assert!(line.contains(said), "{args:?}: {line}");
    }
    assert!(!names(at).iter().any(|name| name.contains("x4")));
}
