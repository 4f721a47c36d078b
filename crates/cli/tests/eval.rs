//! `aquatint eval` from files to numbers.

mod common;

use std::fs;
use std::path::Path;

use aquatint_checkpoint::DType;
use aquatint_models::InceptionV3;
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::{Picture, png, save_module};
use aquatint_tensor::Tensor;
use common::{aquatint, refused, succeed, tiny_model};
use serde_json::Value;

/// Random weights that let a picture through.
fn write_inception(path: &Path) {
    let mut network = InceptionV3::new();
    network.init(1);
    network.visit_mut("", &mut |name, param| {
        // PyTorch's beginning, with which the signal would vanish, times √6.
        if name.ends_with("conv.weight") {
            param.set(param.value().scale(2.5));
        } else if name.ends_with("bn.bias") {
            param.set(Tensor::full(param.shape(), 0.1));
        }
    });
    save_module(path, &network, DType::F32).expect("a folder that can be written to");
}

/// A drawing that depends on its number.
fn drawing(i: usize) -> Picture {
    let mut picture = Picture::new(32, 32, [255 - i as u8 * 9, 200, (i * 40 % 256) as u8]);
    for y in 4..28 {
        for x in 4..4 + i * 3 % 25 {
            picture.rgb[3 * (32 * y + x)..][..3].copy_from_slice(&[i as u8 * 20, 30, 90]);
        }
    }
    picture
}

fn folder_of(path: &Path, numbers: impl Iterator<Item = usize>) {
    fs::create_dir(path).expect("a temporary folder");
    for i in numbers {
        png::save(path.join(format!("{i:02}.png")), &drawing(i), &Default::default())
            .expect("a file");
    }
}

fn json(folder: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&succeed(folder, &[&["eval"], args, &["--json"]].concat())).expect("JSON")
}

#[test]
fn everything_that_a_network_is_needed_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    write_inception(&at("inception.safetensors"));
    folder_of(&at("a"), 0..6);
    folder_of(&at("b"), 3..10);
    fs::write(at("a/torn.png"), "no picture").expect("a file");
    let network = ["--features", "inception.safetensors"];
    let run = |args: &[&str]| json(folder.path(), &[args, &network].concat());

    let fid = run(&["fid", "a", "b", "--save-stats", "a.npz", "--report", "fid.html"]);
    let distance = fid["figures"]["fid"].as_f64().expect("a number");
    assert!(distance > 0.0, "{fid}");
    assert_eq!((&fid["sets"][0]["pictures"], &fid["sets"][0]["skipped"]), (&6.into(), &1.into()));
    assert!(
        fid["sets"][0]["skipped_first"][0].as_str().is_some_and(|s| s.starts_with("torn.png: "))
    );
    let page = fs::read_to_string(at("fid.html")).expect("a page");
    assert!(page.contains("Pictures of B") && page.contains("data:image/png;base64,"));

    // Statistics stand for their pictures, in whatever batches they were looked at.
    let again = json(folder.path(), &["fid", "a.npz", "a.npz"]);
    assert_eq!(again["figures"]["fid"], 0.0);
    let again = run(&["fid", "a.npz", "b", "--batch", "2"]);
    assert_eq!(again["figures"]["fid"].as_f64(), Some(distance));
    let other = run(&["fid", "a", "b", "--like", "pytorch-fid"]);
    assert_ne!(other["figures"]["fid"].as_f64(), Some(distance));

    let kid = run(&["kid", "a", "b", "--save-stats", "all.npz", "--subsets", "3"]);
    assert_eq!(kid["figures"]["subset_size"], 6.0);
    assert!(kid["notes"][0].as_str().is_some_and(|note| note.contains("fewer than 1000")));
    let again = run(&["kid", "all.npz", "b", "--subsets", "3"]);
    assert_eq!(again["figures"]["kid"], kid["figures"]["kid"]);

    let same = run(&["prdc", "a", "a", "--neighbours", "2"]);
    for figure in ["precision", "recall", "coverage"] {
        assert_eq!(same["figures"][figure], 1.0, "{figure}");
    }
    let score = run(&["is", "a", "--splits", "2"])["figures"]["inception_score"].as_f64();
    assert!(score.is_some_and(|score| (1.0..6.0).contains(&score)), "{score:?}");

    // Three of the pictures are in both.
    let near = run(&["nearest", "a", "b", "--report", "near.png"]);
    assert!(near["figures"]["nearest_least"].as_f64().is_some_and(|d| d < 1e-2), "{near}");
    let sheet = Picture::open(at("near.png")).expect("a picture");
    assert_eq!((sheet.width, sheet.height), (6 * 34 + 2, 6 * 34 + 2));
    assert_eq!(
        refused(folder.path(), &["eval", "nearest", "a.npz", "b", "--features", network[1]]),
        "a.npz: showing neighbours needs the pictures themselves, not statistics: give the folder"
    );
}

#[test]
fn what_an_autoencoder_keeps() {
    let (folder, model) = tiny_model();
    folder_of(&folder.path().join("a"), 0..3);
    let model = model.to_str().expect("a name");
    let found = json(folder.path(), &["reconstruction", "a", model, "--report", "r.html"]);
    let figures = &found["figures"];
    for key in ["psnr", "psnr_std", "ssim", "bits_per_pixel", "latents_per_pixel"] {
        assert!(figures[key].as_f64().is_some_and(f64::is_finite), "{key}: {figures}");
    }
    assert!(fs::read_to_string(folder.path().join("r.html")).expect("a page").contains("<svg"));
    let refused = refused(folder.path(), &["eval", "reconstruction", "a", model, "--size", "33"]);
    assert!(refused.starts_with("33x33 pixels are not a multiple of "), "{refused}");
}

#[test]
fn refusals() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    folder_of(&at("a"), 0..2);
    fs::write(at("bad.npz"), "PK").expect("a file");
    fs::write(at("weights.pth"), "text").expect("a file");
    for (args, sentence) in [
        (&["fid", "a"][..], "this compares two sets: give B as well"),
        (&["is", "a", "a"], "the Inception score is one of a single set: leave B out"),
        (&["fid", "a", "a", "--size", "8"], "--size is for reconstruction: leave it out"),
        (&["fid", "a", "a", "--report", "x.pdf"], "x.pdf is no name that ends in .html or .png"),
        (&["fid", "no", "a"], "no is not there: give a folder of pictures, .tar file or .npz file"),
        (
            &["fid", "a", "a"],
            "pictures are compared by what a network says of them: give its weights with \
             --features, such as pt_inception-2015-12-05-6726825d.pth of pytorch-fid",
        ),
        (
            &["fid", "bad.npz", "a"],
            "bad.npz cannot be used: it is a zip archive that lacks the directory at its end, as \
             if it were cut off; copy or download it again",
        ),
        (
            &["clip", "a", "a"],
            "a cannot be used: it is no folder of a CLIP model with a config.json, as transformers \
             saves it",
        ),
    ] {
        assert_eq!(refused(folder.path(), &[&["eval"], args].concat()), sentence);
    }
    let output = aquatint(folder.path(), &["eval", "fid", "a", "a", "--features", "weights.pth"]);
    assert_eq!(output.status.code(), Some(1));
}
