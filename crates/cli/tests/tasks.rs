//! The built program on pictures that are there already: what it writes, prints and refuses.

mod common;

use std::fs;
use std::path::Path;

use aquatint_pipeline::{Picture, png};
use common::{names, refused, succeed, tiny_inpainting, tiny_model};
use serde_json::{Value, json};

const SIDE: usize = 64;

fn save(folder: &Path, name: &str, width: usize, height: usize) -> Picture {
    let rgb =
        (0..width * height * 3).map(|i| (i / 3 % width * 3 + i / 3 / width + i % 3 * 40) as u8);
    let picture = Picture { width, height, rgb: rgb.collect() };
    png::save(folder.join(name), &picture, &Default::default()).expect("writable");
    picture
}

/// White to the right of this column.
fn save_mask(folder: &Path, name: &str, column: usize) {
    let mut mask = Picture::new(SIDE, SIDE, [0; 3]);
    for row in mask.rgb.chunks_exact_mut(3 * SIDE) {
        row[3 * column..].fill(255);
    }
    png::save(folder.join(name), &mask, &Default::default()).expect("writable");
}

fn read(folder: &Path, name: &str) -> Picture {
    png::decode(&fs::read(folder.join(name)).expect("written")).expect("a PNG").0
}

/// The left part of every row.
fn left(picture: &Picture, columns: usize) -> Vec<u8> {
    let rows = picture.rgb.chunks_exact(3 * picture.width);
    rows.flat_map(|row| row[..3 * columns].to_vec()).collect()
}

const ARGS: [&str; 8] = ["generate", "a cat", "-m", "model", "--seed", "7", "--steps", "4"];

fn generate(folder: &Path, more: &[&str]) -> Value {
    let stdout = succeed(folder, &[&ARGS[..], &["--json", "-o", "out.png"], more].concat());
    serde_json::from_str(&stdout).expect("JSON")
}

#[test]
fn a_picture_becomes_another() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    save(folder, "init.png", SIDE, SIDE);
    let report = generate(folder, &["--init", "init.png", "--strength", "0.5"]);
    assert_eq!((&report["init"], &report["strength"]), (&json!("init.png"), &json!(0.5)));
    let half = read(folder, "out.png");
    let file = fs::read(folder.join("out.png")).expect("written");
    let own = &png::decode(&file).expect("a PNG").1["aquatint"];
    let own: Value = serde_json::from_str(own).expect("JSON");
    assert_eq!(own["request"]["init"], "init.png");
    assert_eq!(own["request"]["strength"], 0.5);
    let report = generate(folder, &["--init", "init.png"]);
    assert_eq!(report["strength"], 0.75);
    assert_ne!(half, read(folder, "out.png"));
    // Its own size, rounded; one that is asked for, with the other side as it follows; both.
    save(folder, "odd.png", 131, 70);
    for (size, expected) in [
        (&[][..], (128, 72)),
        (&["--width", "64"], (64, 64)),
        (&["--height", "144"], (272, 144)),
        (&["--width", "64", "--height", "80", "--fit", "contain"], (64, 80)),
    ] {
        let args = [&["--init", "odd.png", "--strength", "0.3"], size].concat();
        if expected == (64, 64) {
            // 64 wide it would be 32 high.
            assert!(refused(folder, &[&ARGS[..], &args].concat()).contains("131x70 pixels"));
            continue;
        }
        let report = generate(folder, &args);
        assert_eq!((&report["width"], &report["height"]), (&json!(expected.0), &json!(expected.1)));
        let picture = read(folder, "out.png");
        assert_eq!((picture.width, picture.height), expected);
    }
}

#[test]
fn what_the_mask_keeps_is_kept_to_the_bit() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    tiny_inpainting(&folder.join("inpainting"));
    let init = save(folder, "init.png", SIDE, SIDE);
    save_mask(folder, "mask.png", 20);
    for (model, blur, kept) in [("model", "0", 20), ("inpainting", "0", 20), ("model", "3", 10)] {
        let args = ["--init", "init.png", "--mask", "mask.png", "-m", model, "--mask-blur", blur];
        let report = generate(folder, &args);
        assert_eq!((&report["strength"], &report["mask"]), (&json!(1.0), &json!("mask.png")));
        let picture = read(folder, "out.png");
        assert_eq!(left(&picture, kept), left(&init, kept), "{model}, a blur of {blur}");
        assert_ne!(left(&picture, 30), left(&init, 30), "{model}, a blur of {blur}");
    }
}

