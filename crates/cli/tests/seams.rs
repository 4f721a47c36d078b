//! Whether one sees where a picture was continued: the gradient at the border beside the gradients
//! next to it, with the model in the program.

mod common;

use std::fs;
use std::path::Path;

use aquatint_pipeline::{Picture, png};
use common::succeed;

const PROMPT: &str = "noto emoji of pizza, blue background";
const GROWN: usize = 32;

fn draw(folder: &Path, name: &str, more: &[&str]) -> Picture {
    succeed(folder, &[&["generate", PROMPT, "--steps", "12", "-o", name], more].concat());
    png::decode(&fs::read(folder.join(name)).expect("written")).expect("a PNG").0
}

/// For each pair of neighbouring columns how much steeper it is than the pairs beside it, 1 for as
/// much: an edge that runs straight from top to bottom stands out.
fn steps(picture: &Picture) -> Vec<f64> {
    let width = picture.width;
    let gradient = |x: usize| -> f64 {
        let rows = picture.rgb.chunks_exact(3 * width);
        let row = |row: &[u8]| -> u32 {
            (0..3).map(|c| u32::from(row[3 * x + c].abs_diff(row[3 * x + 3 + c]))).sum()
        };
        f64::from(rows.map(row).sum::<u32>())
    };
    let gradients: Vec<f64> = (0..width - 1).map(gradient).collect();
    gradients.windows(3).map(|g| 2.0 * g[1] / (g[0] + g[2])).collect()
}

fn largest(steps: &[f64]) -> f64 {
    steps.iter().copied().fold(0.0, f64::max)
}

/// The steps around both borders of a picture that grew to the left and to the right, 24 pairs of
/// columns inside and 2 outside, where new goes over into old.
fn at_borders(picture: &Picture) -> f64 {
    let steps = steps(picture);
    let right = picture.width - GROWN;
    largest(&steps[GROWN - 4..GROWN + 22]).max(largest(&steps[right - 25..right + 2]))
}

#[test]
fn a_picture_that_grew_has_no_seam() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let init = draw(folder, "init.png", &["--seed", "6"]);
    let inside = largest(&steps(&init));
    for seed in ["1", "2", "3"] {
        let extend = ["--init", "init.png", "--extend", "left=32,right=32", "--seed", seed];
        let grown = draw(folder, "grown.png", &extend);
        let border = at_borders(&grown);
        assert!(border <= inside, "seed {seed}: {border} at the border, {inside} inside");

        // The measure sees a seam where there is one: pictures that know nothing of each other.
        let mut pasted = draw(folder, "wide.png", &["--width", "192", "--seed", seed]);
        for (row, init) in pasted.rgb.chunks_exact_mut(3 * 192).zip(init.rgb.chunks_exact(3 * 128))
        {
            row[3 * GROWN..3 * (192 - GROWN)].copy_from_slice(init);
        }
        let border = at_borders(&pasted);
        assert!(border > 1.5 * inside, "seed {seed}: {border} at a seam, {inside} inside");
    }
}

/// Across and, with the picture on its side, down.
#[test]
fn a_second_pass_has_no_seam() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let small = draw(folder, "small.png", &["--seed", "6"]);
    let hires = ["--seed", "6", "--hires", "2", "--hires-strength", "0.4", "--vae-tiling", "on"];
    let large = draw(folder, "large.png", &hires);
    for turn in [Picture::clone, turned] {
        let (small, large) = (largest(&steps(&turn(&small))), largest(&steps(&turn(&large))));
        assert!(large <= small.max(2.0), "{large} in the large picture, {small} in the small one");
    }
}

/// Columns as rows.
fn turned(picture: &Picture) -> Picture {
    let (width, height) = (picture.height, picture.width);
    let pixel = |i: usize| -> [u8; 3] {
        let at = 3 * (i % width * picture.width + i / width);
        [picture.rgb[at], picture.rgb[at + 1], picture.rgb[at + 2]]
    };
    let rgb = (0..width * height).flat_map(pixel).collect();
    Picture { width, height, rgb }
}
