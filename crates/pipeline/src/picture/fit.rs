//! Pictures in other sizes.

use std::f64::consts::PI;
use std::fmt::{self, Display};
use std::str::FromStr;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Picture;

/// What to do with a picture whose sides have another ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Fill the size and cut off what is outside, the same on both sides.
    #[default]
    Cover,
    /// Show all of it, between bars of one colour.
    Contain,
    /// Distort it.
    Stretch,
}

impl Fit {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cover, Self::Contain, Self::Stretch];

    const fn name(self) -> &'static str {
        match self {
            Self::Cover => "cover",
            Self::Contain => "contain",
            Self::Stretch => "stretch",
        }
    }
}

/// A name that is none of a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no way `{0}` to fit a picture: it is cover, contain or stretch")]
pub struct UnknownFit(String);

impl FromStr for Fit {
    type Err = UnknownFit;

    fn from_str(name: &str) -> Result<Self, UnknownFit> {
        let found = Self::ALL.into_iter().find(|fit| fit.name() == name);
        found.ok_or_else(|| UnknownFit(name.into()))
    }
}

impl Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The picture in this size. Bars beside it are of a middle grey.
///
/// # Panics
/// If it has no pixels, or is to have none.
#[track_caller]
pub fn fit(picture: &Picture, width: usize, height: usize, fit: Fit) -> Picture {
    let size = [picture.width, picture.height];
    let rgb = fit_plane::<3>(&picture.rgb, size, [width, height], fit, 128);
    Picture { width, height, rgb }
}

/// The picture in this size, distorted if the ratio of the sides is another: Lanczos's filter of
/// three lobes on the bytes of sRGB, as Pillow has it, which the models were trained with.
///
/// # Panics
/// If it has no pixels, or is to have none.
#[track_caller]
pub fn resize(picture: &Picture, width: usize, height: usize) -> Picture {
    fit(picture, width, height, Fit::Stretch)
}

/// The same by Pillow's bicubic filter, which CLIP's pictures are made smaller with.
///
/// # Panics
/// As [`resize`].
#[track_caller]
pub fn resize_bicubic(picture: &Picture, width: usize, height: usize) -> Picture {
    let (w, h) = (picture.width, picture.height);
    assert!(w * h * width * height > 0, "{w}x{h} pixels to {width}x{height}");
    let (across, down) = ([0.0, w as f64], [0.0, h as f64]);
    let rgb = scale_by::<3>(&BICUBIC, &picture.rgb, w, across, down, [width, height]);
    Picture { width, height, rgb }
}

/// [`fit`] of pixels of `C` bytes.
#[track_caller]
pub(super) fn fit_plane<const C: usize>(
    pixels: &[u8],
    [w, h]: [usize; 2],
    [width, height]: [usize; 2],
    fit: Fit,
    bars: u8,
) -> Vec<u8> {
    assert!(w * h * width * height > 0, "{w}x{h} pixels to {width}x{height}");
    assert_eq!(pixels.len(), w * h * C, "bytes of {w}x{h} pixels");
    let (w64, h64) = (w as f64, h as f64);
    let scales = [width as f64 / w64, height as f64 / h64];
    match fit {
        Fit::Stretch => scale::<C>(pixels, w, [0.0, w64], [0.0, h64], [width, height]),
        Fit::Cover => {
            // The part of the picture that is seen: Pillow's `ImageOps.fit`.
            let scale_by = scales[0].max(scales[1]);
            let (seen_w, seen_h) = (width as f64 / scale_by, height as f64 / scale_by);
            let (left, top) = ((w64 - seen_w) / 2.0, (h64 - seen_h) / 2.0);
            let (across, down) = ([left, left + seen_w], [top, top + seen_h]);
            scale::<C>(pixels, w, across, down, [width, height])
        }
        Fit::Contain => {
            let scale_by = scales[0].min(scales[1]);
            let side = |n: f64, most: usize| ((n * scale_by).round() as usize).clamp(1, most);
            let (new_w, new_h) = (side(w64, width), side(h64, height));
            let inner = scale::<C>(pixels, w, [0.0, w64], [0.0, h64], [new_w, new_h]);
            let (left, top) = ((width - new_w) / 2, (height - new_h) / 2);
            let mut out = vec![bars; width * height * C];
            for (y, row) in inner.chunks_exact(new_w * C).enumerate() {
                let begin = ((top + y) * width + left) * C;
                out[begin..begin + row.len()].copy_from_slice(row);
            }
            out
        }
    }
}