#[test]
fn a_picture_grows() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    let init = save(folder, "init.png", SIDE, SIDE);
    let report = generate(folder, &["--init", "init.png", "--extend", "right=32,bottom=64"]);
    assert_eq!(report["extend"], json!({"left": 0, "right": 32, "top": 0, "bottom": 64}));
    let picture = read(folder, "out.png");
    assert_eq!((picture.width, picture.height), (96, 128));
    for (y, row) in picture.rgb.chunks_exact(3 * 96).take(SIDE - 16).enumerate() {
        let kept = 3 * (SIDE - 16);
        assert_eq!(row[..kept], init.rgb[3 * SIDE * y..][..kept], "row {y}");
    }
}

#[test]
fn a_second_pass_is_larger() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    let sizes = [("2", (128, 128)), ("1.4", (88, 88)), ("128x64", (128, 64))];
    for (hires, size) in sizes {
        let report = generate(folder, &["--hires", hires, "--hires-steps", "2", "-n", "2"]);
        assert_eq!((&report["width"], &report["height"]), (&json!(size.0), &json!(size.1)));
        assert_eq!(report["hires"]["steps"], 2);
        let picture = read(folder, "out-2.png");
        assert_eq!((picture.width, picture.height), size);
    }
    generate(folder, &["--hires", "2", "--hires-upscaler", "picture", "--preview", "steps.png"]);
    // Six frames of 128×128 and gutters: those of the first pass enlarged.
    assert_eq!(read(folder, "steps.png").width, 5 * 130 + 2);
}

#[test]
fn what_cannot_work_is_refused() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    tiny_inpainting(&folder.join("inpainting"));
    // Weights are not looked at before the request is.
    for model in ["model", "inpainting"] {
        let weights = folder.join(model).join("unet/diffusion_pytorch_model.safetensors");
        fs::write(weights, "no weights").expect("writable");
    }
    save(folder, "init.png", SIDE, SIDE);
    save(folder, "small.png", 32, 32);
    save(folder, "odd.png", 70, 70);
    save(folder, "long.png", 3000, 64);
    save_mask(folder, "mask.png", 20);
    let begin = ["--init", "init.png"];
    for (more, said) in [
        (&["--mask", "mask.png"][..], "a mask needs a picture to begin with: give one with --init"),
        (&["--strength", "0.5"], "a strength needs a picture"),
        (&["--extend", "left=64"], "extending needs a picture"),
        (&["--mask-blur", "3"], "there is no mask to blur"),
        (&[&begin[..], &["--mask-blur", "3"]].concat(), "there is no mask to blur"),
        (&[&begin[..], &["--mask-blur", "-1"]].concat(), "a blur of -1 pixels is not possible"),
        (&[&begin[..], &["--strength", "1.5"]].concat(), "a strength of 1.5 is not possible"),
        (
            &[&begin[..], &["--strength", "0.1"]].concat(),
            "a strength of 0.1 leaves none of 4 steps",
        ),
        (&[&begin[..], &["--mask", "small.png"]].concat(), "the mask has 32x32 pixels, but"),
        (&[&begin[..], &["--extend", "left=0"]].concat(), "extending by nothing"),
        (&[&begin[..], &["--extend", "left=64", "--width", "64"]].concat(), "leave out width"),
        (
            &[&begin[..], &["--extend", "left=64", "--mask", "mask.png"]].concat(),
            "leave out --mask",
        ),
        (&["--init", "odd.png", "--extend", "left=64"], "extend left or right by 2 more"),
        (&[&begin[..], &["--extend", "left=4000"]].concat(), "4064x64 is not a possible size"),
        (&[&begin[..], &["--hires", "2"]].concat(), "leave out --hires or --init"),
        (&["--hires", "20"], "a second pass 20 times as large is not possible"),
        (&["--hires", "32x32"], "32x32 is not a possible size"),
        (&["--hires", "100x100"], "100x100 is not a possible size"),
        (&["--hires", "2048x2048"], "2048x2048 is too large"),
        (&["--hires", "2", "--width", "1024", "--height", "1024"], "2048x2048 is too large"),
        (&["--hires", "64x64", "--width", "128"], "is smaller than the first"),
        (&["--hires", "2", "--hires-strength", "2"], "a strength of 2 is not possible"),
        (&["--hires", "2", "--hires-steps", "0"], "0 steps are not possible"),
        (
            &["--init", "long.png"],
            "the picture has 3000x64 pixels, which cannot be made: give --width",
        ),
        (&["--init", "none.png"], "none.png cannot be read"),
        (&["--init", "model/model_index.json"], "cannot be used as a picture"),
        (&["-m", "inpainting"], "this model paints into pictures only"),
        (&[&begin[..], &["-m", "inpainting"]].concat(), "this model paints into pictures only"),
    ] {
        let error = refused(folder, &[&ARGS[..], more].concat());
        assert!(error.contains(said), "{more:?}: {error}");
    }
    assert!(!names(folder).contains(&"a-cat-7.png".to_owned()), "{:?}", names(folder));
}
