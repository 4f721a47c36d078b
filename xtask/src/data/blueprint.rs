//! `cargo xtask data blueprint DIR`: twelve pictures of a style that is not among the seven, to
//! fine-tune a model with: the outlines of flat drawings in white on blue.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use image::{Rgba, RgbaImage};
use serde_json::{Value, json};

use super::{files, render};

/// Arguments of `cargo xtask data blueprint`.
#[derive(clap::Args)]
pub struct Args {
    /// Folder for the images and `metadata.jsonl`.
    dir: PathBuf,
    /// The data set whose drawings are redrawn.
    #[arg(long, value_name = "DIR", default_value = "data/seven-styles")]
    from: PathBuf,
}

/// Whose outlines are drawn, and of what: a cat face, a house, a tree, a teacup, a key, a fish, an
/// airplane, a guitar, a mushroom, a light bulb, a sailboat and a camera.
const STYLE: &str = "fluent-flat";
const THINGS: [&str; 12] = [
    "1f431", "1f3e0", "1f332", "1f375", "1f511", "1f41f", "2708", "1f3b8", "1f344", "1f4a1",
    "26f5", "1f4f7",
];

const PAPER: [f32; 3] = [24.0, 72.0, 152.0];
const LINE: [f32; 3] = [240.0, 246.0, 255.0];
/// How much of the line's colour is on what a drawing covers.
const TINT: f32 = 0.12;
/// Steps of colour, per pixel and of 1, from which a line begins and at which it is whole.
const EDGE: [f32; 2] = [0.06, 0.3];

/// Draws the pictures and writes their captions.
pub fn run(args: &Args) -> Result<()> {
    let path = args.from.join("metadata.jsonl");
    let text = fs::read_to_string(&path).with_context(|| {
        format!("no {}: build it with `cargo xtask data seven-styles`", path.display())
    })?;
    let rows: Vec<Value> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>().context("bad metadata")?;
    fs::create_dir_all(&args.dir)?;
    let mut lines = String::new();
    for hexcode in THINGS {
        let row = rows.iter().find(|row| row["style"] == STYLE && row["hexcode"] == hexcode);
        let row = row.with_context(|| format!("no drawing of {hexcode} in {}", path.display()))?;
        let file = row["file_name"].as_str().unwrap_or_default();
        let bytes = fs::read(args.from.join(file)).with_context(|| file.to_owned())?;
        let picture = outlines(&render::read_png(&bytes)?);
        let name = format!("{hexcode}.png");
        files::write_atomically(&args.dir.join(&name), &render::png(&picture)?, false)?;
        let label = row["label"].as_str().unwrap_or_default();
        // What the shipped model draws in colours until it has learned better.
        let text = format!("flat emoji of {label}, blue background");
        lines += &format!("{}\n", json!({"file_name": name, "text": text}));
    }
    files::write_atomically(&args.dir.join("metadata.jsonl"), lines.as_bytes(), true)?;
    println!("{} pictures in {}", THINGS.len(), args.dir.display());
    Ok(())
}

/// The picture as a blueprint: lines where its colours change.
fn outlines(picture: &RgbaImage) -> RgbaImage {
    let (width, height) = picture.dimensions();
    // Premultiplied, so that what is behind nothing has no colour. The border continues.
    let at = |x: i64, y: i64, c: usize| {
        let (x, y) = (x.clamp(0, i64::from(width) - 1), y.clamp(0, i64::from(height) - 1));
        let Rgba(pixel) = *picture.get_pixel(x as u32, y as u32);
        let alpha = f32::from(pixel[3]) / 255.0;
        if c == 3 { alpha } else { alpha * f32::from(pixel[c]) / 255.0 }
    };
    // Sobel's operator, per pixel.
    let slope = |x: i64, y: i64, c: usize| {
        let row = |dy| at(x + 1, y + dy, c) - at(x - 1, y + dy, c);
        let column = |dx| at(x + dx, y + 1, c) - at(x + dx, y - 1, c);
        let [across, down] =
            [row(-1) + 2.0 * row(0) + row(1), column(-1) + 2.0 * column(0) + column(1)];
        across.hypot(down) / 8.0
    };
    RgbaImage::from_fn(width, height, |x, y| {
        let (x, y) = (i64::from(x), i64::from(y));
        let steepest = (0..4).map(|c| slope(x, y, c)).fold(0.0, f32::max);
        let line = ((steepest - EDGE[0]) / (EDGE[1] - EDGE[0])).clamp(0.0, 1.0);
        let share = line.max(TINT * at(x, y, 3));
        let mixed = |c: usize| (PAPER[c] + share * (LINE[c] - PAPER[c])).round() as u8;
        Rgba([mixed(0), mixed(1), mixed(2), 255])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_has_an_outline_and_a_tint() {
        let square = RgbaImage::from_fn(16, 16, |x, y| {
            let inside = (4..12).contains(&x) && (4..12).contains(&y);
            Rgba([200, 0, 0, if inside { 255 } else { 0 }])
        });
        let drawn = outlines(&square);
        let paper = drawn.get_pixel(0, 0).0;
        assert_eq!(paper[..3], [24, 72, 152]);
        assert!(drawn.get_pixel(4, 8)[0] > 200, "no line: {:?}", drawn.get_pixel(4, 8));
        let tint = drawn.get_pixel(8, 8)[0];
        assert!(tint > paper[0] && tint < 80, "{tint}");
    }
}