/// [`scale_by`] Lanczos's filter.
fn scale<const C: usize>(
    pixels: &[u8],
    w: usize,
    across: [f64; 2],
    down: [f64; 2],
    size: [usize; 2],
) -> Vec<u8> {
    scale_by::<C>(&LANCZOS, pixels, w, across, down, size)
}

/// The part `across` × `down` of pixels, `w` to a row, in another size. Rows first, then columns,
/// rounded to bytes after each as in Pillow.
fn scale_by<const C: usize>(
    filter: &Filter,
    pixels: &[u8],
    w: usize,
    across: [f64; 2],
    down: [f64; 2],
    [width, height]: [usize; 2],
) -> Vec<u8> {
    let h = pixels.len() / (w * C);
    let (columns, rows) = (windows(filter, across, w, width), windows(filter, down, h, height));
    // Only the rows that the second pass reads.
    let first = rows.iter().map(|(first, _)| *first).min().unwrap_or(0);
    let last = rows.iter().map(|(first, weights)| first + weights.len()).max().unwrap_or(h);
    let mut wide = vec![0; (last - first) * width * C];
    let lines = pixels.par_chunks_exact(w * C).skip(first);
    wide.par_chunks_exact_mut(width * C).zip(lines).for_each(|(out, line)| {
        let (line, _) = line.as_chunks::<C>();
        for (out, (first, weights)) in out.as_chunks_mut::<C>().0.iter_mut().zip(&columns) {
            let mut sums = [0.0; C];
            for (weight, pixel) in weights.iter().zip(&line[*first..]) {
                (0..C).for_each(|c| sums[c] += weight * f32::from(pixel[c]));
            }
            *out = sums.map(byte);
        }
    });
    let mut out = vec![0; height * width * C];
    out.par_chunks_exact_mut(width * C).zip(&rows).for_each(|(out, (begin, weights))| {
        let mut sums = vec![0.0; width * C];
        let lines = wide.chunks_exact(width * C).skip(begin - first);
        for (weight, line) in weights.iter().zip(lines) {
            sums.iter_mut().zip(line).for_each(|(sum, &v)| *sum += weight * f32::from(v));
        }
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = byte(sum));
    });
    out
}

fn byte(x: f32) -> u8 {
    // Beside edges the filter goes beyond black and white.
    x.clamp(0.0, 255.0).round() as u8
}

/// For each of `to` new pixels of the part `[from, until]` of `count` old ones: the first old pixel
/// that counts, and the weights from there on.
fn windows(
    filter: &Filter,
    [from, until]: [f64; 2],
    count: usize,
    to: usize,
) -> Vec<(usize, Vec<f32>)> {
    let ratio = (until - from) / to as f64;
    let stretch = ratio.max(1.0);
    let window = |i: usize| {
        let middle = from + (i as f64 + 0.5) * ratio;
        let first =
            ((middle - filter.reach * stretch + 0.5).floor().max(0.0) as usize).min(count - 1);
        let last =
            ((middle + filter.reach * stretch + 0.5).floor() as usize).clamp(first + 1, count);
        let weight = |j: usize| (filter.weight)((j as f64 + 0.5 - middle) / stretch);
        let weights: Vec<f64> = (first..last).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        (first, weights.into_iter().map(|w| (w / sum) as f32).collect())
    };
    (0..to).map(window).collect()
}

/// How much a pixel counts by its distance, and up to which.
struct Filter {
    reach: f64,
    weight: fn(f64) -> f64,
}

const LANCZOS: Filter = Filter { reach: 3.0, weight: lanczos };
const BICUBIC: Filter = Filter { reach: 2.0, weight: bicubic };

/// Keys's cubic (1981) with a = −1/2.
fn bicubic(x: f64) -> f64 {
    match x.abs() {
        x if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        x if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        _ => 0.0,
    }
}

/// sinc(x)·sinc(x/3) between −3 and 3.
fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}
